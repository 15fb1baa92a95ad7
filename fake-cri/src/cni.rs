//! Container network plugins that change nothing: bridge, host-local, loopback, portmap, firewall, bandwidth, tuning; and the way a
//! runtime calls plugins. They keep the books that real ones keep (addresses, results), and answer as real ones answer.
//!
//! After the CNI specification 1.1.0, and the reference plugins and libcni where it is silent. No interface is made: whoever runs them
//! under a real runtime gets pods with addresses and without packets.

pub mod configuration;
pub mod error;
pub mod executable;
pub mod hostile;
pub mod ipam;
pub mod plugins;
pub mod request;
pub mod result;
pub mod runtime;

pub use error::{Error, code};
pub use plugins::invoke;
pub use request::{Command, Request};
pub use result::NetworkResult;

/// Versions of the protocol that are spoken.
pub const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// A version as numbers, to be compared. What is no version is the oldest.
pub fn version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
