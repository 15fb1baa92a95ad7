//! What a scenario is played against: a kubelet, a runtime and the node they are on, in whatever world. Two kinds: `sim` and `process`.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use world::{World, net::Address};

use crate::{
    format::{crash::CrashPoint, length::Shift, step::RuntimeAction},
    history::History,
    http::Url,
};

mod crash;
mod fake;
pub mod leaks;
pub mod process;
pub mod sim;
mod watcher;

/// The target itself failed: not the kubelet's fault and not the scenario's.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The target has no such thing: the scenario cannot be played on it.
    #[error("{0}")]
    Unsupported(String),
    /// The words that the scenario uses for the runtime are wrong.
    #[error("{0}")]
    Scenario(String),
    /// Something did not work.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Something else did not work.
    #[error("{0}")]
    Failed(String),
}

impl TargetError {
    /// An I/O error of `what`.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

/// How the kubelet is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As SIGTERM: it may say good-bye.
    Gently,
    /// As SIGKILL.
    AtOnce,
}

/// Whether the kubelet runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kubelet {
    /// It was not started, or the scenario ended it.
    Stopped,
    /// It runs.
    Running,
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
        /// What it said last.
        message: String,
    },
    /// It was killed at the call that a step said.
    Crashed,
}

/// What a scenario is played against. Files and network are those of [`world`](Target::world), by the paths and addresses that
/// scenarios use; [`address`](Target::address) maps ports.
pub trait Target {
    /// The node's files and network.
    fn world(&self) -> &World;

    /// Where things that happen are recorded.
    fn history(&self) -> &History;

    /// Where a URL's server is.
    fn address(&self, url: &Url) -> Address;

    /// A manifest as it has to be here, where the node's paths are others than the scenario says.
    fn manifest(&self, manifest: Value) -> Value {
        manifest
    }

    /// Whether the kubelet runs.
    fn kubelet(&self) -> Kubelet;

    /// Starts the kubelet; does not wait until it answers.
    fn start_kubelet(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>>;

    /// Ends the kubelet and waits until it has. Does nothing if it does not run.
    fn end_kubelet(&mut self, how: End) -> LocalBoxFuture<'_, Result<(), TargetError>>;

    /// Has the kubelet die at a call that is still to come, in place of one that was said before.
    ///
    /// # Errors
    /// The target cannot look into calls.
    fn crash_at(&mut self, _point: &CrashPoint) -> Result<(), TargetError> {
        Err(TargetError::Unsupported(
            "it kills the kubelet within a call, which can be done in simulation only".to_owned(),
        ))
    }

    /// Which calls are still to come before the one at which the kubelet dies; `None` if it has, or was not to.
    fn crash_to_come(&self) -> Option<String> {
        None
    }

    /// Has the kubelet not die at any call.
    fn call_crash_off(&mut self) {}

    /// Takes the node's power: the runtime and all processes end, mounts and `/run` are gone. The kubelet has been ended before.
    fn power_off(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async { Err(TargetError::Unsupported("it takes the node's power".to_owned())) })
    }

    /// Boots the node up to its runtime.
    fn power_on(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async { Ok(()) })
    }

    /// Moves the wall clock after some time, which may be none.
    ///
    /// # Errors
    /// The clock is not the target's to move.
    fn step_clock(&mut self, _by: Shift, _after: Duration) -> Result<(), TargetError> {
        Err(TargetError::Unsupported("it moves the wall clock".to_owned()))
    }

    /// Does something to the runtime.
    fn runtime(&mut self, action: RuntimeAction) -> LocalBoxFuture<'_, Result<(), TargetError>>;

    /// Sets the faults that are in force from now on.
    fn set_faults(&mut self, faults: Vec<Value>) -> LocalBoxFuture<'_, Result<(), TargetError>>;

    /// What the runtime holds of pods that nobody wants any more, in a line each. `wanted` are the uids of the pods that `/pods` shows.
    fn leaks<'a>(&'a mut self, wanted: &'a [String]) -> LocalBoxFuture<'a, Result<Vec<String>, TargetError>>;

    /// The runner asked for `/pods` and got these. A target that only polls records them, so that a pod that lives shorter than a period
    /// is not missed.
    fn saw_pods(&self, _items: &[Value]) {}

    /// Whether CRI calls are recorded.
    fn sees_calls(&self) -> bool;

    /// Whether facts are recorded: what is true in the runtime, whatever it says.
    fn sees_facts(&self) -> bool {
        false
    }

    /// Whether every status that a pod has is recorded, or only those that somebody happened to ask for.
    fn sees_every_status(&self) -> bool {
        true
    }

    /// Names of all tasks that live, where they can be known.
    fn tasks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether events are recorded.
    fn sees_events(&self) -> bool;

    /// How often a condition is looked at when nothing new is recorded.
    fn pace(&self) -> Duration;

    /// How far off a time may be, of which the scenario says this or nothing. The one place where simulation and wall time differ in what
    /// they expect: virtual time is exact, so what a scenario says counts; in wall time every kubelet and the machine take some of their own.
    fn tolerance(&self, said: Option<Duration>) -> Duration;

    /// How long to wait for what the scenario wants within some time: as long, or with what wall time takes on top.
    fn patience(&self, within: Duration) -> Duration;

    /// Stops everything.
    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>>;
}
