//! What nobody's worker does: ending pods that nobody wants, forgetting those that have ended, removing what they left. And collecting the
//! dead on time. Mirrors kubelet 1.36's HandlePodCleanups; runs when something ended instead of every two seconds.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    api::{pod as api_pod, reasons::event},
    observer::EventKind,
    pods::PodManager,
    runtime::RuntimeManager,
    sources::Sources,
    worker::{Workers, state::Phase},
};

/// Between two rounds when something has ended: ends come in bunches.
const SOON: Duration = Duration::from_millis(100);
/// Between two attempts to clear away what is left of a pod that is wanted again.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two rounds when nothing has: for what happens behind the kubelet's back.
const RARELY: Duration = Duration::from_secs(60);
/// Between two collections.
const COLLECT: Duration = Duration::from_secs(60);

/// The parts that are kept in order.
pub struct Housekeeping {
    /// What is wanted.
    pub pods: Arc<PodManager>,
    /// Pods that were refused: they have no worker, and need none.
    pub rejected: Arc<Mutex<BTreeSet<String>>>,
    /// Whether everybody has said what is wanted.
    pub sources: Arc<Sources>,
    /// Workers.
    pub workers: Workers,
    /// The runtime half.
    pub runtime: Arc<RuntimeManager>,
    /// Told when something has ended.
    pub wake: Arc<Notify>,
    /// Ends when the runtime can be asked.
    pub ready: Arc<crate::kubelet::RuntimeGate>,
}

impl Housekeeping {
    /// Keeps order until it is dropped.
    pub async fn run(self) {
        let mut collected = Instant::now();
        self.ready.wait().await;
        self.collect().await;
        loop {
            tokio::select! {
                biased;
                () = self.wake.notified() => tokio::time::sleep(SOON).await,
                () = tokio::time::sleep(RARELY) => {}
            }
            self.ready.wait().await;
            if !self.sources.all_ready() {
                tokio::time::sleep(SOON).await;
                self.wake.notify_one();
                continue;
            }
            let ended = self.workers.take_dirty();
            if let Err(error) = self.round().await {
                tracing::error!(%error, "Housekeeping failed");
            }
            if ended || collected.elapsed() >= COLLECT {
                self.collect().await;
                collected = Instant::now();
                self.remove_directories().await;
            }
        }
    }

    async fn collect(&self) {
        if let Err(error) = self.runtime.collect_garbage(&self.workers).await {
            tracing::error!(%error, "Container garbage collection failed");
            let recorder = self.runtime.recorder();
            let node = &self.runtime.settings().node_name;
            recorder.node(node, EventKind::Warning, event::CONTAINER_GC_FAILED, error.to_string());
        }
    }

    /// One round. An error means that the runtime did not answer; the next round tries again.
    async fn round(&self) -> Result<(), crate::cri::CriError> {
        let mut again = false;
        let wanted: BTreeSet<String> = self.pods.pods().iter().map(|p| api_pod::uid(p).to_owned()).collect();
        for (uid, phase) in self.workers.phases() {
            if wanted.contains(&uid) && phase != Phase::Finished {
                continue;
            }
            if phase == Phase::Finished && !wanted.contains(&uid) {
                self.workers.forget_finished(&uid);
            } else if phase == Phase::Finished && self.workers.restart_requested(&uid) {
                again |= !self.begin_anew(&uid).await;
            } else if phase == Phase::Sync && !wanted.contains(&uid) {
                self.workers.kill(&uid, None);
            }
        }
        let known = self.workers.phases();
        let prober = self.workers.parts().prober.clone();
        prober.retain(&known.keys().filter(|uid| self.workers.may_run(uid)).cloned().collect());
        self.workers.parts().status.retain(|uid| wanted.contains(uid) || known.contains_key(uid));
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for pod in self.pods.pods() {
            let uid = api_pod::uid(&pod);
            if !known.contains_key(uid) && !rejected.contains(uid) {
                self.workers.update(&pod);
            }
        }
        for pod in self.runtime.list_running().await? {
            if !pod.uid.is_empty() && !self.workers.phases().contains_key(&pod.uid) {
                self.workers.kill_orphan(pod);
            }
        }
        let cache = self.workers.parts().pleg.cache();
        self.workers.retain_ended(|uid| {
            cache.get(uid).is_ok_and(|pod| !pod.sandboxes.is_empty() || !pod.containers.is_empty())
        });
        self.runtime.forget_old();
        if again {
            let wake = self.wake.clone();
            drop(self.workers.tasks().spawn("begin-anew", async move {
                tokio::time::sleep(AGAIN).await;
                wake.notify_one();
            }));
        }
        Ok(())
    }

    /// A pod that was wanted again while it ended begins anew: nothing of its first life may count, or one that must not restart would
    /// have had its run. `false` if something is still left of it.
    async fn begin_anew(&self, uid: &str) -> bool {
        self.collect().await;
        let left = self.runtime.list(Some(uid)).await;
        if !left.is_ok_and(|pods| pods.iter().all(|pod| pod.containers.is_empty() && pod.sandboxes.is_empty())) {
            return false;
        }
        if self.workers.forget_finished(uid) {
            self.workers.parts().status.remove(uid);
        }
        true
    }

    /// Removes directories and control groups of pods that nobody knows and of which nothing runs.
    async fn remove_directories(&self) {
        let Ok(running) = self.runtime.list_running().await else { return };
        let running: BTreeSet<String> = running.into_iter().map(|p| p.uid).collect();
        let wanted: BTreeSet<String> = self.pods.pods().iter().map(|p| api_pod::uid(p).to_owned()).collect();
        let volumes = self.workers.parts().volumes.clone();
        for uid in volumes.pod_dirs() {
            let known = wanted.contains(&uid) || running.contains(&uid) || self.workers.phases().contains_key(&uid);
            if known {
                continue;
            }
            // The kubelet may have died before it took the volumes down.
            if let Err(error) = volumes.tear_down(&uid).await {
                tracing::error!(uid, %error, "Volumes of an orphaned pod not taken down");
                continue;
            }
            // The directory last: it is by its directory that an orphan is found.
            if let Err(error) = self.workers.parts().cgroups.destroy(&uid).await {
                tracing::error!(uid, error, "Control group of an orphaned pod not removed");
                continue;
            }
            self.runtime.user_namespaces().release(&uid);
            if let Err(error) = volumes.remove_pod_dir(&uid) {
                tracing::error!(uid, %error, "Directory of an orphaned pod not removed");
            }
        }
    }
}
