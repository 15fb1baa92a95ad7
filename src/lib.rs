//! A standalone Kubernetes kubelet: runs static pods from a directory or a URL on any CRI v1 runtime.

pub mod cri;
pub mod observer;
pub mod resources;
pub mod runtime;
pub mod volumes;
