//! Whether the runtime can be worked with: asked every five seconds, and waited for by everything that would use it. As kubelet 1.36's
//! runtime state.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::runtime::RuntimeManager;

/// Between two questions.
const PERIOD: Duration = Duration::from_secs(5);
/// Between two questions while the answer is bad: what comes back is found soon.
const IMPATIENT: Duration = Duration::from_secs(1);
/// A good answer counts for this long.
const STALE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct State {
    last_good: Option<Instant>,
    not_ready: Option<String>,
    supplemental_groups_policy: bool,
}

/// What is known of the runtime. Shared.
#[derive(Debug)]
pub struct RuntimeGate {
    state: Mutex<State>,
    network: Arc<Mutex<Option<String>>>,
    opened: Notify,
}

impl Default for RuntimeGate {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            network: Arc::new(Mutex::new(Some("the runtime has not been asked yet".to_owned()))),
            opened: Notify::new(),
        }
    }
}

impl RuntimeGate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why pods cannot be worked on, if they cannot.
    pub fn closed(&self) -> Option<String> {
        let state = self.state();
        match state.last_good {
            None => Some("container runtime status check may not have completed yet".to_owned()),
            Some(_) if state.not_ready.is_some() => {
                state.not_ready.as_ref().map(|why| format!("container runtime not ready: {why}"))
            }
            Some(at) if at.elapsed() > STALE => Some("container runtime is down".to_owned()),
            Some(_) => None,
        }
    }

    /// Waits until pods can be worked on.
    pub async fn wait(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if self.closed().is_none() {
                return;
            }
            opened.await;
        }
    }

    /// Why the pod network is not ready, for whoever needs it.
    pub fn network(&self) -> Arc<Mutex<Option<String>>> {
        self.network.clone()
    }

    /// Whether the runtime honours `supplementalGroupsPolicy`.
    pub fn supplemental_groups_policy(&self) -> bool {
        self.state().supplemental_groups_policy
    }
}

/// Asks the runtime how it is, for ever.
pub(super) async fn watch(gate: Arc<RuntimeGate>, runtime: Arc<RuntimeManager>) {
    let mut told: Option<String> = None;
    loop {
        match runtime.status().await {
            Ok(status) => {
                {
                    let mut state = gate.state();
                    state.supplemental_groups_policy = status.supplemental_groups_policy;
                    state.not_ready = status.runtime_not_ready;
                    if state.not_ready.is_none() || state.last_good.is_none() {
                        state.last_good = Some(Instant::now());
                    }
                }
                *gate.network.lock().unwrap_or_else(PoisonError::into_inner) = status.network_not_ready;
                if gate.closed().is_none() {
                    gate.opened.notify_waiters();
                }
            }
            Err(error) => tracing::error!(%error, "Container runtime sanity check failed"),
        }
        let closed = gate.closed();
        if closed != told {
            match &closed {
                Some(why) => tracing::error!(err = why, "Skipping pod synchronization"),
                None => tracing::info!("Container runtime is ready"),
            }
            told.clone_from(&closed);
        }
        tokio::time::sleep(if closed.is_some() { IMPATIENT } else { PERIOD }).await;
    }
}
