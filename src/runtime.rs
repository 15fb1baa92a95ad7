//! The kubelet's view of the container runtime: what it observes, what it decides and how it carries it out.

pub mod backoff;
pub mod container_config;
mod execute;
mod gc;
pub mod hooks;
mod kill;
mod listing;
pub mod log_rotator;
pub mod logs;
pub mod manager;
pub mod naming;
pub mod observed;
pub mod plan;
pub mod recorder;
#[cfg(test)]
mod replay;
mod resize;
pub mod sandbox_config;
#[cfg(test)]
mod sequence;
pub mod settings;
pub mod signals;
mod start;
pub mod sync;
pub mod termination;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod userns;

pub use manager::{RuntimeManager, RuntimeStatus};
pub use recorder::Recorder;
pub use settings::{CgroupDriver, ContainerGcPolicy, ImageSettings, RuntimeSettings};
pub use sync::{
    GarbageOracle, KillError, NoProbes, ProbeResult, ProbeResults, StartFailure, StartOutcome, SyncContext, SyncError,
    SyncResult,
};
