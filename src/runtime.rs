//! The kubelet's view of the container runtime: what it observes, what it decides and how it carries it out.

pub mod manager;
pub mod observed;
pub mod recorder;
pub mod settings;
pub mod sync;

pub use manager::{RuntimeManager, RuntimeStatus};
pub use recorder::Recorder;
pub use settings::{CgroupDriver, ContainerGcPolicy, ImageSettings, RuntimeSettings};
pub use sync::{
    GarbageOracle, KillError, NoProbes, ProbeResult, ProbeResults, StartFailure, StartOutcome, SyncContext, SyncError, SyncResult,
};
