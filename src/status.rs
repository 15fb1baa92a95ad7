//! The status of pods as the API shows it: computed from what the runtime says, kept with its history. Not what the runtime says itself.

pub mod compute;
pub mod conditions;
pub mod containers;
pub mod manager;
pub mod phase;
pub mod reasons;
pub mod resizes;

pub use compute::{Inputs, Probes};
pub use manager::StatusManager;
pub use reasons::ReasonCache;
