//! What probes mean for the API status of containers: `started` and `ready`. The rest of the status is not touched. As upstream's
//! `UpdatePodStatus`.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use crate::{
    api::pod,
    prober::{ProbeKind, Prober},
    runtime::{ProbeResult, ProbeResults as _, observed::ContainerId},
};

impl Prober {
    /// Fills `started` and `ready` of every container status. A started container that is not ready yet is probed at once.
    pub fn update_pod_status(&self, pod: &Pod, status: &mut PodStatus) {
        let uid = pod::uid(pod);
        for container in status.container_statuses.iter_mut().flatten() {
            let started = self.is_started(uid, container);
            container.started = Some(started);
            if started {
                container.ready = self.is_ready(uid, container);
            }
        }
        for container in status.init_container_statuses.iter_mut().flatten() {
            let started = self.is_started(uid, container);
            container.started = Some(started);
            let spec = pod::init_containers(pod).find(|each| each.container.name == container.name);
            let Some(spec) = spec else { continue };
            if !pod::is_restartable_init(spec.container) {
                let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref());
                if ended.is_some_and(|ended| ended.exit_code == 0) {
                    container.ready = true;
                }
            } else if started {
                container.ready = self.is_ready(uid, container);
            }
        }
    }

    fn is_started(&self, uid: &str, container: &ContainerStatus) -> bool {
        if !is_running(container) {
            return false;
        }
        match container_id(container).and_then(|id| self.startup(&id)) {
            Some(result) => result == ProbeResult::Success,
            // Without a verdict it has started if it had, or if there is none to come. So a container that runs when the kubelet comes up
            // has started: its status is told before its probes begin. As kubelet 1.36, without ChangeContainerStatusOnKubeletRestart.
            None if container.started == Some(true) => true,
            None => self.handle(uid, &container.name, ProbeKind::Startup).is_none(),
        }
    }

    fn is_ready(&self, uid: &str, container: &ContainerStatus) -> bool {
        if !is_running(container) {
            return false;
        }
        if container_id(container).and_then(|id| self.readiness(&id)) == Some(ProbeResult::Success) {
            return true;
        }
        match self.handle(uid, &container.name, ProbeKind::Readiness) {
            Some(worker) => {
                worker.trigger.notify_one();
                false
            }
            None => true,
        }
    }
}

/// Whether the status says that the container runs.
pub fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// The container's id; `None` before it has one.
pub fn container_id(container: &ContainerStatus) -> Option<ContainerId> {
    let (runtime, id) = container.container_id.as_deref()?.split_once("://")?;
    Some(ContainerId { runtime: runtime.to_owned(), id: id.to_owned() })
}

impl crate::status::Probes for Prober {
    fn update_pod_status(&self, pod: &Pod, status: &mut PodStatus) {
        Self::update_pod_status(self, pod, status);
    }
}
