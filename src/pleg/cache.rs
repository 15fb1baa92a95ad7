//! The last known state of every pod, and who waits for a newer one. As upstream's pod cache; ordered by stamps instead of the clock,
//! because in virtual time much happens at one instant.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::runtime::observed::ObservedPod;

/// A point in the order of readings. The default is before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp(u64);

type Reading = Result<Arc<ObservedPod>, String>;

#[derive(Default)]
struct State {
    next: u64,
    entries: BTreeMap<String, (Stamp, Reading)>,
    /// When the last full listing began: every entry was still right then.
    global: Stamp,
    waiting: BTreeMap<String, Vec<(Stamp, oneshot::Sender<Reading>)>>,
    wanted: BTreeMap<String, Stamp>,
    wants_all: bool,
    streaming: bool,
}

impl State {
    fn stamp(&mut self) -> Stamp {
        self.next += 1;
        Stamp(self.next)
    }

    fn newer_than(&self, uid: &str, than: Stamp) -> Option<Reading> {
        match self.entries.get(uid) {
            Some((stamp, reading)) => (*stamp > than || self.global > than).then(|| reading.clone()),
            None => (self.global > than).then(|| Ok(nothing(uid))),
        }
    }

    fn release(&mut self, uid: &str) {
        let Some(waiting) = self.waiting.remove(uid) else { return };
        let mut still = Vec::new();
        for (than, to) in waiting {
            match self.newer_than(uid, than) {
                // Whoever gave up waiting does not mind.
                Some(reading) => drop(to.send(reading)),
                None => still.push((than, to)),
            }
        }
        if !still.is_empty() {
            self.waiting.insert(uid.to_owned(), still);
        }
    }
}

fn nothing(uid: &str) -> Arc<ObservedPod> {
    Arc::new(ObservedPod { uid: uid.to_owned(), ..ObservedPod::default() })
}

/// The last known state of every pod.
#[derive(Default)]
pub struct Cache {
    state: Mutex<State>,
    /// Only the relister waits for it.
    wake: Notify,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl Cache {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A point in the order of readings: those that begin after this call are newer.
    pub fn now(&self) -> Stamp {
        self.state().stamp()
    }

    /// The state as last read, at once. A pod that the runtime does not have, or that nobody has looked for, is empty.
    ///
    /// # Errors
    /// The text of the error that the reading met.
    pub fn get(&self, uid: &str) -> Reading {
        self.state().entries.get(uid).map_or_else(|| Ok(nothing(uid)), |(_, reading)| reading.clone())
    }

    /// Every pod that could be read, by UID.
    pub fn pods(&self) -> Vec<Arc<ObservedPod>> {
        self.state().entries.values().filter_map(|(_, reading)| reading.clone().ok()).collect()
    }

    /// The state from a reading that began after `than`. If there is none yet, one is asked for and waited for. Dropping the future is
    /// harmless. A full listing that found the pod unchanged counts as a reading.
    ///
    /// # Errors
    /// The text of the error that the reading met.
    pub async fn get_newer_than(&self, uid: &str, than: Stamp) -> Reading {
        loop {
            let answer = {
                let mut state = self.state();
                if let Some(reading) = state.newer_than(uid, than) {
                    return reading;
                }
                let (to, answer) = oneshot::channel();
                let waiting = state.waiting.entry(uid.to_owned()).or_default();
                waiting.retain(|(_, to)| !to.is_closed());
                waiting.push((than, to));
                let stamp = state.stamp();
                state.wanted.insert(uid.to_owned(), stamp);
                answer
            };
            self.wake.notify_one();
            if let Ok(reading) = answer.await {
                return reading;
            }
        }
    }

    /// Asks for a reading of one pod.
    pub(super) fn request(&self, uid: &str) {
        let mut state = self.state();
        let stamp = state.stamp();
        state.wanted.insert(uid.to_owned(), stamp);
        drop(state);
        self.wake.notify_one();
    }

    /// Says whether the runtime's events flow; asks for a full listing when they begin to, for what was missed.
    pub(super) fn set_streaming(&self, streaming: bool) {
        let mut state = self.state();
        if state.streaming == streaming {
            return;
        }
        state.streaming = streaming;
        state.wants_all = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Asks for a full listing.
    pub(super) fn request_all(&self) {
        self.state().wants_all = true;
        self.wake.notify_one();
    }

    /// Whether the runtime's events flow.
    pub(super) fn is_streaming(&self) -> bool {
        self.state().streaming
    }

    /// Waits for a request. For one waiter.
    pub(super) async fn requested(&self) {
        self.wake.notified().await;
    }

    /// Takes the request for a full listing.
    pub(super) fn take_all(&self) -> bool {
        std::mem::take(&mut self.state().wants_all)
    }

    /// Takes the next pod asked for, passing over those that a later full listing has answered.
    pub(super) fn take_wanted(&self) -> Option<String> {
        let mut state = self.state();
        while let Some((uid, stamp)) = state.wanted.pop_first() {
            if stamp > state.global {
                return Some(uid);
            }
        }
        None
    }

    /// Keeps a reading that began at `stamp`.
    pub(super) fn set(&self, uid: &str, stamp: Stamp, reading: Reading) {
        let mut state = self.state();
        state.entries.insert(uid.to_owned(), (stamp, reading));
        state.release(uid);
    }

    /// The runtime has nothing of this pod, by a reading that began at `stamp`.
    pub(super) fn set_gone(&self, uid: &str, stamp: Stamp) {
        self.set(uid, stamp, Ok(nothing(uid)));
    }

    /// A full listing that began at `stamp` is through: what is not in `present` is gone, the rest is as it is kept.
    pub(super) fn listed(&self, stamp: Stamp, present: &BTreeSet<String>) {
        let mut state = self.state();
        state.global = stamp;
        state.entries.retain(|uid, (at, _)| present.contains(uid) || *at > stamp);
        let waiting: Vec<String> = state.waiting.keys().cloned().collect();
        for uid in waiting {
            state.release(&uid);
        }
    }
}
