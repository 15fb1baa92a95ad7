//! Our fake runtime, on whatever world a target has: set up from a scenario's words, started, stopped, and asked for what it holds.

use std::{sync::Arc, time::Duration};

use fake_cri::{Aftermath, Config, FakeCri, Personality, faults::Fault, journal::Entry, tripwire::Look, truth::Fact};
use serde_json::Value;
use world::{Tasks, World};

use super::TargetError;
use crate::{
    format::{Scenario, step::RuntimeAction},
    history::{Call, History, What},
};

/// Whether a fault makes the runtime say what is not so, where others make it say nothing, or late.
pub(super) fn lies(fault: &Value) -> bool {
    let what = fault.get("do").map(Value::to_string).unwrap_or_default();
    ["stale", "missing"].iter().any(|lie| what.contains(lie))
}

/// A fake runtime.
pub(super) struct Fake {
    fake: FakeCri,
    /// What a restart of the node leaves of its pods.
    reboot: Aftermath,
}

impl Fake {
    /// Starts it, with its calls and facts recorded. `place` says where it listens and whatever else depends on the target.
    pub(super) async fn start(
        scenario: &Scenario,
        world: &World,
        tasks: &Tasks,
        history: &History,
        place: impl FnOnce(&mut Config),
    ) -> Result<Self, TargetError> {
        let setup = scenario.runtime.clone().unwrap_or_default();
        let mut config = setup.config().map_err(TargetError::Scenario)?;
        place(&mut config);
        let fake = FakeCri::start(world, config, tasks).await.map_err(|e| TargetError::Scenario(e.to_string()))?;
        let first: Vec<Value> = setup.faults.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
        if !first.is_empty() {
            history.push(What::Faults { in_force: true, lying: first.iter().any(lies) });
        }
        fake.set_event_faults(setup.event_faults);
        let facts = history.clone();
        fake.truth().listen(Arc::new(move |fact: &Fact| facts.push(What::Fact(fact.clone()))));
        let history = history.clone();
        fake.journal().listen(Arc::new(move |entry: &Entry| history.push(What::Call(call(entry)))));
        // CRI-O wipes its containers when it starts on a freshly booted node; containerd remembers them.
        let reboot =
            if setup.personality == Personality::Crio { Aftermath::PodsAreForgotten } else { Aftermath::PodsDie };
        Ok(Self { fake, reboot })
    }

    pub(super) async fn act(&mut self, action: RuntimeAction) -> Result<(), TargetError> {
        match action {
            RuntimeAction::Stop => self.fake.crash(Aftermath::PodsRunOn).await,
            RuntimeAction::Crash => self.fake.crash(Aftermath::PodsDie).await,
            RuntimeAction::CrashKeepingSandboxes => self.fake.crash(Aftermath::PodsAreHalfForgotten).await,
            RuntimeAction::CrashKeepingNothing => self.fake.crash(Aftermath::PodsAreForgotten).await,
            RuntimeAction::Start => return self.restart().await,
            RuntimeAction::Restart => {
                self.fake.crash(Aftermath::PodsRunOn).await;
                return self.restart().await;
            }
        }
        Ok(())
    }

    /// The node loses its power.
    pub(super) async fn power_off(&self) {
        self.fake.crash(self.reboot).await;
    }

    /// Has `look` see every call as it passes.
    pub(super) fn look_at_calls(&self, look: Look) {
        self.fake.set_tripwire(Some(look));
    }

    async fn restart(&self) -> Result<(), TargetError> {
        self.fake.restart().await.map_err(|e| TargetError::Failed(e.to_string()))
    }

    pub(super) fn set_faults(&mut self, faults: Vec<Value>) -> Result<(), TargetError> {
        let read = |fault| serde_json::from_value::<Fault>(fault).map_err(|e| e.to_string());
        let faults = faults.into_iter().map(read).collect::<Result<Vec<_>, _>>();
        faults
            .and_then(|faults| self.fake.set_faults(faults))
            .map_err(|e| TargetError::Scenario(format!("faults: {e}")))
    }

    /// What the runtime's own books say: promises that were broken, and, when no pod is wanted, all that is still open.
    pub(super) fn left(&self, nothing_wanted: bool) -> Vec<String> {
        let mut left = self.fake.ledger().violations();
        if nothing_wanted {
            left.extend(self.fake.ledger().leaks());
        }
        left
    }

    pub(super) async fn stop(&mut self) {
        self.fake.stop().await;
    }
}

fn call(entry: &Entry) -> Call {
    Call {
        seq: entry.seq,
        took: Duration::try_from_secs_f64(entry.dur).unwrap_or_default(),
        rpc: entry.rpc.clone(),
        request: entry.request.clone(),
        response: entry.response.clone(),
        code: entry.code.clone().unwrap_or_else(|| "OK".to_owned()),
        error: entry.error.clone(),
        fault: entry.fault.clone(),
    }
}
