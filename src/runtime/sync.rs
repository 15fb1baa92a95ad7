//! What goes into a sync or a kill of one pod and what comes out. Types only; the doing is in `execute` and `kill`.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::runtime::observed::ContainerId;

/// What a probe last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// No verdict.
    Unknown,
    /// Passed.
    Success,
    /// Failed as often as its threshold says.
    Failure,
}

/// Where the plan looks up probe results. `None` means that there is no result yet (or no such probe).
pub trait ProbeResults: Send + Sync {
    /// The liveness probe of a container.
    fn liveness(&self, id: &ContainerId) -> Option<ProbeResult>;
    /// The startup probe of a container.
    fn startup(&self, id: &ContainerId) -> Option<ProbeResult>;
}

/// No probe has any result.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbes;

impl ProbeResults for NoProbes {
    fn liveness(&self, _: &ContainerId) -> Option<ProbeResult> {
        None
    }

    fn startup(&self, _: &ContainerId) -> Option<ProbeResult> {
        None
    }
}

/// What a sync needs beside the pod and what is observed of it.
#[derive(Clone, Copy)]
pub struct SyncContext<'a> {
    /// Results of probes.
    pub probes: &'a dyn ProbeResults,
    /// Cancelled when the pod's termination has been asked for: the sync stops before its next step.
    pub terminating: &'a CancellationToken,
    /// Told when a new sandbox is ready, before its containers are made: a slow image or hook must not hide it.
    pub sandbox_ready: &'a (dyn Fn() + Send + Sync),
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncError {
    /// `StartContainer`, `KillContainer`, `CreatePodSandbox`, `KillPodSandbox`, `ConfigPodSandbox`, `InitContainer` …
    pub action: &'static str,
    /// Name of the container, or pod UID, or sandbox id.
    pub target: String,
    /// `CrashLoopBackOff`, `ErrImagePull`, `CreatePodSandboxError`, `KillContainerError`, …
    pub reason: String,
    /// Text.
    pub message: String,
}

impl std::fmt::Display for SyncError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to {:?} for {:?} with {}: {:?}", self.action, self.target, self.reason, self.message)
    }
}

/// How the start of one container went: what the reason cache keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOutcome {
    /// Name of the container.
    pub container: String,
    /// Waiting reason and message; `None` if it started.
    pub failure: Option<StartFailure>,
}

/// Why a container did not start, as its waiting state shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// `CrashLoopBackOff`, `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: String,
    /// Message of the waiting state.
    pub message: String,
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncResult {
    /// Whether the runtime was asked to change anything: the pod's status wants to be read again at once.
    pub acted: bool,
    /// What went wrong, in order. Empty: the sync succeeded.
    pub errors: Vec<SyncError>,
    /// Starts that were tried, in order, successful ones too.
    pub starts: Vec<StartOutcome>,
    /// When the first of the back-offs that hold a container or a pull back runs out.
    pub earliest_backoff_expiry: Option<Instant>,
    /// How a resize went, if there was one. Nothing else tells that it is done.
    pub resize: Option<Result<(), String>>,
    /// Addresses of the pod, primary first, as known after this sync.
    pub pod_ips: Vec<String>,
}

impl SyncResult {
    /// All errors as one text, as upstream's aggregate prints it; `None` if there are none.
    pub fn error(&self) -> Option<String> {
        aggregate(&self.errors)
    }

    /// Something can be tried again at that time.
    pub(crate) fn wait_until(&mut self, expiry: Instant) {
        self.earliest_backoff_expiry = Some(self.earliest_backoff_expiry.map_or(expiry, |e| e.min(expiry)));
    }

    pub(crate) fn fail(&mut self, action: &'static str, target: &str, reason: &str, message: impl Into<String>) {
        self.errors.push(SyncError {
            action,
            target: target.to_owned(),
            reason: reason.to_owned(),
            message: message.into(),
        });
    }
}

/// A pod, or a part of it, that could not be killed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", aggregate(errors).unwrap_or_default())]
pub struct KillError {
    /// What went wrong.
    pub errors: Vec<SyncError>,
}

/// Errors in upstream's aggregate form: one bare, several in brackets, each text once.
pub fn aggregate(errors: &[SyncError]) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.len() {
        0 => None,
        1 => texts.pop(),
        _ => Some(format!("[{}]", texts.join(", "))),
    }
}

/// Who knows which pods' leftovers may go.
pub trait GarbageOracle: Send + Sync {
    /// Whether every source of pods has spoken once: nothing is removed for being unknown before.
    fn sources_ready(&self) -> bool;
    /// Whether all that the runtime holds of this pod may go: it was evicted, or deleted and has terminated, or nobody knows it.
    fn remove_content(&self, uid: &str) -> bool;
}
