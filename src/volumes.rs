//! Volumes of pods: made before a pod's first container and taken down after its last. Not the mounts that the runtime makes of them.
//!
//! As upstream's volume manager for what a standalone kubelet can have; without its loops: set-up is asked for, not reconciled.

pub mod downward;
pub mod manager;
pub mod memory;
pub mod nfs;
pub mod objects;
pub mod ownership;
pub mod paths;
pub mod setup;
pub mod subpaths;

pub use manager::{VolumeError, VolumeManager};

#[cfg(test)]
mod tests;
