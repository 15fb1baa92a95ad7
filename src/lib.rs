//! A standalone Kubernetes kubelet: runs static pods from a directory or a URL on any CRI v1 runtime.

pub mod api;
pub mod command;
pub mod config;
pub mod cri;
pub mod images;
pub mod klog;
pub mod node;
pub mod observer;
pub mod resources;
pub mod runtime;
pub mod server;
pub mod volumes;

/// The Kubernetes release whose kubelet this one takes the place of.
pub const VERSION: &str = "v1.36.2";
