//! Makes changes of a source's successive sets of pods. As upstream's config mux: by UID, removals first, additions next, then updates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc;
use world::WallClock;

use crate::{
    api::{identity, labels, pod, reasons},
    observer::EventKind,
    runtime::Recorder,
    sources::{Op, PodChange, SourceKind},
};

/// Annotations that the kubelet itself writes; they do not make a pod another one.
const OWN: [&str; 3] = [labels::CONFIG_SOURCE, labels::CONFIG_SEEN, labels::CONFIG_MIRROR];

/// One source's pods as last told.
pub struct Merger {
    kind: SourceKind,
    clock: WallClock,
    recorder: Recorder,
    to: mpsc::Sender<PodChange>,
    /// By UID, in the source's order: as the source gave it, and as it was told.
    pods: IndexMap<String, (Arc<Pod>, Arc<Pod>)>,
    told: bool,
}

impl Merger {
    /// One that has told nothing.
    pub fn new(kind: SourceKind, clock: WallClock, recorder: Recorder, to: mpsc::Sender<PodChange>) -> Self {
        Self { kind, clock, recorder, to, pods: IndexMap::new(), told: false }
    }

    /// Takes the source's whole set and tells what is different. Waits for a slow reader.
    pub async fn set(&mut self, snapshot: Vec<Arc<Pod>>) {
        for (op, pods) in self.changes(snapshot) {
            // A reader that is gone needs no changes.
            let _ = self.to.send(PodChange { op, pods, source: self.kind }).await;
        }
    }

    fn changes(&mut self, snapshot: Vec<Arc<Pod>>) -> Vec<(Op, Vec<Arc<Pod>>)> {
        let mut by_op: BTreeMap<Op, Vec<Arc<Pod>>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut new = IndexMap::new();
        for each in snapshot {
            if !names.insert(identity::full_name(&each)) {
                self.refuse(&each);
                continue;
            }
            let uid = pod::uid(&each).to_owned();
            let (op, told) = match self.pods.get(&uid) {
                None => (Some(Op::Add), self.first_seen(&each)),
                // A file that has not changed is not read again: of ten thousand pods all but one are the very same.
                Some((given, told)) if Arc::ptr_eq(given, &each) => (None, told.clone()),
                Some((_, told)) => self.compare(told, &each),
            };
            if let Some(op) = op {
                by_op.entry(op).or_default().push(told.clone());
            }
            new.insert(uid, (each, told));
        }
        let gone = self.pods.iter().filter(|(uid, _)| !new.contains_key(*uid)).map(|(_, (_, told))| told.clone());
        let gone: Vec<Arc<Pod>> = gone.collect();
        if !gone.is_empty() {
            by_op.insert(Op::Remove, gone);
        }
        self.pods = new;
        let says_something = [Op::Add, Op::Update, Op::Delete].iter().any(|op| by_op.contains_key(op));
        if !std::mem::replace(&mut self.told, true) && !says_something {
            by_op.insert(Op::Add, Vec::new());
        }
        by_op.into_iter().collect()
    }

    fn refuse(&self, pod: &Pod) {
        let message = format!(
            "Error validating pod {} from {} due to duplicate pod name {:?}, ignoring",
            identity::pod_log_name(pod),
            self.kind.word(),
            pod::name(pod)
        );
        tracing::warn!("{message}");
        self.recorder.pod(pod, EventKind::Warning, reasons::event::FAILED_VALIDATION, message);
    }

    fn first_seen(&self, new: &Pod) -> Arc<Pod> {
        let mut new = new.clone();
        let annotations = new.metadata.annotations.get_or_insert_default();
        annotations.insert(labels::CONFIG_SEEN.to_owned(), self.clock.now().to_string());
        annotations.insert(labels::CONFIG_SOURCE.to_owned(), self.kind.word().to_owned());
        Arc::new(new)
    }

    /// What a pod of a known UID calls for, and the pod to keep: the old one where nothing changed.
    fn compare(&self, old: &Arc<Pod>, new: &Pod) -> (Option<Op>, Arc<Pod>) {
        let same_status = old.status == new.status;
        if same_meaning(old, new) && same_status {
            return (None, old.clone());
        }
        let op = match (same_meaning(old, new), &new.metadata.deletion_timestamp) {
            (true, _) => Op::Reconcile,
            (false, Some(_)) => Op::Delete,
            (false, None) => Op::Update,
        };
        let mut kept = Pod::clone(old);
        kept.spec.clone_from(&new.spec);
        kept.status.clone_from(&new.status);
        let (to, from) = (&mut kept.metadata, &new.metadata);
        to.labels.clone_from(&from.labels);
        to.deletion_timestamp.clone_from(&from.deletion_timestamp);
        to.deletion_grace_period_seconds = from.deletion_grace_period_seconds;
        to.generation = from.generation;
        let mut annotations = from.annotations.clone().unwrap_or_default();
        for key in OWN {
            if let Some(value) = pod::annotations(old).get(key) {
                annotations.insert(key.to_owned(), value.clone());
            }
        }
        to.annotations = Some(annotations);
        (Some(op), Arc::new(kept))
    }
}

/// Whether two versions of a pod ask for the same, status aside.
fn same_meaning(old: &Pod, new: &Pod) -> bool {
    let annotations = |pod: &Pod| -> BTreeMap<String, String> {
        let all = pod::annotations(pod).iter().filter(|(key, _)| !OWN.contains(&key.as_str()));
        all.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    old.spec == new.spec
        && pod::labels(old) == pod::labels(new)
        && annotations(old) == annotations(new)
        && old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
        && old.metadata.deletion_grace_period_seconds == new.metadata.deletion_grace_period_seconds
}
