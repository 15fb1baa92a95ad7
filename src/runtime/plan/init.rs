//! What to do about init containers, ordinary ones and sidecars. Pure. As upstream's computeInitContainerActions.

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::{
    api::pod::is_restartable_init as is_sidecar,
    runtime::{
        observed::{ContainerState, ObservedPod},
        plan::{KillReason, PodActions, changed, kill, pod_policy, restart},
        sync::{ProbeResult, ProbeResults},
    },
};

const UNKNOWN_INIT_CONTAINER: &str = "Init container is in \"unknown\" state, try killing it before restart";

/// Fills `actions` and says whether the pod is past its initialisation, so that regular containers have their turn.
pub fn init_actions(
    _pod: &Pod,
    spec: &PodSpec,
    observed: &ObservedPod,
    probes: &dyn ProbeResults,
    actions: &mut PodActions,
) -> bool {
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    if inits.is_empty() {
        return true;
    }
    // An exited regular container does not count: it may be from before the sandbox was replaced.
    let mut initialized = spec.containers.iter().any(|c| {
        observed
            .container(&c.name)
            .is_some_and(|s| matches!(s.state, ContainerState::Created | ContainerState::Running))
    });
    // From the last to the first: whether a later one has already had its turn.
    let mut later_ran = initialized;
    let last = inits.len() - 1;
    for (index, container) in inits.iter().enumerate().rev() {
        let sidecar = is_sidecar(container);
        let Some(status) = observed.container(&container.name) else {
            if later_ran && sidecar {
                actions.init_to_start.push(index);
            }
            continue;
        };
        if later_ran && !sidecar {
            continue;
        }
        let name = &container.name;
        match status.state {
            ContainerState::Created => actions.init_to_start.push(index),
            ContainerState::Running if !sidecar => {}
            ContainerState::Running => {
                let startup = if container.startup_probe.is_some() {
                    probes.startup(&status.id)
                } else {
                    Some(ProbeResult::Success)
                };
                if startup == Some(ProbeResult::Success) {
                    if index == last {
                        initialized = true;
                    } else if !later_ran {
                        actions.init_to_start.push(index + 1);
                    }
                    let kill_for = if changed(container, status) {
                        Some((format!("Init container {name} definition changed"), KillReason::Other))
                    } else if container.liveness_probe.is_some()
                        && probes.liveness(&status.id) == Some(ProbeResult::Failure)
                    {
                        Some((format!("Init container {name} failed liveness probe"), KillReason::Liveness))
                    } else {
                        None
                    };
                    if let Some((message, reason)) = kill_for {
                        actions.to_kill.push(kill(status, message, reason));
                        actions.init_to_start.push(index);
                    }
                } else if startup == Some(ProbeResult::Failure) {
                    let message = format!("Init container {name} failed startup probe");
                    actions.to_kill.push(kill(status, message, KillReason::Startup));
                    actions.init_to_start.push(index);
                }
            }
            ContainerState::Exited if sidecar => actions.init_to_start.push(index),
            ContainerState::Exited => {
                let failed = status.reason == "OOMKilled" || status.exit_code != 0;
                if failed {
                    // An out-of-memory kill counts as a failure whatever the code says.
                    let code = if status.exit_code == 0 { 137 } else { status.exit_code };
                    if !restart::exit_restarts(spec, container, code) {
                        actions.kill_pod = true;
                        actions.init_to_start.clear();
                        return false;
                    }
                    actions.init_to_start.push(index);
                } else if index == last {
                    initialized = true;
                } else {
                    actions.init_to_start.push(index + 1);
                }
            }
            ContainerState::Unknown => {
                if !sidecar && container.restart_policy.as_deref().unwrap_or(pod_policy(spec)) == "Never" {
                    actions.kill_pod = true;
                    actions.init_to_start.clear();
                    return false;
                }
                actions.to_kill.push(kill(status, UNKNOWN_INIT_CONTAINER.to_owned(), KillReason::Other));
                actions.init_to_start.push(index);
            }
        }
        later_ran = true;
    }
    if !later_ran {
        actions.init_to_start.push(0);
    }
    actions.init_to_start.reverse();
    initialized
}
