//! Why containers did not start, remembered until they do: what a waiting state shows. As upstream's reason cache.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::runtime::{StartFailure, StartOutcome};

/// Entries kept; the one that was not touched longest goes first.
const LIMIT: usize = 1000;

#[derive(Debug, Default)]
struct Entries {
    failures: BTreeMap<(String, String), StartFailure>,
    order: VecDeque<(String, String)>,
}

/// Failures by pod UID and container name.
#[derive(Debug, Default)]
pub struct ReasonCache(Mutex<Entries>);

impl ReasonCache {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a sync tried: a failure is remembered, a success forgets it.
    pub fn update(&self, uid: &str, outcomes: &[StartOutcome]) {
        let mut entries = self.lock();
        for outcome in outcomes {
            let key = (uid.to_owned(), outcome.container.clone());
            entries.order.retain(|k| *k != key);
            match &outcome.failure {
                Some(failure) => {
                    entries.order.push_back(key.clone());
                    entries.failures.insert(key, failure.clone());
                }
                None => {
                    entries.failures.remove(&key);
                }
            }
        }
        while entries.order.len() > LIMIT {
            if let Some(oldest) = entries.order.pop_front() {
                entries.failures.remove(&oldest);
            }
        }
    }

    /// Why a container of a pod did not start.
    pub fn get(&self, uid: &str, container: &str) -> Option<StartFailure> {
        self.lock().failures.get(&(uid.to_owned(), container.to_owned())).cloned()
    }

    /// Forgets a pod.
    pub fn forget(&self, uid: &str) {
        let mut entries = self.lock();
        entries.failures.retain(|(u, _), _| u != uid);
        entries.order.retain(|(u, _)| u != uid);
    }
}
