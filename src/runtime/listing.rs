//! Reading the runtime: listings grouped by pod, and the full status of one pod. Nothing is changed here.
//!
//! Attribution as kubelet 1.36: containers by the label `io.kubernetes.pod.uid`, sandboxes by their metadata; newest first.

use std::{cmp::Reverse, collections::BTreeMap};

use cri_proto::v1;
use jiff::Timestamp;

use crate::{
    api::labels,
    cri::CriError,
    runtime::{
        RuntimeManager, RuntimeStatus,
        observed::{
            ContainerId, ContainerState, ListedContainer, ListedPod, ListedSandbox, ObservedContainer, ObservedPod,
            ObservedSandbox,
        },
        termination,
    },
};

fn time(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn some_time(nanoseconds: i64) -> Option<Timestamp> {
    (nanoseconds != 0).then(|| time(nanoseconds))
}

fn state(number: i32) -> ContainerState {
    match v1::ContainerState::try_from(number) {
        Ok(v1::ContainerState::ContainerCreated) => ContainerState::Created,
        Ok(v1::ContainerState::ContainerRunning) => ContainerState::Running,
        Ok(v1::ContainerState::ContainerExited) => ContainerState::Exited,
        Ok(v1::ContainerState::ContainerUnknown) | Err(_) => ContainerState::Unknown,
    }
}

fn is_ready(number: i32) -> bool {
    number == i32::from(v1::PodSandboxState::SandboxReady)
}

/// Puts the containers of each name in order of their attempts, in the places that they have. The runtime dates them by the wall clock, and
/// after a step back the newest would seem older than what it replaced (which upstream's kubelet believes).
fn newer_attempts_first<T: Clone, N: Ord>(all: &mut [T], key: impl Fn(&T) -> (&String, N)) {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, container) in all.iter().enumerate() {
        places.entry(key(container).0.clone()).or_default().push(place);
    }
    for places in places.into_values().filter(|places| places.len() > 1) {
        let mut containers: Vec<T> = places.iter().map(|place| all[*place].clone()).collect();
        containers.sort_by_key(|container| Reverse(key(container).1));
        for (place, container) in places.into_iter().zip(containers) {
            all[place] = container;
        }
    }
}

impl RuntimeManager {
    fn container_id(&self, id: &str) -> ContainerId {
        ContainerId { runtime: self.cri.runtime_name().to_owned(), id: id.to_owned() }
    }

    /// All pods of the runtime, or the one with this UID, by UID: ListPodSandbox then ListContainers.
    pub async fn list(&self, only_pod: Option<&str>) -> Result<Vec<ListedPod>, CriError> {
        let label_selector: BTreeMap<String, String> =
            only_pod.map(|uid| (labels::POD_UID.to_owned(), uid.to_owned())).into_iter().collect();
        let sandboxes =
            v1::PodSandboxFilter { label_selector: label_selector.clone(), ..v1::PodSandboxFilter::default() };
        let containers = v1::ContainerFilter { label_selector, ..v1::ContainerFilter::default() };
        self.list_by(sandboxes, containers).await
    }

    /// As [`RuntimeManager::list`], but only READY sandboxes and RUNNING containers, as housekeeping asks.
    pub async fn list_running(&self) -> Result<Vec<ListedPod>, CriError> {
        let ready = v1::PodSandboxStateValue { state: v1::PodSandboxState::SandboxReady.into() };
        let running = v1::ContainerStateValue { state: v1::ContainerState::ContainerRunning.into() };
        let sandboxes = v1::PodSandboxFilter { state: Some(ready), ..v1::PodSandboxFilter::default() };
        let containers = v1::ContainerFilter { state: Some(running), ..v1::ContainerFilter::default() };
        self.list_by(sandboxes, containers).await
    }

    async fn list_by(
        &self,
        sandboxes: v1::PodSandboxFilter,
        containers: v1::ContainerFilter,
    ) -> Result<Vec<ListedPod>, CriError> {
        let mut pods: BTreeMap<String, ListedPod> = BTreeMap::new();
        for sandbox in self.cri.list_pod_sandbox(sandboxes).await? {
            let Some(metadata) = sandbox.metadata else { continue };
            let pod = pods.entry(metadata.uid.clone()).or_default();
            pod.uid = metadata.uid;
            pod.name = metadata.name;
            pod.namespace = metadata.namespace;
            pod.sandboxes.push(ListedSandbox {
                id: sandbox.id,
                attempt: metadata.attempt,
                ready: is_ready(sandbox.state),
                created_at: time(sandbox.created_at),
            });
        }
        for container in self.cri.list_containers(containers).await? {
            let (Some(metadata), Some(image)) = (container.metadata, container.image) else { continue };
            let label = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
            let uid = label(labels::POD_UID);
            let pod = pods.entry(uid.clone()).or_default();
            if pod.uid.is_empty() {
                pod.uid = uid;
                pod.name = label(labels::POD_NAME);
                pod.namespace = label(labels::POD_NAMESPACE);
            }
            pod.containers.push(ListedContainer {
                id: self.container_id(&container.id),
                sandbox_id: container.pod_sandbox_id,
                name: metadata.name,
                attempt: metadata.attempt,
                state: state(container.state),
                created_at: time(container.created_at),
                image: image.image,
                image_ref: container.image_ref,
            });
        }
        let mut pods: Vec<ListedPod> = pods.into_values().collect();
        for pod in &mut pods {
            pod.sandboxes.sort_by(|a, b| {
                (Reverse((a.attempt, a.created_at)), &a.id).cmp(&(Reverse((b.attempt, b.created_at)), &b.id))
            });
            pod.containers.sort_by(|a, b| (Reverse(a.created_at), &a.id).cmp(&(Reverse(b.created_at), &b.id)));
            newer_attempts_first(&mut pod.containers, |c| (&c.name, c.attempt));
        }
        Ok(pods)
    }

    /// PodSandboxStatus and ContainerStatus of all that is listed; what is gone meanwhile is skipped. Reads termination messages.
    pub async fn observe(&self, listed: &ListedPod) -> Result<ObservedPod, CriError> {
        let mut pod = ObservedPod {
            uid: listed.uid.clone(),
            name: listed.name.clone(),
            namespace: listed.namespace.clone(),
            ..ObservedPod::default()
        };
        for sandbox in &listed.sandboxes {
            match self.cri.pod_sandbox_status(&sandbox.id, false).await {
                Ok(status) => pod.sandboxes.push(self.observed_sandbox(status, &mut pod.ips)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        for container in &listed.containers {
            match self.cri.container_status(&container.id.id, false).await {
                Ok(status) => pod.containers.push(self.observed_container(status, &container.sandbox_id)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        pod.sandboxes.sort_by(|a, b| {
            (Reverse((a.attempt, a.created_at)), &a.id).cmp(&(Reverse((b.attempt, b.created_at)), &b.id))
        });
        pod.containers.sort_by(|a, b| (Reverse(a.created_at), &a.id).cmp(&(Reverse(b.created_at), &b.id)));
        newer_attempts_first(&mut pod.containers, |c| (&c.name, c.restart_count));
        Ok(pod)
    }

    fn observed_sandbox(&self, status: v1::PodSandboxStatus, pod_ips: &mut Vec<String>) -> ObservedSandbox {
        let ready = is_ready(status.state);
        let ips = status.network.as_ref().map(|network| self.sorted_ips(network));
        if ready
            && pod_ips.is_empty()
            && let Some(ips) = &ips
        {
            pod_ips.clone_from(ips);
        }
        let namespaces = status.linux.and_then(|l| l.namespaces).and_then(|n| n.options);
        ObservedSandbox {
            id: status.id,
            attempt: status.metadata.unwrap_or_default().attempt,
            ready,
            created_at: time(status.created_at),
            host_network: namespaces.is_some_and(|o| o.network == i32::from(v1::NamespaceMode::Node)),
            ips,
        }
    }

    fn observed_container(&self, status: v1::ContainerStatus, sandbox_id: &str) -> ObservedContainer {
        let state = state(status.state);
        let message = match state {
            ContainerState::Exited => termination::message(&self.world.files, &status),
            _ => status.message.clone(),
        };
        let annotation = |key: &str| status.annotations.get(key).cloned().unwrap_or_default();
        let name = status.labels.get(labels::CONTAINER_NAME).cloned();
        ObservedContainer {
            id: self.container_id(&status.id),
            sandbox_id: sandbox_id.to_owned(),
            name: name.unwrap_or_else(|| status.metadata.clone().unwrap_or_default().name),
            state,
            created_at: time(status.created_at),
            started_at: some_time(status.started_at),
            finished_at: some_time(status.finished_at),
            exit_code: status.exit_code,
            hash: annotation(labels::CONTAINER_HASH),
            restart_count: annotation(labels::CONTAINER_RESTART_COUNT).parse().unwrap_or(0),
            reason: status.reason,
            message,
            image: status.image.unwrap_or_default().image,
            image_ref: status.image_ref,
            image_id: status.image_id,
            log_path: status.log_path,
            resources: status.resources,
            user: status.user,
            mounts: status.mounts,
            stop_signal: if self.settings.stop_signals { status.stop_signal } else { 0 },
        }
    }

    /// Conditions and features of the runtime.
    pub async fn status(&self) -> Result<RuntimeStatus, CriError> {
        let reply = self.cri.status(false).await?;
        let conditions = reply.status.unwrap_or_default().conditions;
        let not_ready = |name: &str| match conditions.iter().find(|c| c.r#type == name) {
            Some(condition) if condition.status => None,
            Some(condition) => {
                Some(format!("{name}={} reason:{} message:{}", condition.status, condition.reason, condition.message))
            }
            None => Some(format!("{name} is not set")),
        };
        let default_handler = reply.runtime_handlers.iter().find(|h| h.name.is_empty());
        let user_namespaces = default_handler.and_then(|h| h.features.as_ref()).is_some_and(|f| f.user_namespaces);
        self.note_id_mapping(user_namespaces);
        Ok(RuntimeStatus {
            runtime_not_ready: not_ready("RuntimeReady"),
            network_not_ready: not_ready("NetworkReady"),
            user_namespaces,
            supplemental_groups_policy: reply.features.is_some_and(|f| f.supplemental_groups_policy),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_in_order_whatever_the_clock_did() {
        let name = |text: &str| text.to_owned();
        let mut all = [(name("a"), 1), (name("b"), 0), (name("a"), 2), (name("a"), 0), (name("b"), 1)];
        newer_attempts_first(&mut all, |(name, attempt)| (name, *attempt));
        assert_eq!(all, [(name("a"), 2), (name("b"), 1), (name("a"), 1), (name("a"), 0), (name("b"), 0)]);
    }
}
