//! A standalone Kubernetes kubelet: runs static pods from a directory or a URL on any CRI v1 runtime.

pub mod runtime;
