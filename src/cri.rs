//! The typed CRI client: one method per call that the kubelet makes, with Go-shaped errors. Not decisions, and no Kubernetes types.
//!
//! Mirrors upstream's `cri-client`: deadlines, message limits, redial back-off and the checks of successful replies.

pub mod checks;
pub mod client;
pub mod connect;
pub mod status;

pub use client::{CriClient, Endpoints};
pub use status::{Code, CriError};
