//! Kills the kubelet at a CRI call to our fake runtime, as SIGKILL does: it takes no further step. Which call that is, a step says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fake_cri::tripwire::{Look, Moment, Passing};

use crate::{
    format::crash::{CHANGES, CrashPoint, When},
    history::{History, What},
};

/// Ends a kubelet on the spot.
pub(super) type Kill = Arc<dyn Fn() + Send + Sync>;

/// What is to happen, and what has. Clones share it.
#[derive(Clone)]
pub(super) struct Crash {
    history: History,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What kills the kubelet that runs.
    kubelet: Option<Kill>,
    point: Option<CrashPoint>,
    /// Calls that would have done, since the step.
    seen: u64,
    /// The call after whose effect the kubelet dies.
    doomed: Option<u64>,
    /// Whether the kubelet that ran last died so.
    come: bool,
}

impl Crash {
    pub(super) fn new(history: History) -> Self {
        Self { history, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kubelet_started(&self, kill: Kill) {
        let mut state = self.state();
        state.kubelet = Some(kill);
        state.come = false;
    }

    /// Whether it had died already.
    pub(super) fn kubelet_ended(&self) -> bool {
        let mut state = self.state();
        state.kubelet = None;
        std::mem::take(&mut state.come)
    }

    pub(super) fn has_come(&self) -> bool {
        self.state().come
    }

    /// What is still to come, in words; `None` if nothing is.
    pub(super) fn to_come(&self) -> Option<String> {
        let state = self.state();
        let point = state.point.as_ref()?;
        Some(format!("{}; {} came", point.describe(), state.seen))
    }

    /// There is nothing to come any more.
    pub(super) fn call_off(&self) {
        self.state().point = None;
    }

    /// From now on, the call to look for.
    pub(super) fn look_for(&self, point: &CrashPoint) -> Look {
        {
            let mut state = self.state();
            (state.point, state.seen, state.doomed) = (Some(point.clone()), 0, None);
        }
        let crash = self.clone();
        Arc::new(move |passing| crash.pass(passing))
    }

    /// Kills the kubelet if this is the call; whether the call goes no further.
    fn pass(&self, passing: &Passing<'_>) -> bool {
        let mut state = self.state();
        let Some(point) = &state.point else { return false };
        let deadly = match passing.moment {
            Moment::After => state.doomed == Some(passing.seq),
            Moment::Before if state.doomed.is_some() || !fits(point, passing) => false,
            Moment::Before => {
                let (nth, when) = (point.nth, point.when);
                state.seen += 1;
                let this = state.seen == nth;
                if this && when == When::After {
                    state.doomed = Some(passing.seq);
                }
                this && when == When::Before
            }
        };
        // A kubelet that has been stopped meanwhile cannot die; the next one's calls count on.
        let Some(kill) = state.kubelet.clone().filter(|_| deadly) else { return false };
        kill();
        state.point = None;
        state.come = true;
        drop(state);
        let side = if passing.moment == Moment::Before { "before" } else { "after" };
        self.history.push(What::Kubelet(format!("killed {side} its call {}", passing.rpc)));
        true
    }
}

fn fits(point: &CrashPoint, passing: &Passing<'_>) -> bool {
    let call = point.call.as_ref().map_or_else(|| CHANGES.contains(&passing.rpc), |call| call == passing.rpc);
    let named = |name: &String| {
        let full = passing.pod.unwrap_or_default();
        full == name || full.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-'))
    };
    call && point.pod.as_ref().is_none_or(named)
        && point.container.as_ref().is_none_or(|name| passing.container == Some(name.as_str()))
}
