//! Lists the runtime's pods, reads those that changed, fills the cache and tells events: the one owner of what was listed last. Which
//! events follow from a change is in `records`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use crate::{
    pleg::{
        Pleg, PlegEvent, PlegEventKind, RuntimeView, Stamp,
        records::{self, Record},
    },
    runtime::observed::{ListedPod, ObservedPod},
};

/// From the end of one full listing to the next one.
const PERIOD: Duration = Duration::from_secs(1);
/// The same while the runtime tells its events: only against lost ones.
const PERIOD_WITH_EVENTS: Duration = Duration::from_secs(10);

/// The task that lists.
pub struct Relister {
    pleg: Arc<Pleg>,
    runtime: Arc<dyn RuntimeView>,
    to: mpsc::Sender<PlegEvent>,
    records: BTreeMap<String, Record>,
    /// Pods whose last reading failed, or that must be read whatever the listing says.
    again: BTreeSet<String>,
    /// Whether the last full listing failed.
    failed: bool,
}

impl Relister {
    /// One that has seen nothing yet.
    pub fn new(pleg: Arc<Pleg>, runtime: Arc<dyn RuntimeView>, to: mpsc::Sender<PlegEvent>) -> Self {
        Self { pleg, runtime, to, records: BTreeMap::new(), again: BTreeSet::new(), failed: false }
    }

    /// Lists until its task ends.
    pub async fn run(mut self) {
        let mut ended = None;
        loop {
            let due = ended.is_none_or(|ended: Instant| Instant::now() >= ended + self.period());
            if self.pleg.cache.take_all() || due {
                self.relist_all().await;
                ended = Some(Instant::now());
            }
            while let Some(uid) = self.pleg.cache.take_wanted() {
                self.relist_one(&uid).await;
            }
            let next = ended.map_or_else(Instant::now, |ended| ended + self.period());
            tokio::select! {
                biased;
                () = self.pleg.cache.requested() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    fn period(&self) -> Duration {
        let well = self.pleg.cache.is_streaming() && self.again.is_empty() && !self.failed;
        if well { PERIOD_WITH_EVENTS } else { PERIOD }
    }

    async fn relist_all(&mut self) {
        let stamp = self.pleg.now();
        let listed = self.runtime.list(None).await;
        self.failed = listed.is_err();
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                tracing::error!(err = %error, "GenericPLEG: Unable to retrieve pods");
                return;
            }
        };
        let listed: BTreeMap<String, ListedPod> = listed.into_iter().map(|pod| (pod.uid.clone(), pod)).collect();
        let uids: BTreeSet<String> = listed.keys().chain(self.records.keys()).cloned().collect();
        for uid in &uids {
            self.look(uid, listed.get(uid), stamp, false).await;
        }
        self.pleg.cache.listed(stamp, &listed.into_keys().collect());
        self.pleg.relisted();
    }

    async fn relist_one(&mut self, uid: &str) {
        let stamp = self.pleg.now();
        match self.runtime.list(Some(uid)).await {
            Ok(listed) => {
                let listed = listed.into_iter().find(|pod| pod.uid == uid);
                self.look(uid, listed.as_ref(), stamp, true).await;
            }
            Err(error) => {
                tracing::error!(err = %error, podUID = uid, "GenericPLEG: Unable to retrieve pod");
                self.again.insert(uid.to_owned());
            }
        }
    }

    /// Compares, reads and tells for one pod. `asked`: read it even if nothing has changed.
    async fn look(&mut self, uid: &str, listed: Option<&ListedPod>, stamp: Stamp, asked: bool) {
        let new = listed.map(records::record).unwrap_or_default();
        let old = self.records.get(uid).cloned().unwrap_or_default();
        let differences = records::differences(&old, &new);
        let again = self.again.remove(uid);
        if differences.is_empty() && !again && !asked {
            return;
        }
        match listed {
            None => self.pleg.cache.set_gone(uid, stamp),
            Some(listed) => match self.runtime.observe(listed).await {
                Ok(pod) => self.pleg.cache.set(uid, stamp, Ok(Arc::new(self.with_ips(pod)))),
                Err(error) => {
                    // The record stays as it was, so that the events come when the pod can be read.
                    tracing::error!(err = %error, podUID = uid, "PLEG: Ignoring events for pod");
                    self.pleg.cache.set(uid, stamp, Err(error.to_string()));
                    self.again.insert(uid.to_owned());
                    return;
                }
            },
        }
        if new.is_empty() {
            self.records.remove(uid);
        } else {
            self.records.insert(uid.to_owned(), new);
        }
        if differences.is_empty() && again {
            self.tell(PlegEvent { uid: uid.to_owned(), kind: PlegEventKind::PodSync, container: None });
        }
        for difference in differences {
            if let Some(kind) = difference.kind {
                self.tell(PlegEvent { uid: uid.to_owned(), kind, container: Some(difference.id) });
            }
        }
    }

    /// Keeps the addresses known before when no sandbox is ready any more.
    fn with_ips(&self, mut pod: ObservedPod) -> ObservedPod {
        if pod.ips.is_empty()
            && !pod.sandboxes.iter().any(|sandbox| sandbox.ready)
            && let Ok(before) = self.pleg.cache.get(&pod.uid)
        {
            pod.ips.clone_from(&before.ips);
        }
        pod
    }

    fn tell(&self, event: PlegEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.to.try_send(event) {
            tracing::error!(podUID = event.uid, "Event channel is full, discard this relist() cycle event");
        }
    }
}
