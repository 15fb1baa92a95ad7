//! Liveness, readiness and startup probes: a worker per probe, the results, and what they mean for container statuses. Not the restart
//! that follows from a failure. As kubelet 1.36's prober manager.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::{Pod, PodStatus, Probe};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use world::{Tasks, World};

use crate::{
    api::pod,
    cri::CriClient,
    runtime::{ProbeResult, ProbeResults, Recorder, observed::ContainerId},
};

mod kinds;
mod results;
mod status;
mod worker;

use results::Results;

/// How many updates wait for a slow reader, as upstream's channels; then the workers wait.
const QUEUE: usize = 20;

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// `livenessProbe`.
    Liveness,
    /// `readinessProbe`.
    Readiness,
    /// `startupProbe`.
    Startup,
}

impl ProbeKind {
    /// All of them, in the order workers are made.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// The word in event messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Startup => "Startup",
        }
    }

    /// The result before the first verdict about a container.
    fn initial(self) -> ProbeResult {
        match self {
            Self::Liveness => ProbeResult::Success,
            Self::Readiness => ProbeResult::Failure,
            Self::Startup => ProbeResult::Unknown,
        }
    }
}

/// A result that is another one than before. A liveness success calls for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeUpdate {
    /// UID of the pod.
    pub uid: String,
    /// The container.
    pub container: ContainerId,
    /// Which probe.
    pub kind: ProbeKind,
    /// The result now.
    pub result: ProbeResult,
}

/// Where workers read the API status of their pod: the status manager.
pub trait PodStatuses: Send + Sync {
    /// The status last set for the pod; `None` if there is none yet, or no longer.
    fn pod_status(&self, uid: &str) -> Option<Arc<PodStatus>>;
}

type Key = (String, String, ProbeKind);

/// A running worker, seen from outside.
#[derive(Clone, Debug)]
struct Handle {
    stop: CancellationToken,
    /// Asks for a probe right now.
    trigger: Arc<Notify>,
    /// Tells a worker from the next one under the same key.
    generation: u64,
}

#[derive(Debug, Default)]
struct Workers {
    by_key: BTreeMap<Key, Handle>,
    next_generation: u64,
}

/// The prober. One per kubelet, shared; looks up results for the runtime's plan.
pub struct Prober {
    world: World,
    cri: CriClient,
    recorder: Recorder,
    statuses: Arc<dyn PodStatuses>,
    tasks: Tasks,
    started: Instant,
    results: Results,
    workers: Mutex<Workers>,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prober")
    }
}

impl Prober {
    /// A prober whose workers run in `tasks`, and the updates that call for a sync or a new status.
    pub fn new(
        world: &World,
        cri: CriClient,
        recorder: Recorder,
        statuses: Arc<dyn PodStatuses>,
        tasks: &Tasks,
    ) -> (Arc<Self>, mpsc::Receiver<ProbeUpdate>) {
        let (to, from) = mpsc::channel(QUEUE);
        let prober = Self {
            world: world.clone(),
            cri,
            recorder,
            statuses,
            tasks: tasks.child("probes"),
            started: Instant::now(),
            results: Results::new(to),
            workers: Mutex::default(),
        };
        (Arc::new(prober), from)
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the workers of a pod that are not there yet: for app containers and sidecars. Called before the containers start.
    pub fn add_pod(self: &Arc<Self>, pod: &Arc<Pod>) {
        for each in pod::containers(pod) {
            if each.kind == pod::ContainerKind::Init && !pod::is_restartable_init(each.container) {
                continue;
            }
            // One that has ended for good would end its workers at once, which would be news, and so on without end.
            if self.has_ended(pod, &each.container.name) {
                continue;
            }
            for kind in ProbeKind::ALL {
                if let Some(probe) = probe(each.container, kind) {
                    self.add_worker(pod, &each.container.name, kind, probe);
                }
            }
        }
    }

    /// Whether a container has ended and is not started again by its policy.
    fn has_ended(&self, pod: &Pod, container: &str) -> bool {
        let Some(status) = self.statuses.pod_status(pod::uid(pod)) else { return false };
        let ended = worker::find(&status, container)
            .is_some_and(|held| held.state.as_ref().is_some_and(|state| state.terminated.is_some()));
        ended && !worker::restarts(pod, container)
    }

    fn add_worker(self: &Arc<Self>, pod: &Arc<Pod>, container: &str, kind: ProbeKind, probe: &Probe) {
        let key = (pod::uid(pod).to_owned(), container.to_owned(), kind);
        let handle = {
            let mut workers = self.workers();
            if workers.by_key.contains_key(&key) {
                return;
            }
            workers.next_generation += 1;
            let handle =
                Handle { stop: CancellationToken::new(), trigger: Arc::default(), generation: workers.next_generation };
            workers.by_key.insert(key.clone(), handle.clone());
            handle
        };
        let name = format!("{}/{container}/{}", pod::uid(pod), kind.word());
        let worker = worker::Worker::new(self.clone(), pod.clone(), container, kind, probe.clone());
        let prober = self.clone();
        drop(self.tasks.spawn(&name, async move {
            worker.run(&handle).await;
            prober.forget(&key, handle.generation);
        }));
    }

    fn forget(&self, key: &Key, generation: u64) {
        let mut workers = self.workers();
        if workers.by_key.get(key).is_some_and(|handle| handle.generation == generation) {
            workers.by_key.remove(key);
        }
    }

    /// Stops the liveness and startup probes of a pod's app containers, as termination begins. Sidecars are probed to their end.
    pub fn stop_liveness_and_startup(&self, pod: &Pod) {
        let uid = pod::uid(pod).to_owned();
        for each in pod::app_containers(pod) {
            for kind in [ProbeKind::Liveness, ProbeKind::Startup] {
                self.stop(|key| *key == (uid.clone(), each.container.name.clone(), kind));
            }
        }
    }

    /// Stops all probes of a pod, as its containers have ended.
    pub fn remove_pod(&self, uid: &str) {
        self.stop(|key| key.0 == uid);
    }

    /// Stops the probes of all pods that cannot be running, as housekeeping does.
    pub fn retain(&self, possibly_running: &BTreeSet<String>) {
        self.stop(|key| !possibly_running.contains(&key.0));
    }

    /// Stops workers and forgets them at once, so that new ones can take their place.
    fn stop(&self, which: impl Fn(&Key) -> bool) {
        let mut workers = self.workers();
        let keys: Vec<Key> = workers.by_key.keys().filter(|key| which(key)).cloned().collect();
        for key in keys {
            if let Some(handle) = workers.by_key.remove(&key) {
                handle.stop.cancel();
            }
        }
    }

    fn handle(&self, uid: &str, container: &str, kind: ProbeKind) -> Option<Handle> {
        self.workers().by_key.get(&(uid.to_owned(), container.to_owned(), kind)).cloned()
    }

    /// The last readiness verdict about a container; `None` if there is none or no such probe.
    pub fn readiness(&self, id: &ContainerId) -> Option<ProbeResult> {
        self.results.get(ProbeKind::Readiness, id)
    }
}

impl ProbeResults for Prober {
    fn liveness(&self, id: &ContainerId) -> Option<ProbeResult> {
        self.results.get(ProbeKind::Liveness, id)
    }

    fn startup(&self, id: &ContainerId) -> Option<ProbeResult> {
        self.results.get(ProbeKind::Startup, id)
    }
}

/// The container's probe of that kind.
fn probe(container: &k8s_openapi::api::core::v1::Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Startup => container.startup_probe.as_ref(),
    }
}

#[cfg(test)]
mod tests;
