//! What a worker does in each phase: sync, terminate, clean up. Each returns what came of it; nothing here decides about phases.

use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Workers;
use crate::{
    api::{pod as api_pod, reasons::event},
    kubelet::resizes,
    observer::EventKind,
    pleg::Stamp,
    runtime::{
        SyncContext,
        observed::{ListedPod, ObservedPod},
    },
    status::{
        Inputs,
        compute::{self, DEADLINE_EXCEEDED, DEADLINE_MESSAGE},
    },
    volumes::VolumeError,
};

/// What came of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It succeeded.
    Done,
    /// The pod has ended by itself.
    Ended,
    /// It failed; again at that time, or after the usual back-off.
    Failed(Option<Instant>),
    /// The pod has to wait for the network.
    NetworkNotReady,
    /// Something else is wanted of the worker now.
    Interrupted,
}

impl Workers {
    /// The status that the pod has now.
    fn compute(&self, pod: &Arc<Pod>, observed: &ObservedPod) -> PodStatus {
        let parts = self.parts();
        let source = pod.status.clone().unwrap_or_default();
        let old = parts.status.get(api_pod::uid(pod)).unwrap_or(source);
        compute::status(&Inputs {
            pod,
            observed,
            old: &old,
            reasons: &parts.reasons,
            probes: &*parts.prober,
            now: parts.world.clock.now(),
            ready_to_start: parts.ready_to_start,
            ipv6_first: parts.ipv6_first,
            resizes: parts.status.resizes().conditions(api_pod::uid(pod)),
        })
    }
}

/// What the runtime holds of the pod, read after `than`; tells of an error.
async fn observe(workers: &Workers, pod: &Arc<Pod>, than: Stamp) -> Option<Arc<ObservedPod>> {
    let parts = workers.parts();
    match parts.pleg.get_newer_than(api_pod::uid(pod), than).await {
        Ok(observed) => Some(observed),
        Err(error) => {
            let message = format!("error determining status: {error}");
            parts.runtime.recorder().pod(pod, EventKind::Warning, event::FAILED_SYNC, message);
            None
        }
    }
}

/// Makes the pod what its manifest says.
pub(super) async fn sync(workers: &Workers, pod: &Arc<Pod>, synced: Stamp, terminating: &CancellationToken) -> Outcome {
    let parts = workers.parts();
    let recorder = parts.runtime.recorder();
    let uid = api_pod::uid(pod);
    let Some(observed) = observe(workers, pod, synced).await else { return Outcome::Failed(None) };
    resize_so_far(workers, pod, &observed);
    let status = workers.compute(pod, &observed);
    let phase = status.phase.clone().unwrap_or_default();
    let by_deadline = status.reason.as_deref() == Some(DEADLINE_EXCEEDED);
    let was_by_deadline = parts.status.get(uid).is_some_and(|old| old.reason.as_deref() == Some(DEADLINE_EXCEEDED));
    parts.status.set(pod, status);
    if matches!(phase.as_str(), "Succeeded" | "Failed") {
        if by_deadline && !was_by_deadline {
            recorder.pod(pod, EventKind::Normal, event::DEADLINE_EXCEEDED, DEADLINE_MESSAGE);
        }
        return Outcome::Ended;
    }
    let network = parts.network.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(why) = network.filter(|_| !api_pod::host_network(pod)) {
        let message = format!("network is not ready: container runtime network not ready: {why}");
        recorder.pod(pod, EventKind::Warning, event::NETWORK_NOT_READY, message);
        return Outcome::NetworkNotReady;
    }
    // A running container cannot be taken from the group that it is in.
    let moves = observed.running().next().is_some() && parts.cgroups.is_elsewhere(pod);
    if moves && let Err(error) = parts.runtime.kill_pod(pod, &observed, None).await {
        recorder.pod(pod, EventKind::Warning, event::FAILED_KILL_POD, format!("error killing pod: {error}"));
        return Outcome::Failed(None);
    }
    if let Err(error) = parts.cgroups.ensure(pod).await {
        let message = format!("unable to ensure pod container exists: {error}");
        recorder.pod(pod, EventKind::Warning, event::FAILED_CREATE_POD_CONTAINER, message);
        return Outcome::Failed(None);
    }
    if moves {
        // What was observed is no more: the next sync makes the pod anew.
        parts.pleg.request_relist(uid);
        workers.wake(uid);
        return Outcome::Done;
    }
    if let Err(error) = parts.volumes.make_pod_dirs(uid) {
        recorder.pod(pod, EventKind::Warning, event::FAILED, error.to_string());
        return Outcome::Failed(None);
    }
    if let Err(error) = parts.volumes.set_up(pod).await {
        let named = format!("{}/{}", api_pod::namespace(pod), api_pod::name(pod));
        tracing::error!(pod = named, %error, "Unable to attach or mount volumes for pod; skipping pod");
        // Upstream tells no event when time ran out: each volume has told its own.
        if !matches!(error, VolumeError::NotReady(_)) {
            let message = format!("Unable to attach or mount volumes: {error}");
            recorder.pod(pod, EventKind::Warning, event::FAILED_MOUNT, message);
        }
        return Outcome::Failed(None);
    }
    parts.prober.add_pod(pod);
    let probes = parts.prober.clone();
    let sandbox_ready = || {
        if parts.ready_to_start {
            parts.status.set_sandbox_ready(pod);
        }
    };
    let cx = SyncContext { probes: &*probes, terminating, sandbox_ready: &sandbox_ready };
    let result = parts.runtime.sync_pod(pod, &observed, cx).await;
    parts.reasons.update(uid, &result.starts);
    match &result.resize {
        Some(Ok(())) => workers.wake(uid),
        Some(Err(why)) => {
            let (generation, now) = (pod.metadata.generation.unwrap_or(0), parts.world.clock.now());
            if let Some(generation) = parts.status.resizes().failed(uid, why, generation, now) {
                recorder.pod(pod, EventKind::Warning, event::RESIZE_ERROR, resizes::failed(pod, generation, why));
            }
            parts.status.set(pod, workers.compute(pod, &observed));
        }
        None => {}
    }
    if result.acted {
        parts.pleg.request_relist(uid);
    }
    match result.error() {
        None => Outcome::Done,
        Some(error) => {
            tracing::error!(
                pod = format!("{}/{}", api_pod::namespace(pod), api_pod::name(pod)),
                err = error,
                "Error syncing pod, skipping"
            );
            Outcome::Failed(result.earliest_backoff_expiry)
        }
    }
}

/// Notes whether the pod's containers have what it was granted, and tells when that has come about.
fn resize_so_far(workers: &Workers, pod: &Arc<Pod>, observed: &ObservedPod) {
    let parts = workers.parts();
    let (uid, generation) = (api_pod::uid(pod), pod.metadata.generation.unwrap_or(0));
    if parts.runtime.resize_in_progress(pod, observed) {
        parts.status.resizes().in_progress(uid, generation, parts.world.clock.now());
    } else if let Some(generation) = parts.status.resizes().done(uid) {
        let message = resizes::completed(pod, generation);
        parts.runtime.recorder().pod(pod, EventKind::Normal, event::RESIZE_COMPLETED, message);
    }
}

/// When a pod that may only be active for a time has been so for long enough.
pub(super) fn deadline(workers: &Workers, pod: &Arc<Pod>) -> Option<Instant> {
    let limit = api_pod::spec(pod).active_deadline_seconds?;
    let parts = workers.parts();
    let start = parts.status.get(api_pod::uid(pod))?.start_time?;
    let passed = parts.world.clock.now().duration_since(start.0);
    let left = jiff::SignedDuration::from_secs(limit).saturating_sub(passed);
    Some(Instant::now() + std::time::Duration::try_from(left).unwrap_or_default())
}

/// Stops the pod's containers and its sandbox.
pub(super) async fn terminate(workers: &Workers, pod: &Arc<Pod>, synced: Stamp, grace: i64) -> Outcome {
    let parts = workers.parts();
    let recorder = parts.runtime.recorder();
    let uid = api_pod::uid(pod);
    let Some(observed) = observe(workers, pod, synced).await else { return Outcome::Failed(None) };
    parts.status.set(pod, workers.compute(pod, &observed));
    parts.prober.stop_liveness_and_startup(pod);
    if let Err(error) = parts.runtime.kill_pod(pod, &observed, Some(grace)).await {
        recorder.pod(pod, EventKind::Warning, event::FAILED_KILL_POD, format!("error killing pod: {error}"));
        return Outcome::Failed(None);
    }
    parts.prober.remove_pod(uid);
    let after = parts.pleg.now();
    let Some(mut last) = observe(workers, pod, after).await.map(|o| (*o).clone()) else { return Outcome::Failed(None) };
    let running: Vec<String> = last.running().map(|c| c.id.to_string()).collect();
    if !running.is_empty() {
        let text = format!("detected running containers after a successful KillPod, CRI violation: {running:?}");
        recorder.pod(pod, EventKind::Warning, event::FAILED_KILL_POD, format!("error killing pod: {text}"));
        return Outcome::Failed(None);
    }
    if last.ips.is_empty() {
        last.ips.clone_from(&observed.ips);
    }
    parts.status.set(pod, workers.compute(pod, &last));
    Outcome::Done
}

/// Stops what only the runtime knows.
pub(super) async fn terminate_orphan(workers: &Workers, pod: &ListedPod, grace: i64) -> Outcome {
    let parts = workers.parts();
    tracing::info!(uid = pod.uid, name = pod.name, "Killing a pod that nobody knows");
    // What was listed may have changed since: the runtime is asked again.
    let now = match parts.runtime.list(Some(&pod.uid)).await {
        Ok(pods) => pods.into_iter().next(),
        Err(error) => {
            tracing::error!(uid = pod.uid, %error, "Listing an orphaned pod failed");
            return Outcome::Failed(None);
        }
    };
    let Some(now) = now else { return Outcome::Done };
    match parts.runtime.kill_runtime_pod(&now, Some(grace)).await {
        Ok(()) => Outcome::Done,
        Err(error) => {
            tracing::error!(uid = pod.uid, %error, "Killing an orphaned pod failed");
            Outcome::Failed(None)
        }
    }
}

/// Takes down volumes and control groups, and shows the last status.
pub(super) async fn clean_up(workers: &Workers, pod: &Arc<Pod>) -> Outcome {
    let parts = workers.parts();
    let uid = api_pod::uid(pod);
    if let Ok(observed) = parts.pleg.cache().get(uid) {
        parts.status.set(pod, workers.compute(pod, &observed));
    }
    if let Err(error) = parts.volumes.tear_down(uid).await {
        tracing::error!(uid, %error, "Volumes not taken down");
        return Outcome::Failed(None);
    }
    if let Err(error) = parts.cgroups.destroy(uid).await {
        tracing::error!(uid, error, "Control group not removed");
        return Outcome::Failed(None);
    }
    parts.runtime.user_namespaces().release(uid);
    parts.status.terminate(pod);
    parts.reasons.forget(uid);
    Outcome::Done
}
