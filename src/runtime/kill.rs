//! Stopping containers and pods: grace periods, preStop hooks, the order of sidecars, sandboxes last. Nothing is removed here.
//!
//! As kubelet 1.36 (killContainer, killPodWithSyncResult): containers in parallel, at least 2 s of grace each.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    api::pod::is_restartable_init as is_sidecar,
    api::{labels, pod as api_pod, reasons},
    cri::CriError,
    observer::EventKind,
    runtime::{
        KillError, RuntimeManager, SyncError,
        hooks::{self, Hook},
        naming,
        observed::{ContainerId, ContainerState, ListedPod, ObservedPod},
        plan::KillReason,
    },
};

/// The least grace a container gets, in seconds.
pub const MIN_GRACE: i64 = 2;

/// Who has to have stopped before whom.
#[derive(Debug, Default)]
struct Order {
    stopped: BTreeMap<String, CancellationToken>,
    before: BTreeMap<String, Vec<CancellationToken>>,
}

impl Order {
    /// Regular containers first; then each sidecar when the next later one has stopped. Only what runs counts.
    fn new(pod: &Pod, running: &[String]) -> Self {
        let spec = api_pod::spec(pod);
        let mut order = Self::default();
        for name in running {
            order.stopped.insert(name.clone(), CancellationToken::new());
        }
        let regular: Vec<CancellationToken> =
            spec.containers.iter().filter_map(|c| order.stopped.get(&c.name).cloned()).collect();
        let mut later = None;
        for sidecar in spec.init_containers.iter().flatten().rev().filter(|c| is_sidecar(c)) {
            let Some(own) = order.stopped.get(&sidecar.name).cloned() else { continue };
            order.before.insert(sidecar.name.clone(), regular.iter().cloned().chain(later).collect());
            later = Some(own);
        }
        order
    }

    async fn wait_for_turn(&self, name: &str) {
        for token in self.before.get(name).into_iter().flatten() {
            token.cancelled().await;
        }
    }

    fn has_stopped(&self, name: &str) {
        if let Some(token) = self.stopped.get(name) {
            token.cancel();
        }
    }
}

/// One container to kill.
pub(crate) struct KillRequest<'a> {
    pub pod: &'a Pod,
    pub id: &'a ContainerId,
    pub name: &'a str,
    /// Message of the event; `None` is the usual one.
    pub message: Option<&'a str>,
    pub reason: KillReason,
    /// Seconds that replace the pod's own.
    pub grace_override: Option<i64>,
    pub pod_ip: Option<&'a str>,
}

fn whole_seconds(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX)
}

fn seconds(grace: i64) -> Duration {
    Duration::from_secs(u64::try_from(grace).unwrap_or(0))
}

/// Grace of a kill that nobody overrides, in seconds.
fn base_grace(pod: &Pod, container: Option<&Container>, reason: KillReason) -> i64 {
    if let Some(grace) = pod.metadata.deletion_grace_period_seconds {
        return grace;
    }
    let Some(of_pod) = api_pod::spec(pod).termination_grace_period_seconds else { return MIN_GRACE };
    let probe = container.and_then(|c| match reason {
        KillReason::Liveness => c.liveness_probe.as_ref(),
        KillReason::Startup => c.startup_probe.as_ref(),
        KillReason::Other => None,
    });
    probe.and_then(|p| p.termination_grace_period_seconds).unwrap_or(of_pod)
}

impl RuntimeManager {
    /// Kills one container: event, preStop hook, its turn, StopContainer. A container that is gone is killed.
    pub(crate) async fn kill_container(&self, request: KillRequest<'_>) -> Result<(), CriError> {
        self.kill_in_order(request, &Order::default()).await
    }

    async fn kill_in_order(&self, request: KillRequest<'_>, order: &Order) -> Result<(), CriError> {
        let KillRequest { pod, id, name, reason, .. } = request;
        let container = naming::container(api_pod::spec(pod), name);
        let mut grace = request.grace_override.unwrap_or_else(|| base_grace(pod, container, reason));
        let message = request.message.map_or_else(|| format!("Stopping container {name}"), str::to_owned);
        self.recorder.container(pod, name, EventKind::Normal, reasons::event::KILLING, message);
        let handler = container.and_then(|c| c.lifecycle.as_ref()).and_then(|l| l.pre_stop.as_ref());
        if let (Some(handler), Some(container)) = (handler, container)
            && grace > 0
        {
            let started = Instant::now();
            self.pre_stop(pod, container, handler.clone(), id, request.pod_ip, seconds(grace)).await;
            grace -= whole_seconds(started);
        }
        if !order.before.is_empty() {
            let started = Instant::now();
            // When the time is up everyone goes at once.
            let _ = tokio::time::timeout(seconds(grace), order.wait_for_turn(name)).await;
            grace -= whole_seconds(started);
        }
        let grace = grace.max(MIN_GRACE);
        tracing::info!(pod = naming::format_pod(pod), container = name, id = %id, grace, "Killing container with a grace period");
        let outcome = match self.cri.stop_container(&id.id, grace).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        };
        order.has_stopped(name);
        outcome
    }

    /// Runs the hook and waits at most `limit`; a hook that takes longer is left to itself.
    async fn pre_stop(
        &self,
        pod: &Pod,
        container: &Container,
        handler: LifecycleHandler,
        id: &ContainerId,
        pod_ip: Option<&str>,
        limit: Duration,
    ) {
        let hook = Hook {
            handler,
            container_id: id.id.clone(),
            container: container.clone(),
            pod: naming::format_pod(pod),
            pod_ip: pod_ip.map(str::to_owned),
        };
        let (cri, net, recorder) = (self.cri.clone(), self.world.net.clone(), self.recorder.clone());
        let pod = pod.clone();
        let task = self.tasks.spawn("pre-stop-hook", async move {
            let container = &hook.container.name;
            match hooks::run(&cri, &net, &hook).await {
                Ok(None) => {}
                Ok(Some(fallback)) => {
                    let reason = reasons::event::LIFECYCLE_HTTP_FALLBACK;
                    recorder.container(&pod, container, EventKind::Warning, reason, fallback.message());
                }
                Err(error) => {
                    tracing::error!(pod = hook.pod, container, %error, "PreStop hook failed");
                    let reason = reasons::event::FAILED_PRE_STOP_HOOK;
                    recorder.container(&pod, container, EventKind::Warning, reason, "PreStopHook failed");
                }
            }
        });
        let _ = tokio::time::timeout(limit, task).await;
    }

    /// Kills all running containers in parallel, in their order.
    pub(crate) async fn kill_running(
        &self,
        pod: &Pod,
        running: Vec<(ContainerId, String)>,
        pod_ip: Option<&str>,
        grace_override: Option<i64>,
    ) -> Vec<SyncError> {
        let names: Vec<String> = running.iter().map(|(_, name)| name.clone()).collect();
        let order = Order::new(pod, &names);
        let kills = running.iter().map(|(id, name)| {
            let request =
                KillRequest { pod, id, name, message: None, reason: KillReason::Other, grace_override, pod_ip };
            self.kill_in_order(request, &order)
        });
        let outcomes = join_all(kills).await;
        let failed = names.into_iter().zip(outcomes).filter_map(|(target, outcome)| {
            let message = outcome.err()?.to_string();
            let reason = reasons::waiting::KILL_CONTAINER_ERROR.to_owned();
            Some(SyncError { action: "KillContainer", target, reason, message })
        });
        failed.collect()
    }

    /// Stops sandboxes one after the other; those that are gone are stopped.
    pub(crate) async fn stop_sandboxes(&self, uid: &str, sandboxes: &[String]) -> Vec<SyncError> {
        let mut errors = Vec::new();
        for id in sandboxes {
            if let Err(error) = self.cri.stop_pod_sandbox(id).await
                && !error.is_not_found()
            {
                errors.push(SyncError {
                    action: "KillPodSandbox",
                    target: uid.to_owned(),
                    reason: reasons::waiting::KILL_POD_SANDBOX_ERROR.to_owned(),
                    message: error.to_string(),
                });
            }
        }
        errors
    }

    /// Stops all running containers, with hooks and in order, then the sandboxes. Nothing is removed.
    pub async fn kill_pod(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        grace_override: Option<i64>,
    ) -> Result<(), KillError> {
        let running = observed.running().map(|c| (c.id.clone(), c.name.clone())).collect();
        let pod_ip = observed.ips.first().map(String::as_str);
        let mut errors = self.kill_running(pod, running, pod_ip, grace_override).await;
        let sandboxes: Vec<String> = observed.sandboxes.iter().map(|s| s.id.clone()).collect();
        errors.extend(self.stop_sandboxes(naming::uid(pod), &sandboxes).await);
        if errors.is_empty() { Ok(()) } else { Err(KillError { errors }) }
    }

    /// As [`RuntimeManager::kill_pod`] for a pod of which only the runtime knows: no hooks and no order.
    pub async fn kill_runtime_pod(&self, listed: &ListedPod, grace_override: Option<i64>) -> Result<(), KillError> {
        let pod = synthetic_pod(listed);
        let running = listed
            .containers
            .iter()
            .filter(|c| c.state == ContainerState::Running)
            .map(|c| (c.id.clone(), c.name.clone()))
            .collect();
        let mut errors = self.kill_running(&pod, running, None, grace_override).await;
        let sandboxes: Vec<String> = listed.sandboxes.iter().map(|s| s.id.clone()).collect();
        errors.extend(self.stop_sandboxes(&listed.uid, &sandboxes).await);
        if errors.is_empty() { Ok(()) } else { Err(KillError { errors }) }
    }

    /// Kills a container that no pod explains, by what its annotations say of grace and preStop.
    pub(crate) async fn kill_by_annotations(&self, id: &ContainerId, message: &str) -> Result<(), CriError> {
        let status = match self.cri.container_status(&id.id, false).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        let label = |key: &str| status.labels.get(key).cloned().unwrap_or_default();
        let number = |key: &str| status.annotations.get(key).and_then(|v| v.parse::<i64>().ok());
        let json = |key: &str| status.annotations.get(key).map(String::as_str).unwrap_or("null");
        let name = label(labels::CONTAINER_NAME);
        let container = Container {
            name: name.clone(),
            ports: serde_json::from_str(json(labels::CONTAINER_PORTS)).unwrap_or_default(),
            lifecycle: serde_json::from_str::<Option<LifecycleHandler>>(json(labels::CONTAINER_PRE_STOP_HANDLER))
                .unwrap_or_default()
                .map(|pre_stop| k8s_openapi::api::core::v1::Lifecycle {
                    pre_stop: Some(pre_stop),
                    ..Default::default()
                }),
            ..Default::default()
        };
        let mut pod = Pod::default();
        pod.metadata.name = Some(label(labels::POD_NAME));
        pod.metadata.namespace = Some(label(labels::POD_NAMESPACE));
        pod.metadata.uid = Some(label(labels::POD_UID));
        pod.metadata.deletion_grace_period_seconds = number(labels::POD_DELETION_GRACE_PERIOD);
        let spec = pod.spec.get_or_insert_default();
        spec.termination_grace_period_seconds = number(labels::POD_TERMINATION_GRACE_PERIOD);
        spec.containers = vec![container];
        let request = KillRequest {
            pod: &pod,
            id,
            name: &name,
            message: Some(message),
            reason: KillReason::Other,
            grace_override: None,
            pod_ip: None,
        };
        self.kill_container(request).await
    }
}

/// A pod made of nothing but what a listing shows.
fn synthetic_pod(listed: &ListedPod) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = Some(listed.name.clone());
    pod.metadata.namespace = Some(listed.namespace.clone());
    pod.metadata.uid = Some(listed.uid.clone());
    let mut containers: Vec<Container> = Vec::new();
    for container in &listed.containers {
        if !containers.iter().any(|c| c.name == container.name) {
            containers.push(Container {
                name: container.name.clone(),
                image: Some(container.image.clone()),
                ..Default::default()
            });
        }
    }
    pod.spec.get_or_insert_default().containers = containers;
    pod
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::spec(None, KillReason::Other, 30)]
    #[case::liveness(None, KillReason::Liveness, 60)]
    #[case::startup_without_its_own(None, KillReason::Startup, 30)]
    #[case::deletion_wins(Some(5), KillReason::Liveness, 5)]
    fn grace(#[case] deletion: Option<i64>, #[case] reason: KillReason, #[case] expected: i64) {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"deletionGracePeriodSeconds": deletion},
            "spec": {"terminationGracePeriodSeconds": 30, "containers": [
                {"name": "c", "livenessProbe": {"terminationGracePeriodSeconds": 60}, "startupProbe": {}}
            ]}
        }))
        .unwrap();
        assert_eq!(base_grace(&pod, naming::container(api_pod::spec(&pod), "c"), reason), expected);
    }
}
