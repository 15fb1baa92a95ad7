//! What probes last said, by container, and word to whoever acts on a change. Not how a verdict comes about.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::mpsc;

use crate::{
    prober::{ProbeKind, ProbeUpdate},
    runtime::{ProbeResult, observed::ContainerId},
};

/// The results.
#[derive(Debug)]
pub struct Results {
    by_container: Mutex<BTreeMap<(ProbeKind, ContainerId), ProbeResult>>,
    to: mpsc::Sender<ProbeUpdate>,
}

impl Results {
    /// None yet; changes go to `to`.
    pub fn new(to: mpsc::Sender<ProbeUpdate>) -> Self {
        Self { by_container: Mutex::default(), to }
    }

    /// The last result.
    pub fn get(&self, kind: ProbeKind, id: &ContainerId) -> Option<ProbeResult> {
        let all = self.by_container.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(kind, id.clone())).copied()
    }

    /// Keeps a result; tells it if it is new. Waits for a slow reader.
    pub async fn set(&self, uid: &str, kind: ProbeKind, id: &ContainerId, result: ProbeResult) {
        let before = {
            let mut all = self.by_container.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert((kind, id.clone()), result)
        };
        if before != Some(result) {
            let update = ProbeUpdate { uid: uid.to_owned(), container: id.clone(), kind, result };
            // A reader that is gone needs no updates.
            let _ = self.to.send(update).await;
        }
    }

    /// Forgets a container.
    pub fn remove(&self, kind: ProbeKind, id: &ContainerId) {
        self.by_container.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind, id.clone()));
    }
}
