//! A standalone Kubernetes kubelet: runs static pods from a directory or a URL on any CRI v1 runtime.

pub mod api;
#[cfg(test)]
mod attacks;
pub mod command;
pub mod config;
pub mod cri;
pub mod findings;
#[cfg(any(test, feature = "fuzz"))]
pub mod hostile;
pub mod housekeeping;
mod httpget;
pub mod images;
pub mod klog;
pub mod kubelet;
pub mod local_objects;
pub mod node;
pub mod observer;
pub mod pleg;
pub mod pods;
pub mod prober;
pub mod resources;
pub mod runtime;
pub mod server;
pub mod sources;
pub mod status;
pub mod volumes;
pub mod worker;

/// The Kubernetes release whose kubelet this one takes the place of.
pub const VERSION: &str = "v1.36.2";
