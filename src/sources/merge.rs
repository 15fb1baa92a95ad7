//! Makes changes of a source's successive sets of pods. As upstream's config mux: by UID, removals first, additions next, then updates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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

/// A pod of a source.
struct Entry<P> {
    /// Where it stands among the source's pods.
    place: P,
    /// As the source gave it.
    given: Arc<Pod>,
    /// As it was told.
    told: Arc<Pod>,
}

/// One source's pods as last told. A place, such as the name of a file, orders them.
pub struct Merger<P> {
    kind: SourceKind,
    clock: WallClock,
    recorder: Recorder,
    to: mpsc::Sender<PodChange>,
    by_uid: BTreeMap<String, Entry<P>>,
    told: bool,
}

impl<P: Ord> Merger<P> {
    /// One that has told nothing.
    pub fn new(kind: SourceKind, clock: WallClock, recorder: Recorder, to: mpsc::Sender<PodChange>) -> Self {
        Self { kind, clock, recorder, to, by_uid: BTreeMap::new(), told: false }
    }

    /// Takes the source's whole set and tells what is different. Waits for a slow reader.
    pub async fn set(&mut self, snapshot: Vec<(P, Arc<Pod>)>) {
        let mut names = BTreeSet::new();
        let (taken, refused): (Vec<_>, Vec<_>) =
            snapshot.into_iter().partition(|(_, pod)| names.insert(identity::full_name(pod)));
        for (_, pod) in refused {
            self.refuse(&pod);
        }
        let taken = last_of_each_uid(taken);
        let uids: BTreeSet<&str> = taken.iter().map(|(_, pod)| pod::uid(pod)).collect();
        let gone: Vec<String> = self.by_uid.keys().filter(|uid| !uids.contains(uid.as_str())).cloned().collect();
        self.tell(gone, taken).await;
    }

    /// Takes a part of the source's set: `gone` is not in it any more, `come` is in it or stands there changed, in order. No two pods of
    /// the source may share a name or a UID.
    pub async fn edit(&mut self, gone: Vec<(P, Arc<Pod>)>, come: Vec<(P, Arc<Pod>)>) {
        let uids: BTreeSet<&str> = come.iter().map(|(_, pod)| pod::uid(pod)).collect();
        let gone = gone.iter().map(|(_, pod)| pod::uid(pod)).filter(|uid| !uids.contains(uid));
        self.tell(gone.map(str::to_owned).collect(), come).await;
    }

    async fn tell(&mut self, gone: Vec<String>, come: Vec<(P, Arc<Pod>)>) {
        for (op, pods) in self.changes(gone, come) {
            // A reader that is gone needs no changes.
            let _ = self.to.send(PodChange { op, pods, source: self.kind }).await;
        }
    }

    fn changes(&mut self, gone: Vec<String>, come: Vec<(P, Arc<Pod>)>) -> Vec<(Op, Vec<Arc<Pod>>)> {
        let mut by_op: BTreeMap<Op, Vec<Arc<Pod>>> = BTreeMap::new();
        let mut new = Vec::new();
        for (place, given) in come {
            let uid = pod::uid(&given).to_owned();
            let (op, told) = match self.by_uid.get(&uid) {
                None => (Some(Op::Add), self.first_seen(&given)),
                // A file that has not changed is not read again: of ten thousand pods all but one are the very same.
                Some(old) if Arc::ptr_eq(&old.given, &given) => (None, old.told.clone()),
                Some(old) => self.compare(&old.told, &given),
            };
            if let Some(op) = op {
                by_op.entry(op).or_default().push(told.clone());
            }
            new.push((uid, Entry { place, given, told }));
        }
        let mut gone: Vec<Entry<P>> = gone.iter().filter_map(|uid| self.by_uid.remove(uid)).collect();
        gone.sort_by(|a, b| a.place.cmp(&b.place));
        if !gone.is_empty() {
            by_op.insert(Op::Remove, gone.into_iter().map(|entry| entry.told).collect());
        }
        self.by_uid.extend(new);
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

/// Of pods that share a UID the last one counts. Upstream tells them all, which comes to the same, and again whenever it looks at them.
fn last_of_each_uid<P>(pods: Vec<(P, Arc<Pod>)>) -> Vec<(P, Arc<Pod>)> {
    let mut uids = BTreeSet::new();
    let mut kept = Vec::with_capacity(pods.len());
    for (place, pod) in pods.into_iter().rev() {
        if uids.insert(pod::uid(&pod).to_owned()) {
            kept.push((place, pod));
        } else {
            tracing::warn!(
                pod = identity::pod_log_name(&pod),
                "Ignored: another pod of the same source has the same UID"
            );
        }
    }
    kept.reverse();
    kept
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
