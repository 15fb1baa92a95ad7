//! One worker for each pod: what is asked of it, when it runs again, and what it is doing. The table of all workers, and the questions that
//! collection and housekeeping ask of it. What a worker does in each phase is in [`sync`]; the rules of its phases in [`state`].
//!
//! Mirrors kubelet 1.36's pod workers. Faster where upstream polls: a pod that waits for its namesake to end starts at that moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use rand::RngExt as _;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use world::{Rng, Tasks, World};

use crate::{
    api::{identity, pod as api_pod},
    pleg::Pleg,
    prober::Prober,
    resources::cgroups::PodCgroups,
    runtime::{GarbageOracle, RuntimeManager, observed::ListedPod},
    sources::Sources,
    status::{ReasonCache, StatusManager},
    volumes::VolumeManager,
};

mod driver;
mod names;
pub mod state;
mod sync;

use names::Names;
use state::{Phase, WorkerState};

/// What workers work with.
pub struct Parts {
    /// Clock, randomness, files.
    pub world: World,
    /// The runtime half.
    pub runtime: Arc<RuntimeManager>,
    /// What the runtime holds.
    pub pleg: Arc<Pleg>,
    /// What is shown.
    pub status: Arc<StatusManager>,
    /// Why containers did not start.
    pub reasons: Arc<ReasonCache>,
    /// Volumes and directories.
    pub volumes: Arc<VolumeManager>,
    /// Control groups of pods.
    pub cgroups: PodCgroups,
    /// Probes.
    pub prober: Arc<Prober>,
    /// Why the pod network is not ready, if it is not.
    pub network: Arc<Mutex<Option<String>>>,
    /// `syncFrequency`.
    pub sync_frequency: Duration,
    /// The feature gate `PodReadyToStartContainersCondition`.
    pub ready_to_start: bool,
    /// Whether a pod's IPv6 address comes first.
    pub ipv6_first: bool,
}

struct Slot {
    state: WorkerState,
    /// Wakes the worker's task.
    wake: Arc<Notify>,
    /// When the worker wants to run by itself.
    due: Option<Instant>,
    /// Somebody wants it to run now.
    woken: bool,
    /// Ends the sync under way when the pod is to terminate.
    terminating: CancellationToken,
    /// Ends the kill under way when the grace period has become shorter.
    hurry: CancellationToken,
    /// Cancelled when nothing of the pod runs any more.
    stopped: CancellationToken,
}

struct Table {
    slots: BTreeMap<String, Slot>,
    names: Names,
    /// Pods that wait for a port of the node.
    wait_for_ports: BTreeSet<String>,
    /// Pods that have ended and whose workers are gone: what was read of them may be of what has been collected since.
    ended: BTreeSet<String>,
    rng: Rng,
    /// Set when something has ended that housekeeping should look at.
    dirty: bool,
}

impl Table {
    /// A pod that ended may have left ports of the node to those who wait for some.
    fn ports_are_free(&mut self) {
        for uid in std::mem::take(&mut self.wait_for_ports) {
            if let Some(slot) = self.slots.get_mut(&uid) {
                slot.wake();
            }
        }
    }
}

/// All workers. Clones are the same.
#[derive(Clone)]
pub struct Workers(Arc<Inner>);

struct Inner {
    parts: Parts,
    tasks: Tasks,
    sources: Arc<Sources>,
    housekeeping: Arc<Notify>,
    table: Mutex<Table>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workers({})", self.table().slots.len())
    }
}

impl Workers {
    /// No workers yet. `housekeeping` is told when there may be something to clean up.
    pub fn new(parts: Parts, sources: Arc<Sources>, housekeeping: Arc<Notify>, tasks: &Tasks) -> Self {
        let rng = parts.world.random.fork("worker");
        let table = Table {
            slots: BTreeMap::new(),
            names: Names::default(),
            wait_for_ports: BTreeSet::new(),
            ended: BTreeSet::new(),
            rng,
            dirty: false,
        };
        Self(Arc::new(Inner { parts, tasks: tasks.child("pods"), sources, housekeeping, table: Mutex::new(table) }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What workers work with.
    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// The tasks that work for pods.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    /// `d` up to `d` and a half: so that pods do not all run at one moment.
    fn jitter(&self, d: Duration) -> Duration {
        d.mul_f64(1.0 + self.table().rng.random::<f64>() * 0.5)
    }

    /// A pod is wanted, or wanted otherwise.
    pub fn update(&self, pod: &Arc<Pod>) {
        let uid = api_pod::uid(pod).to_owned();
        let mut table = self.table();
        let fresh = !table.slots.contains_key(&uid);
        if fresh {
            table.names.queue(&identity::full_name(pod), &uid);
        }
        let slot = table.slots.entry(uid.clone()).or_insert_with(|| Slot::new(WorkerState::wanted(pod.clone())));
        if !fresh {
            slot.state.update(pod.clone());
            slot.follow();
        }
        slot.wake();
        drop(table);
        if fresh {
            self.spawn(&uid);
        }
    }

    /// A wanted pod has run since before this kubelet: it owns its name, and has something to stop from the start.
    pub fn runs_already(&self, pod: &Pod) {
        let (uid, mut table) = (api_pod::uid(pod), self.table());
        table.names.hold(&identity::full_name(pod), uid);
        if let Some(slot) = table.slots.get_mut(uid) {
            slot.state.begin();
        }
    }

    /// A pod is not wanted any more.
    pub fn kill(&self, uid: &str, grace: Option<i64>) {
        let mut table = self.table();
        let Some(slot) = table.slots.get_mut(uid) else { return };
        slot.state.kill(grace);
        slot.follow();
        slot.wake();
        // A pod that had ended before has no worker left to tell that its remains may go.
        table.dirty |= table.slots.get(uid).is_some_and(|slot| slot.state.phase() == Phase::Finished);
    }

    /// A pod has to make way for another. Gives what is cancelled when it has been stopped; `None` if there is no such worker.
    pub fn evict(&self, uid: &str) -> Option<CancellationToken> {
        let mut table = self.table();
        let slot = table.slots.get_mut(uid)?;
        slot.state.evict();
        slot.follow();
        slot.wake();
        Some(slot.stopped.clone())
    }

    /// A pod that the runtime runs and nobody knows.
    pub fn kill_orphan(&self, pod: ListedPod) {
        let uid = pod.uid.clone();
        let mut table = self.table();
        if table.slots.contains_key(&uid) {
            return;
        }
        table.names.hold(&format!("{}_{}", pod.name, pod.namespace), &uid);
        let mut slot = Slot::new(WorkerState::orphan(pod));
        slot.follow();
        slot.wake();
        table.slots.insert(uid.clone(), slot);
        drop(table);
        self.spawn(&uid);
    }

    /// Something happened to a pod: its worker looks at it now.
    pub fn wake(&self, uid: &str) {
        if let Some(slot) = self.table().slots.get_mut(uid) {
            slot.wake();
        }
    }

    /// Forgets a worker that has finished. Whether the pod was added again meanwhile.
    pub fn forget_finished(&self, uid: &str) -> bool {
        let mut table = self.table();
        let finished = table.slots.get(uid).is_some_and(|s| s.state.phase() == Phase::Finished);
        if !finished {
            return false;
        }
        table.ended.insert(uid.to_owned());
        table.slots.remove(uid).is_some_and(|slot| slot.state.restart_requested())
    }

    /// Forgets of which pods it is known that they ended, but for those that `keep` holds on to.
    pub fn retain_ended(&self, keep: impl Fn(&str) -> bool) {
        self.table().ended.retain(|uid| keep(uid));
    }

    /// UIDs of all workers with their phases.
    pub fn phases(&self) -> BTreeMap<String, Phase> {
        self.table().slots.iter().map(|(uid, slot)| (uid.clone(), slot.state.phase())).collect()
    }

    /// Whether a pod may have containers that run.
    pub fn may_run(&self, uid: &str) -> bool {
        self.table().slots.get(uid).is_some_and(|slot| matches!(slot.state.phase(), Phase::Sync | Phase::Terminating))
    }

    /// Whether a worker has been told to end its pod.
    pub fn is_terminating(&self, uid: &str) -> bool {
        self.table().slots.get(uid).is_some_and(|slot| slot.state.phase() != Phase::Sync)
    }

    /// Whether the pod of a worker was wanted again while it ended.
    pub fn restart_requested(&self, uid: &str) -> bool {
        self.table().slots.get(uid).is_some_and(|slot| slot.state.restart_requested())
    }

    /// Whether something ended since this was last asked.
    pub fn take_dirty(&self) -> bool {
        std::mem::take(&mut self.table().dirty)
    }

    /// Whether all that the runtime holds of a pod may go.
    pub fn remove_content(&self, uid: &str) -> bool {
        match self.table().slots.get(uid) {
            Some(slot) => slot.state.content_may_go(),
            None => true,
        }
    }

    fn spawn(&self, uid: &str) {
        let workers = self.clone();
        let uid = uid.to_owned();
        let name = format!("pod {uid}");
        drop(self.0.tasks.spawn(&name, async move { driver::run(&workers, &uid).await }));
    }

    /// A worker has finished: its namesakes may start.
    fn finished(&self, uid: &str) {
        let mut table = self.table();
        if let Some(next) = table.names.release(uid)
            && let Some(slot) = table.slots.get_mut(&next)
        {
            slot.wake();
        }
        table.dirty = true;
        drop(table);
        self.0.housekeeping.notify_one();
    }
}

impl GarbageOracle for Workers {
    fn sources_ready(&self) -> bool {
        self.0.sources.all_ready()
    }

    fn remove_content(&self, uid: &str) -> bool {
        Self::remove_content(self, uid)
    }
}

impl Slot {
    fn new(state: WorkerState) -> Self {
        Self {
            state,
            wake: Arc::new(Notify::new()),
            due: None,
            woken: false,
            terminating: CancellationToken::new(),
            hurry: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }
    }

    fn wake(&mut self) {
        self.woken = true;
        self.wake.notify_one();
    }

    /// Passes on what a change of the state means for work under way.
    fn follow(&mut self) {
        if self.state.phase() != Phase::Sync {
            self.terminating.cancel();
        }
        if matches!(self.state.phase(), Phase::Terminated | Phase::Finished) {
            self.stopped.cancel();
        }
        if self.state.take_shortened() {
            std::mem::take(&mut self.hurry).cancel();
        }
    }
}
