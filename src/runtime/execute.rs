//! One sync of one pod: the plan carried out in upstream's order. As kubelet 1.36's runtime SyncPod.
//!
//! Order: kill what must go, prune old init containers, sandbox, image volumes, init containers, regular containers one after the other.

use std::{collections::BTreeMap, path::Path};

use cri_proto::v1;
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::time::Instant;

use crate::{
    api::pod::is_restartable_init as is_sidecar,
    api::{duration::GoDuration, pod as api_pod, reasons},
    images::{ImageError, ImageRequest},
    observer::EventKind,
    runtime::{
        RuntimeManager, StartFailure, StartOutcome, SyncContext, SyncResult,
        container_config::field::one_per_family,
        kill::KillRequest,
        naming,
        observed::{ContainerState, ObservedPod},
        plan::{self, KillReason, PodActions},
        sandbox_config::{self, dns},
        start::StartContext,
    },
};

/// What is said where pods want the cluster's DNS and there is none.
const MISSING_CLUSTER_DNS: &str = "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. Falling back to \"Default\" policy.";
/// What the event says of a container that is killed because a rule restarts all.
const KILLED_FOR_RESTART: &str = "killing";

impl RuntimeManager {
    /// Brings the runtime nearer to what the pod wants. Volumes and directories must be there already.
    pub async fn sync_pod(&self, pod: &Pod, observed: &ObservedPod, cx: SyncContext<'_>) -> SyncResult {
        let mut actions = plan::plan(pod, observed, cx.probes);
        let actual = self.actual(pod);
        plan::resize::add(pod, observed, &actual, &mut actions);
        let mut result = SyncResult { pod_ips: observed.ips.clone(), ..SyncResult::default() };
        if !actions.restart_all.is_empty() {
            self.restart_all(pod, observed, &actions, &mut result).await;
            return result;
        }
        if self.kill_step(pod, observed, &actions, &mut result).await.is_none() {
            return result;
        }
        if cx.terminating.is_cancelled() {
            return result;
        }
        let starts = actions.create_sandbox || !actions.init_to_start.is_empty() || !actions.to_start.is_empty();
        if !starts {
            if !actions.resize.is_empty() {
                self.resize(pod, observed, &actions, &mut result).await;
            }
            return result;
        }
        if let Some((sandbox_id, config)) = self.sandbox_step(pod, &actions, &cx, &mut result).await {
            self.start_step(pod, observed, &actions, &cx, (&sandbox_id, &config), &mut result).await;
        }
        result
    }

    /// Steps 1 to 3: kills and prunes. `None` ends the sync.
    async fn kill_step(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        actions: &PodActions,
        result: &mut SyncResult,
    ) -> Option<()> {
        let pod_ip = observed.ips.first().map(String::as_str);
        if actions.kill_pod {
            if actions.create_sandbox && actions.sandbox_id.is_some() {
                let message = "Pod sandbox changed, it will be killed and re-created.";
                self.recorder.pod(pod, EventKind::Normal, reasons::event::SANDBOX_CHANGED, message);
            }
            if !observed.sandboxes.is_empty() || observed.running().next().is_some() {
                result.acted = true;
            }
            if let Err(error) = self.kill_pod(pod, observed, None).await {
                result.errors.extend(error.errors);
                return None;
            }
            if actions.create_sandbox {
                self.remove_init_containers(pod, observed, false).await;
            }
        } else {
            for kill in &actions.to_kill {
                result.acted = true;
                let request = KillRequest {
                    pod,
                    id: &kill.id,
                    name: &kill.name,
                    message: Some(&kill.message),
                    reason: kill.reason,
                    grace_override: None,
                    pod_ip,
                };
                if let Err(error) = self.kill_container(request).await {
                    let reason = reasons::waiting::KILL_CONTAINER_ERROR;
                    result.fail("KillContainer", &kill.name, reason, error.to_string());
                    return None;
                }
            }
        }
        self.remove_init_containers(pod, observed, true).await;
        Some(())
    }

    /// Removes instances of init containers that do not run: all of them, or all but the newest of each name.
    async fn remove_init_containers(&self, pod: &Pod, observed: &ObservedPod, keep_newest: bool) {
        for container in api_pod::spec(pod).init_containers.iter().flatten() {
            let ended = observed.containers.iter().filter(|c| {
                let over = matches!(c.state, ContainerState::Exited | ContainerState::Unknown);
                c.name == container.name && (over || !keep_newest)
            });
            for status in ended.skip(usize::from(keep_newest)) {
                if let Err(error) = self.remove_container(&status.id).await {
                    tracing::error!(container = status.name, %error, "Failed to remove pod init container");
                }
            }
        }
    }

    /// Step 4 and 5: the sandbox to use, made if needed, with its configuration. `None` ends the sync.
    async fn sandbox_step(
        &self,
        pod: &Pod,
        actions: &PodActions,
        cx: &SyncContext<'_>,
        result: &mut SyncResult,
    ) -> Option<(String, v1::PodSandboxConfig)> {
        let uid = naming::uid(pod);
        let config = match self.sandbox_config(pod, actions.attempt) {
            Ok(config) => config,
            Err(error) => {
                let pod_name = naming::format_pod(pod);
                if actions.create_sandbox {
                    // Upstream meets this inside the creation of the sandbox.
                    self.sandbox_failed(pod, cx, result, "generate sandbox config", &error);
                } else {
                    let message = format!("GeneratePodSandboxConfig for pod {pod_name:?} failed: {error}");
                    result.fail("ConfigPodSandbox", uid, reasons::waiting::CONFIG_POD_SANDBOX_ERROR, message);
                }
                return None;
            }
        };
        if !actions.create_sandbox {
            return Some((actions.sandbox_id.clone()?, config));
        }
        result.acted = true;
        if let Err(error) = self.world.files.create_dir_all(Path::new(&config.log_directory), 0o755) {
            self.sandbox_failed(pod, cx, result, "create log directory", &error.to_string());
            return None;
        }
        let id = match self.cri.run_pod_sandbox(config.clone(), "").await {
            Ok(id) => id,
            Err(error) => {
                self.sandbox_failed(pod, cx, result, "create sandbox", &error.to_string());
                return None;
            }
        };
        match self.cri.pod_sandbox_status(&id, false).await {
            Ok(status) => {
                let network = status.network.unwrap_or_default();
                result.pod_ips = self.sorted_ips(&network);
                (cx.sandbox_ready)();
            }
            Err(error) => {
                let message = format!("Unable to get pod sandbox status: {error}");
                self.recorder.pod(pod, EventKind::Warning, reasons::event::FAILED_POD_SANDBOX_STATUS, message);
                result.fail("CreatePodSandbox", uid, reasons::waiting::CREATE_POD_SANDBOX_ERROR, error.to_string());
                return None;
            }
        }
        Some((id, config))
    }

    /// `step` is what was being done; the event tells only what went wrong.
    fn sandbox_failed(&self, pod: &Pod, cx: &SyncContext<'_>, result: &mut SyncResult, step: &str, error: &str) {
        let message = format!("Failed to {step} for pod {:?}: {error}", naming::format_pod(pod));
        let reason = reasons::waiting::CREATE_POD_SANDBOX_ERROR;
        result.fail("CreatePodSandbox", naming::uid(pod), reason, message);
        // A pod that is going away anyway is not worth a warning.
        if !cx.terminating.is_cancelled() {
            let message = format!("Failed to create pod sandbox: {error}");
            self.recorder.pod(pod, EventKind::Warning, reasons::event::FAILED_CREATE_POD_SANDBOX, message);
        }
    }

    /// The sandbox's configuration, with DNS read afresh; tells what is wrong with DNS.
    fn sandbox_config(&self, pod: &Pod, attempt: u32) -> Result<v1::PodSandboxConfig, String> {
        let path = Path::new(&self.settings.resolv_conf);
        let read = || {
            let text = self.world.files.read_to_string(path, 10 << 20).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => format!("open {}: no such file or directory", path.display()),
                _ => format!("open {}: {e}", path.display()),
            })?;
            dns::parse(&text)
        };
        let dns = dns::pod_dns(pod, &self.settings, read)?;
        if dns.missing_cluster_dns {
            let reason = reasons::event::MISSING_CLUSTER_DNS;
            let message = format!("pod: {:?}. {MISSING_CLUSTER_DNS}", naming::format_pod(pod));
            self.recorder.node(&self.settings.node_name, EventKind::Warning, reason, MISSING_CLUSTER_DNS);
            self.recorder.pod(pod, EventKind::Warning, reason, message);
        }
        for message in dns.forming {
            self.recorder.pod(pod, EventKind::Warning, reasons::event::DNS_CONFIG_FORMING, message);
        }
        let mut config = sandbox_config::sandbox_config(pod, attempt, dns.config, &self.settings)?;
        let users = self.id_mappings(naming::uid(pod), api_pod::spec(pod).host_users != Some(false))?;
        let security = config.linux.as_mut().and_then(|linux| linux.security_context.as_mut());
        if let Some(options) = security.and_then(|security| security.namespace_options.as_mut()) {
            options.userns_options = Some(users);
        }
        Ok(config)
    }

    /// Addresses of a sandbox: the node's primary family first, one of each. One that cannot be read makes the list empty.
    pub(crate) fn sorted_ips(&self, network: &v1::PodSandboxNetworkStatus) -> Vec<String> {
        let mut ips: Vec<String> = Vec::new();
        for ip in std::iter::once(&network.ip).chain(network.additional_ips.iter().map(|a| &a.ip)) {
            if ip.is_empty() {
                continue;
            }
            if ip.parse::<std::net::IpAddr>().is_err() {
                return Vec::new();
            }
            ips.push(ip.clone());
        }
        let v6_first = self.settings.ipv6_first();
        ips.sort_by_key(|ip| ip.contains(':') != v6_first);
        one_per_family(ips)
    }

    /// Step 5 and 6: image volumes, then the containers, one after the other.
    async fn start_step(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        actions: &PodActions,
        cx: &SyncContext<'_>,
        (sandbox_id, sandbox_config): (&str, &v1::PodSandboxConfig),
        result: &mut SyncResult,
    ) {
        let pod_ips = result.pod_ips.clone();
        let volume_images = self.image_volumes(pod, sandbox_config).await;
        let start = StartContext {
            pod,
            observed,
            sandbox_id,
            sandbox_config,
            pod_ips: &pod_ips,
            volume_images: &volume_images,
            terminating: cx.terminating,
        };
        let spec = api_pod::spec(pod);
        let inits = spec.init_containers.as_deref().unwrap_or_default();
        for container in actions.init_to_start.iter().filter_map(|&i| inits.get(i)) {
            let started = self.start_one(&start, container, result).await;
            if !started && !is_sidecar(container) {
                return;
            }
        }
        if !actions.resize.is_empty() {
            self.resize(pod, observed, actions, result).await;
        }
        for container in actions.to_start.iter().filter_map(|&i| spec.containers.get(i)) {
            self.start_one(&start, container, result).await;
        }
    }

    /// Back-off, then the start; whether it started.
    async fn start_one(&self, cx: &StartContext<'_>, container: &Container, result: &mut SyncResult) -> bool {
        if cx.terminating.is_cancelled() {
            return false;
        }
        let outcome = match self.held_back(cx.pod, container, cx.observed, result) {
            Some(failure) => Err(failure),
            None => {
                result.acted = true;
                self.start_container(cx, container).await
            }
        };
        let failure = outcome.err();
        if let Some(failure) = &failure {
            result.fail("StartContainer", &container.name, &failure.reason, failure.message.clone());
            // A pull is tried again when its back-off is over; upstream comes by some seconds later.
            let image = container.image.as_deref().unwrap_or_default();
            let pulls = [reasons::waiting::ERR_IMAGE_PULL, reasons::waiting::IMAGE_PULL_BACK_OFF];
            if pulls.contains(&failure.reason.as_str())
                && let Some(left) = self.images.held_back(cx.pod, image)
            {
                result.wait_until(Instant::now() + left);
            }
        }
        let started = failure.is_none();
        result.starts.push(StartOutcome { container: container.name.clone(), failure });
        started
    }

    /// Whether the container must wait for its back-off; counts the attempt if not.
    fn held_back(
        &self,
        pod: &Pod,
        container: &Container,
        observed: &ObservedPod,
        result: &mut SyncResult,
    ) -> Option<StartFailure> {
        let ended =
            observed.containers.iter().find(|c| c.name == container.name && c.state == ContainerState::Exited)?;
        let event = ended.finished_at.unwrap_or(ended.created_at);
        let resources = serde_json::to_string(&container.resources).unwrap_or_default();
        let image = container.image.as_deref().unwrap_or_default();
        let key = format!(
            "{}/{}/{}/{}/{image}/{resources}",
            naming::name(pod),
            naming::namespace(pod),
            naming::uid(pod),
            container.name
        );
        let now = self.steady.now();
        let mut backoff = self.lock_backoff();
        let event = backoff.moment(&key, event, self.world.clock.now(), now);
        let Some(held) = backoff.held_since(&key, event, now) else {
            backoff.next(&key, event, now);
            return None;
        };
        drop(backoff);
        let expiry = Instant::now() + held.left;
        result.wait_until(expiry);
        let (name, pod_name) = (&container.name, naming::format_pod(pod));
        let message = format!("Back-off restarting failed container {name} in pod {pod_name}");
        self.recorder.container(pod, name, EventKind::Warning, reasons::event::BACK_OFF, message);
        Some(StartFailure {
            reason: reasons::waiting::CRASH_LOOP_BACK_OFF.to_owned(),
            message: format!(
                "back-off {} restarting failed container={name} pod={pod_name}",
                GoDuration::from_std(held.wait)
            ),
        })
    }

    /// Pulls the images of image volumes.
    async fn image_volumes(
        &self,
        pod: &Pod,
        sandbox: &v1::PodSandboxConfig,
    ) -> BTreeMap<String, Result<String, ImageError>> {
        let mut images = BTreeMap::new();
        for volume in api_pod::spec(pod).volumes.iter().flatten() {
            let Some(source) = &volume.image else { continue };
            let image = source.reference.as_deref().unwrap_or_default();
            let policy = source.pull_policy.as_deref().unwrap_or_default();
            let request = ImageRequest { pod, container: "", image, policy, sandbox };
            images.insert(volume.name.clone(), self.images.ensure(request).await);
        }
        images
    }

    /// Kills and removes every container in the given order, logs kept: the next sync starts the pod's containers afresh.
    async fn restart_all(&self, pod: &Pod, observed: &ObservedPod, actions: &PodActions, result: &mut SyncResult) {
        result.acted = true;
        let all = |id| observed.containers.iter().find(|c| &c.id == id);
        for status in actions.restart_all.iter().filter_map(all) {
            if matches!(status.state, ContainerState::Running | ContainerState::Unknown) {
                let request = KillRequest {
                    pod,
                    id: &status.id,
                    name: &status.name,
                    message: Some(KILLED_FOR_RESTART),
                    reason: KillReason::Other,
                    grace_override: Some(0),
                    pod_ip: None,
                };
                if let Err(error) = self.kill_container(request).await {
                    let reason = reasons::waiting::KILL_CONTAINER_ERROR;
                    result.fail("KillContainer", &status.name, reason, error.to_string());
                    return;
                }
            }
            if let Err(error) = self.cri.remove_container(&status.id.id).await {
                result.fail("RemoveContainer", &status.name, "RemoveContainerError", error.to_string());
                return;
            }
        }
    }
}
