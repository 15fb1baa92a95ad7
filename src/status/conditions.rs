//! The conditions of a pod from its container statuses. Pure; transition times are the manager's. As kubelet 1.36's status/generate.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

use crate::api::{pod as api_pod, reasons::condition};

/// A condition without times.
fn make(pod: &Pod, kind: &str, status: bool, reason: &str, message: String) -> PodCondition {
    let generation = pod.metadata.generation.filter(|g| *g != 0);
    PodCondition {
        type_: kind.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        message: (!message.is_empty()).then_some(message),
        observed_generation: generation,
        ..PodCondition::default()
    }
}

/// A list of names as Go prints a slice.
fn names(names: &[&str]) -> String {
    format!("[{}]", names.join(" "))
}

fn incomplete(unknown: &[&str], other: &[&str], word: &str) -> String {
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: {}", names(unknown)));
    }
    if !other.is_empty() {
        parts.push(format!("containers with {word} status: {}", names(other)));
    }
    parts.join(", ")
}

/// `Initialized`.
pub fn initialized(
    pod: &Pod,
    init: &[ContainerStatus],
    regular: &[ContainerStatus],
    phase: &str,
    was: bool,
) -> PodCondition {
    let find = |name: &str| init.iter().find(|s| s.name == name);
    let (mut unknown, mut unfinished) = (Vec::new(), Vec::new());
    for container in api_pod::init_containers(pod).map(|c| c.container) {
        match find(&container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) if api_pod::is_restartable_init(container) => {
                if status.started != Some(true) {
                    unfinished.push(container.name.as_str());
                }
            }
            Some(status) if !status.ready => unfinished.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    if phase == "Succeeded" && unknown.is_empty() {
        return make(pod, "Initialized", true, condition::POD_COMPLETED, String::new());
    }
    // Once a regular container has run, the pod has been initialised, whatever became of its init containers since.
    let ran = regular.iter().any(|s| s.state.as_ref().is_some_and(|s| s.running.is_some() || s.terminated.is_some()));
    if ran || was || (unknown.is_empty() && unfinished.is_empty()) {
        return make(pod, "Initialized", true, "", String::new());
    }
    let message = incomplete(&unknown, &unfinished, "incomplete");
    make(pod, "Initialized", false, condition::CONTAINERS_NOT_INITIALIZED, message)
}

/// `ContainersReady`.
pub fn containers_ready(pod: &Pod, init: &[ContainerStatus], regular: &[ContainerStatus], phase: &str) -> PodCondition {
    let sidecars = api_pod::init_containers(pod)
        .filter(|c| api_pod::is_restartable_init(c.container))
        .map(|c| (c.container, init));
    let all = sidecars.chain(api_pod::app_containers(pod).map(|c| (c.container, regular)));
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    for (container, list) in all {
        match list.iter().find(|s| s.name == container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) if !status.ready => unready.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    match phase {
        "Succeeded" if unknown.is_empty() => {
            return make(pod, "ContainersReady", false, condition::POD_COMPLETED, String::new());
        }
        "Failed" => return make(pod, "ContainersReady", false, condition::POD_FAILED, String::new()),
        _ => {}
    }
    if unknown.is_empty() && unready.is_empty() {
        return make(pod, "ContainersReady", true, "", String::new());
    }
    make(pod, "ContainersReady", false, condition::CONTAINERS_NOT_READY, incomplete(&unknown, &unready, "unready"))
}

/// `Ready`: as `ContainersReady`, and every readiness gate.
pub fn ready(pod: &Pod, containers_ready: &PodCondition, others: &[PodCondition]) -> PodCondition {
    if containers_ready.status != "True" {
        return PodCondition { type_: "Ready".to_owned(), ..containers_ready.clone() };
    }
    let mut failing = Vec::new();
    for gate in api_pod::spec(pod).readiness_gates.iter().flatten() {
        let kind = &gate.condition_type;
        match others.iter().find(|c| c.type_ == *kind) {
            None => failing.push(format!("corresponding condition of pod readiness gate {kind:?} does not exist.")),
            Some(held) if held.status != "True" => {
                failing.push(format!("the status of pod readiness gate {kind:?} is not \"True\", but {}", held.status));
            }
            Some(_) => {}
        }
    }
    if failing.is_empty() {
        make(pod, "Ready", true, "", String::new())
    } else {
        make(pod, "Ready", false, condition::READINESS_GATES_NOT_READY, failing.join(", "))
    }
}

/// `PodReadyToStartContainers`.
pub fn ready_to_start(pod: &Pod, held: bool) -> PodCondition {
    make(pod, "PodReadyToStartContainers", held, "", String::new())
}

/// `AllContainersRestarting`: an exit matched a rule with that action, and not all containers are back.
pub fn all_restarting(phase: &str, restarting: bool) -> PodCondition {
    let (reason, message) = match phase {
        _ if restarting => (condition::RESTART_ALL_CONTAINERS_STARTED, "container exited with restart policy rule"),
        "Succeeded" => (condition::POD_COMPLETED, ""),
        "Failed" => (condition::POD_FAILED, ""),
        _ => ("", ""),
    };
    // Alone of all conditions it does not tell a generation.
    make(&Pod::default(), ALL_RESTARTING, restarting, reason, message.to_owned())
}

/// The type of the condition of pods that the kubelet ended for the good of others.
pub const DISRUPTION_TARGET: &str = "DisruptionTarget";

/// `DisruptionTarget`: the pod had to make way for a more important one.
pub fn disruption_target(pod: &Pod) -> PodCondition {
    let message = "Pod was preempted by Kubelet to accommodate a critical pod.".to_owned();
    make(pod, DISRUPTION_TARGET, true, condition::TERMINATION_BY_KUBELET, message)
}

/// The type of the condition of pods whose containers are all restarted.
pub const ALL_RESTARTING: &str = "AllContainersRestarting";

/// `PodScheduled`: a static pod always is.
pub fn scheduled(pod: &Pod) -> PodCondition {
    make(pod, "PodScheduled", true, "", String::new())
}
