//! Whether an ended container runs again: restart policy of pod and container, and restart rules. Pure.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use crate::runtime::{
    observed::{ContainerId, ContainerState, ObservedContainer, ObservedPod},
    plan::pod_policy,
};

/// The action of a rule that restarts all containers of the pod.
const RESTART_ALL: &str = "RestartAllContainers";

/// What a restart rule says about an exit code: the action of the first that matches.
fn matching_rule(container: &Container, exit_code: i32) -> Option<&str> {
    container.restart_policy.as_ref()?;
    container.restart_policy_rules.iter().flatten().find_map(|rule| {
        let codes = rule.exit_codes.as_ref()?;
        let listed = codes.values.iter().flatten().any(|&v| v == exit_code);
        let matches = match codes.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        matches.then_some(rule.action.as_str())
    })
}

/// Whether a container that ended with this code runs again.
pub fn exit_restarts(spec: &PodSpec, container: &Container, exit_code: i32) -> bool {
    if matches!(matching_rule(container, exit_code), Some("Restart" | RESTART_ALL)) {
        return true;
    }
    match container.restart_policy.as_deref().unwrap_or(pod_policy(spec)) {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

/// Whether a container that does not run is to be started.
pub fn should_restart(pod: &Pod, container: &Container, status: Option<&ObservedContainer>) -> bool {
    if pod.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let (Some(status), Some(spec)) = (status, pod.spec.as_ref()) else { return true };
    match status.state {
        ContainerState::Running => false,
        ContainerState::Unknown | ContainerState::Created => true,
        ContainerState::Exited => exit_restarts(spec, container, status.exit_code),
    }
}

/// Whether any container has a rule that restarts all.
pub fn has_restart_all_rule(spec: &PodSpec) -> bool {
    let inits = spec.init_containers.iter().flatten();
    let mut rules = spec.containers.iter().chain(inits).flat_map(|c| c.restart_policy_rules.iter().flatten());
    rules.any(|rule| rule.action == RESTART_ALL)
}

/// The containers to kill and remove because an exit matched a rule with the action RestartAllContainers, in order: first those that
/// did not ask for it (regular, then init), then those that did. Empty if none did.
pub fn restart_all(pod: &Pod, spec: &PodSpec, observed: &ObservedPod) -> Vec<ContainerId> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let asked = |container: &Container| {
        observed.container(&container.name).is_some_and(|s| {
            s.state == ContainerState::Exited && matching_rule(container, s.exit_code) == Some(RESTART_ALL)
        })
    };
    let inits = || spec.init_containers.iter().flatten();
    if !spec.containers.iter().chain(inits()).any(asked) {
        return Vec::new();
    }
    let ids = |container: &Container| {
        observed.containers.iter().filter(|c| c.name == container.name).map(|c| c.id.clone()).collect::<Vec<_>>()
    };
    let mut order = Vec::new();
    for source in [false, true] {
        order.extend(spec.containers.iter().filter(|c| asked(c) == source).flat_map(ids));
        order.extend(inits().filter(|c| asked(c) == source).flat_map(ids));
    }
    order
}
