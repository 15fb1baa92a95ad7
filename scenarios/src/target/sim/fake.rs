//! The fake runtime of a simulation: set up from a scenario's words, started, stopped, and asked for what it holds.

use serde_json::Value;
use world::{Tasks, World, net::Address};

use super::super::TargetError;
use crate::{
    format::{Scenario, step::RuntimeAction},
    history::History,
    setup,
};

/// Where the runtime listens: where the tutorial's configuration looks for it.
pub(super) fn address() -> Address {
    Address::unix(setup::SOCKET)
}

/// A fake runtime.
pub(super) struct Fake {}

impl Fake {
    pub(super) async fn start(scenario: &Scenario, world: &World, tasks: &Tasks, history: &History) -> Result<Self, TargetError> {
        let _ = (scenario, world, tasks, history);
        Ok(Self {})
    }

    pub(super) async fn act(&mut self, action: RuntimeAction) -> Result<(), TargetError> {
        let _ = action;
        Ok(())
    }

    pub(super) fn set_faults(&mut self, faults: Vec<Value>) -> Result<(), TargetError> {
        let _ = faults;
        Ok(())
    }

    /// What the runtime's own books say of leaks and of broken promises.
    pub(super) fn left(&self, nothing_wanted: bool) -> Vec<String> {
        let _ = nothing_wanted;
        Vec::new()
    }

    pub(super) async fn stop(&mut self) {}
}
