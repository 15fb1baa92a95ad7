//! The loop that hears all news: of pods that come, change and go, of containers, of probes. It passes each on to whom it concerns and keeps
//! the list of pods; whether a pod may run is `pods::admission`'s to say. As upstream's syncLoop, without its polling.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{RuntimeGate, resizes::Waiting};
use crate::{
    api::{labels, pod as api_pod, reasons::event, sysctl},
    observer::{EventKind, Observer},
    pleg::{Pleg, PlegEvent, PlegEventKind},
    pods::{
        PodManager,
        admission::{self, Neighbours, Node},
    },
    prober::{ProbeKind, ProbeUpdate},
    resources::allocation::Allocations,
    runtime::{ProbeResult, observed::ListedPod},
    sources::{Op, PodChange, Sources},
    status::StatusManager,
    worker::{Workers, state::Phase},
};

/// The loop that hears all news.
pub(super) struct SyncLoop {
    pub(super) pods: Arc<PodManager>,
    pub(super) rejected: Arc<Mutex<BTreeSet<String>>>,
    pub(super) sources: Arc<Sources>,
    pub(super) workers: Workers,
    pub(super) status: Arc<StatusManager>,
    pub(super) gate: Arc<RuntimeGate>,
    pub(super) pleg: Arc<Pleg>,
    pub(super) wake: Arc<Notify>,
    /// Told when what pods ask for may have changed.
    pub(super) demand: Arc<Notify>,
    pub(super) node: Node,
    pub(super) allocated: Allocations,
    pub(super) resizes: Waiting,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) pulse: Arc<Mutex<Instant>>,
    /// Pods that the runtime ran when the kubelet started.
    pub(super) left_over: Vec<ListedPod>,
}

/// How often the loop shows that it is alive when there is no news.
const PULSE: Duration = Duration::from_secs(30);

/// How long after a failure to list what runs it is tried again.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// Message of a pod that makes way for another.
const PREEMPTED: &str = "Preempted in order to admit critical pod";

/// How long a pod that makes way is waited for at least.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

impl SyncLoop {
    /// Hears news until it is dropped.
    pub(super) async fn run(
        mut self,
        mut changes: mpsc::Receiver<PodChange>,
        mut events: mpsc::Receiver<PlegEvent>,
        mut probes: mpsc::Receiver<ProbeUpdate>,
    ) {
        self.find_left_over().await;
        loop {
            self.gate.wait().await;
            *self.pulse.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.resizes_due().await;
            let pulse = Instant::now() + PULSE;
            let pulse = self.next_resize().map_or(pulse, |next| next.min(pulse));
            tokio::select! {
                biased;
                Some(change) = changes.recv() => self.change(change).await,
                Some(event) = events.recv() => self.event(&event),
                Some(update) = probes.recv() => self.probe(&update),
                () = tokio::time::sleep_until(pulse) => {}
            }
        }
    }

    /// Learns what runs already. Whoever replaces one of these may not start beside it, and housekeeping would tell too late.
    async fn find_left_over(&mut self) {
        loop {
            self.gate.wait().await;
            match self.workers.parts().runtime.list_running().await {
                Ok(pods) => break self.left_over = pods,
                Err(error) => tracing::error!(%error, "Listing the pods that run already failed"),
            }
            tokio::time::sleep(LIST_AGAIN).await;
        }
    }

    async fn change(&mut self, mut change: PodChange) {
        // As upstream: the manifest says that it is only the copy of a pod, and there is no such pod.
        change.pods.retain(|pod| {
            let mirror = api_pod::annotations(pod).contains_key(labels::CONFIG_MIRROR);
            if mirror {
                let name = format!("{}/{}", api_pod::namespace(pod), api_pod::name(pod));
                tracing::info!(
                    mirrorPod = name,
                    mirrorPodUID = api_pod::uid(pod),
                    "Unable to find pod for mirror pod, skipping"
                );
            }
            !mirror
        });
        match change.op {
            Op::Add => {
                let mut others = self.neighbours();
                for pod in &change.pods {
                    self.add(pod, &change.pods, &mut others).await;
                }
            }
            Op::Update | Op::Delete | Op::Reconcile => {
                for pod in &change.pods {
                    let pod = sysctl::with_dotted_names(pod);
                    self.pods.set(pod.clone());
                    if change.op != Op::Reconcile && !self.is_rejected(api_pod::uid(&pod)) {
                        self.note_resize(&pod);
                        self.workers.update(&self.allocated.granted(&pod));
                    }
                }
            }
            Op::Remove => {
                for pod in &change.pods {
                    let uid = api_pod::uid(pod);
                    self.observer.pod_gone(&self.status.overlay(pod));
                    self.pods.remove(uid);
                    self.allocated.forget(uid);
                    if self.rejected.lock().unwrap_or_else(PoisonError::into_inner).remove(uid) {
                        self.status.remove(uid);
                    }
                    if self.sources.all_ready() {
                        self.workers.kill(uid, None);
                    }
                }
            }
        }
        self.sources.mark_seen(change.source);
        // Only now: what was granted before the kubelet was started comes before what anybody asks for beyond it.
        self.retry_resizes().await;
        self.demand.notify_one();
        self.wake.notify_one();
    }

    fn is_rejected(&self, uid: &str) -> bool {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }

    /// `together`: all the pods that have come at once. `others`: all that are to run or still run by now, kept so.
    async fn add(&mut self, pod: &Arc<Pod>, together: &[Arc<Pod>], others: &mut Neighbours) {
        let uid = api_pod::uid(pod).to_owned();
        let replaced = |old: &ListedPod| {
            let named = old.name == api_pod::name(pod) && old.namespace == api_pod::namespace(pod);
            named && !together.iter().any(|pod| api_pod::uid(pod) == old.uid)
        };
        for old in self.left_over.extract_if(.., |old| replaced(old)) {
            self.workers.kill_orphan(old);
        }
        others.remove(&uid);
        self.pods.set(pod.clone());
        self.observer.pod_shown(&self.status.overlay(pod));
        // What it was given before the kubelet was started counts, whatever its manifest says by now.
        match admission::admit(&self.allocated.granted(pod), others, &self.node()) {
            Ok(victims) => {
                if !victims.is_empty() {
                    // Nobody else is to start it before there is room.
                    self.rejected.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone());
                    for victim in &victims {
                        self.preempt(victim).await;
                    }
                    self.rejected.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
                    *others = self.neighbours();
                }
                let pod = &sysctl::with_dotted_names(pod);
                self.pods.set(pod.clone());
                let granted = self.allocated.granted(pod);
                self.allocated.set_pod(&granted);
                self.workers.update(&granted);
                others.insert(granted);
                self.note_resize(pod);
                // Told to end before its first sync it still has something to stop.
                if self.left_over.extract_if(.., |old| old.uid == uid).count() > 0 {
                    self.workers.runs_already(pod);
                }
            }
            Err(rejection) => {
                let recorder = self.workers.parts().runtime.recorder().clone();
                recorder.pod(pod, EventKind::Warning, rejection.reason, rejection.message.clone());
                self.status.reject(pod, rejection.reason, &rejection.message);
                self.rejected.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
            }
        }
    }

    /// The node as admission sees it, with what the runtime has said of itself.
    pub(super) fn node(&self) -> Node {
        Node { supplemental_groups_policy: self.gate.supplemental_groups_policy(), ..self.node.clone() }
    }

    /// The pods that are to run or still run, with what they were given.
    pub(super) fn neighbours(&self) -> Neighbours {
        let phases = self.workers.phases();
        let ended = |uid: &str| {
            let done = phases.get(uid).is_some_and(|p| matches!(p, Phase::Terminated | Phase::Finished));
            done || self.is_rejected(uid)
        };
        let pods = self.pods.pods().into_iter().filter(|p| !ended(api_pod::uid(p)));
        let pods = pods.map(|pod| match self.resizes.includes(api_pod::uid(&pod)) {
            true => self.allocated.granted(&pod),
            false => pod,
        });
        pods.collect()
    }

    /// Ends a pod to make room, and waits until it has ended; not for ever, and meanwhile there is no other news.
    pub(super) async fn preempt(&self, pod: &Arc<Pod>) {
        let recorder = self.workers.parts().runtime.recorder().clone();
        recorder.pod(pod, EventKind::Warning, event::PREEMPTING, PREEMPTED);
        self.status.preempt(pod, event::PREEMPTING, PREEMPTED);
        let Some(stopped) = self.workers.evict(api_pod::uid(pod)) else { return };
        let grace = Duration::from_secs(u64::try_from(api_pod::termination_grace_seconds(pod)).unwrap_or(0));
        let patience = LEAST_PATIENCE.max(grace + grace / 2);
        if tokio::time::timeout(patience, stopped.cancelled()).await.is_err() {
            let message = "Container runtime did not kill the pod within specified grace period.";
            recorder.pod(pod, EventKind::Warning, event::EXCEEDED_GRACE_PERIOD, message);
        }
    }

    fn event(&self, event: &PlegEvent) {
        if event.kind != PlegEventKind::ContainerRemoved {
            if self.pods.by_uid(&event.uid).is_some() {
                self.workers.wake(&event.uid);
            } else {
                self.wake.notify_one();
            }
        }
        if event.kind != PlegEventKind::ContainerDied {
            return;
        }
        let Ok(observed) = self.pleg.cache().get(&event.uid) else { return };
        let (workers, died) = (self.workers.clone(), event.container.clone());
        let all = self.workers.remove_content(&event.uid);
        let runtime = self.workers.parts().runtime.clone();
        drop(workers.tasks().spawn("remove-dead", async move {
            runtime.remove_dead_containers(&observed, died.as_deref(), all).await;
        }));
    }

    fn probe(&self, update: &ProbeUpdate) {
        let Some(pod) = self.pods.by_uid(&update.uid) else { return };
        let success = update.result == ProbeResult::Success;
        match update.kind {
            ProbeKind::Readiness => self.status.set_ready(&pod, &update.container, success),
            ProbeKind::Startup => self.status.set_started(&pod, &update.container, success),
            ProbeKind::Liveness if update.result != ProbeResult::Failure => return,
            ProbeKind::Liveness => {}
        }
        self.workers.wake(&update.uid);
    }
}
