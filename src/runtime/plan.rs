//! What to do about a pod, from what it wants and what is observed of it. Pure: no calls and no clock. As upstream's computePodActions.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use crate::{
    api::hash::container_hash_text,
    runtime::{
        observed::{ContainerId, ContainerState, ObservedContainer, ObservedPod},
        sync::{ProbeResult, ProbeResults},
    },
};

mod init;
pub mod resize;
pub mod restart;
pub mod sandbox;

pub use restart::should_restart;
pub use sandbox::{SandboxDecision, sandbox_decision};

/// Why a container of a living pod is killed; probe kills may bring a grace period of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// Its liveness probe failed.
    Liveness,
    /// Its startup probe failed.
    Startup,
    /// Anything else.
    Other,
}

/// A container to kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Which.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Message of the event `Killing`.
    pub message: String,
    /// Why.
    pub reason: KillReason,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodActions {
    /// Kill all containers and stop all sandboxes first.
    pub kill_pod: bool,
    /// Then make a new sandbox.
    pub create_sandbox: bool,
    /// The sandbox to use, or the one that is replaced; `None` if there is none worth naming.
    pub sandbox_id: Option<String>,
    /// Attempt of the sandbox to use or to make.
    pub attempt: u32,
    /// Init containers to start, by index, in order.
    pub init_to_start: Vec<usize>,
    /// Regular containers to start, by index, in order.
    pub to_start: Vec<usize>,
    /// Containers to kill, in order.
    pub to_kill: Vec<Kill>,
    /// Every container is to be killed and removed, in this order: a restart rule said so. Nothing else is done then.
    pub restart_all: Vec<ContainerId>,
    /// What is to be resized in place.
    pub resize: resize::Resize,
}

impl PodActions {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        !self.kill_pod
            && !self.create_sandbox
            && self.init_to_start.is_empty()
            && self.to_start.is_empty()
            && self.to_kill.is_empty()
            && self.restart_all.is_empty()
            && self.resize.is_empty()
    }
}

/// Works out what to do.
pub fn plan(pod: &Pod, observed: &ObservedPod, probes: &dyn ProbeResults) -> PodActions {
    let decision = sandbox_decision(pod, observed);
    let mut actions = PodActions {
        kill_pod: decision.create,
        create_sandbox: decision.create,
        sandbox_id: decision.id,
        attempt: decision.attempt,
        ..PodActions::default()
    };
    let Some(spec) = &pod.spec else { return actions };
    if actions.create_sandbox {
        with_new_sandbox(pod, spec, observed, &mut actions);
        return actions;
    }
    actions.restart_all = restart::restart_all(pod, spec, observed);
    if !actions.restart_all.is_empty() {
        return actions;
    }
    let initialized = init::init_actions(pod, spec, observed, probes, &mut actions);
    if actions.kill_pod || !initialized {
        return actions;
    }
    regular(pod, spec, observed, probes, &mut actions);
    actions
}

/// The pod's restart policy; Always if it says nothing.
pub fn pod_policy(spec: &PodSpec) -> &str {
    spec.restart_policy.as_deref().unwrap_or("Always")
}

fn with_new_sandbox(pod: &Pod, spec: &PodSpec, observed: &ObservedPod, actions: &mut PodActions) {
    if pod_policy(spec) == "Never" && actions.attempt != 0 && !observed.containers.is_empty() {
        // A pod that must not restart has had its run: only clean up.
        actions.create_sandbox = false;
        return;
    }
    let done = |container: &Container| {
        let policy = container.restart_policy.as_deref().unwrap_or(pod_policy(spec));
        policy == "OnFailure"
            && observed
                .container(&container.name)
                .is_some_and(|s| s.state == ContainerState::Exited && s.exit_code == 0)
    };
    let to_start: Vec<usize> =
        spec.containers.iter().enumerate().filter(|(_, c)| !done(c)).map(|(index, _)| index).collect();
    if to_start.is_empty() && any_regular_created(spec, observed) {
        actions.create_sandbox = false;
        return;
    }
    if spec.init_containers.as_ref().is_some_and(|i| !i.is_empty()) {
        actions.init_to_start = vec![0];
        return;
    }
    let _ = pod;
    actions.to_start = to_start;
}

fn any_regular_created(spec: &PodSpec, observed: &ObservedPod) -> bool {
    spec.containers.iter().any(|c| {
        observed.container(&c.name).is_some_and(|s| {
            matches!(s.state, ContainerState::Created | ContainerState::Running | ContainerState::Exited)
        })
    })
}

fn regular(pod: &Pod, spec: &PodSpec, observed: &ObservedPod, probes: &dyn ProbeResults, actions: &mut PodActions) {
    let mut kept = 0;
    for (index, container) in spec.containers.iter().enumerate() {
        let status = observed.container(&container.name);
        let Some(running) = status.filter(|s| s.state == ContainerState::Running) else {
            if should_restart(pod, container, status) {
                actions.to_start.push(index);
                if let Some(unknown) = status.filter(|s| s.state == ContainerState::Unknown) {
                    actions.to_kill.push(kill(unknown, UNKNOWN_CONTAINER.to_owned(), KillReason::Other));
                }
            }
            continue;
        };
        let name = &container.name;
        let policy = container.restart_policy.as_deref().unwrap_or(pod_policy(spec));
        let (mut message, reason, again) = if changed(container, running) {
            (format!("Container {name} definition changed"), KillReason::Other, true)
        } else if probes.liveness(&running.id) == Some(ProbeResult::Failure) {
            (format!("Container {name} failed liveness probe"), KillReason::Liveness, policy != "Never")
        } else if probes.startup(&running.id) == Some(ProbeResult::Failure) {
            (format!("Container {name} failed startup probe"), KillReason::Startup, policy != "Never")
        } else {
            kept += 1;
            continue;
        };
        if again {
            message.push_str(", will be restarted");
            actions.to_start.push(index);
        }
        actions.to_kill.push(kill(running, message, reason));
    }
    if kept == 0 && actions.to_start.is_empty() {
        actions.kill_pod = true;
        // Sidecars must not keep a pod alive whose work is done.
        actions.init_to_start.clear();
    }
}

const UNKNOWN_CONTAINER: &str = "Container is in \"unknown\" state, try killing it before restart";

fn kill(status: &ObservedContainer, message: String, reason: KillReason) -> Kill {
    Kill { id: status.id.clone(), name: status.name.clone(), message, reason }
}

/// Whether a running container was made from another definition: only name and image count.
fn changed(container: &Container, status: &ObservedContainer) -> bool {
    status.hash != container_hash_text(&container.name, container.image.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests;
