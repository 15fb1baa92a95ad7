//! Container events: sent to every subscriber, and kept a while for the first one, as containerd does.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cri_proto::v1::ContainerEventResponse;
use tokio::{sync::mpsc, time::Instant};

/// How long events wait for a subscriber.
const KEPT: Duration = Duration::from_secs(300);

/// Events that wait for a slow subscriber; when there are more it is dropped and must come again.
const QUEUE: usize = 1000;

/// What may happen to events on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EventFaults {
    /// Every nth event is dropped.
    pub drop_every: Option<u32>,
    /// Every event comes twice.
    pub duplicate: bool,
    /// Every event comes that much late.
    pub late: crate::duration::Span,
    /// Two events in a row change places.
    pub swap: bool,
}

#[derive(Default)]
struct State {
    subscribers: Vec<mpsc::Sender<ContainerEventResponse>>,
    kept: VecDeque<(Instant, ContainerEventResponse)>,
    faults: EventFaults,
    count: u32,
    held: Option<ContainerEventResponse>,
}

/// The stream of events.
#[derive(Default)]
pub struct Events(Mutex<State>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what happens to events on their way.
    pub fn set_faults(&self, faults: EventFaults) {
        let mut state = self.lock();
        state.faults = faults;
        state.count = 0;
    }

    /// How late events are now.
    pub fn delay(&self) -> Duration {
        self.lock().faults.late.0
    }

    /// A new subscriber; the first gets what was kept.
    pub fn subscribe(&self) -> mpsc::Receiver<ContainerEventResponse> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut state = self.lock();
        state.subscribers.retain(|s| !s.is_closed());
        if state.subscribers.is_empty() {
            for (at, event) in std::mem::take(&mut state.kept) {
                if at.elapsed() < KEPT {
                    let _ = sender.try_send(event);
                }
            }
        }
        state.subscribers.push(sender);
        receiver
    }

    /// Ends every stream.
    pub fn close_all(&self) {
        self.lock().subscribers.clear();
    }

    /// Sends an event, or does to it what the faults say.
    pub fn send(&self, event: ContainerEventResponse) {
        let mut state = self.lock();
        state.count += 1;
        if state.faults.drop_every.is_some_and(|n| n > 0 && state.count.is_multiple_of(n)) {
            return;
        }
        if state.faults.swap {
            match state.held.take() {
                None => {
                    state.held = Some(event);
                    return;
                }
                Some(earlier) => {
                    deliver(&mut state, event);
                    deliver(&mut state, earlier);
                    return;
                }
            }
        }
        if state.faults.duplicate {
            deliver(&mut state, event.clone());
        }
        deliver(&mut state, event);
    }
}

fn deliver(state: &mut State, event: ContainerEventResponse) {
    state.subscribers.retain(|s| !s.is_closed());
    if state.subscribers.is_empty() {
        state.kept.push_back((Instant::now(), event));
        while state.kept.len() > QUEUE {
            state.kept.pop_front();
        }
        return;
    }
    state.subscribers.retain(|subscriber| subscriber.try_send(event.clone()).is_ok());
}
