//! The phase of a pod from the states of its containers. Pure. As kubelet 1.36's getPhase for static pods.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

use crate::{
    api::{pod as api_pod, reasons::waiting::RESTARTING_ALL_CONTAINERS},
    runtime::plan::restart::exit_restarts,
};

#[derive(Debug, Default)]
struct Count {
    pending_init: u32,
    pending_sidecar: u32,
    failed_for_good: u32,
    unknown: u32,
    running: u32,
    waiting: u32,
    stopped: u32,
    succeeded: u32,
    not_restartable: u32,
}

/// Whether a container was removed so that all containers start anew: it comes back whatever its policy.
fn comes_back(status: &ContainerStatus) -> bool {
    let ended = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    ended.is_some_and(|t| t.reason.as_deref() == Some(RESTARTING_ALL_CONTAINERS))
}

fn last_exit(status: &ContainerStatus) -> Option<i32> {
    status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).map(|t| t.exit_code)
}

fn state(status: Option<&ContainerStatus>) -> Option<&ContainerState> {
    status.and_then(|s| s.state.as_ref())
}

/// The phase. `in_sandbox`: whether any regular container exists in the current sandbox.
pub fn phase(pod: &Pod, init: &[ContainerStatus], regular: &[ContainerStatus], in_sandbox: bool) -> &'static str {
    let spec = api_pod::spec(pod);
    let find = |list: &'_ [ContainerStatus], name: &str| list.iter().find(|s| s.name == name).cloned();
    let mut count = Count::default();
    for container in api_pod::init_containers(pod).map(|c| c.container) {
        let status = find(init, &container.name);
        if api_pod::is_restartable_init(container) {
            sidecar(status.as_ref(), &mut count);
            continue;
        }
        match (state(status.as_ref()), status.as_ref()) {
            (Some(ContainerState { terminated: Some(ended), .. }), _) => {
                if ended.exit_code != 0 && !exit_restarts(spec, container, ended.exit_code) {
                    count.failed_for_good += 1;
                }
                if ended.exit_code != 0 && exit_restarts(spec, container, ended.exit_code) {
                    count.pending_init += 1;
                }
            }
            (Some(ContainerState { waiting: Some(_), .. }), Some(status)) => match last_exit(status) {
                Some(0) => {}
                Some(code) if !comes_back(status) && !exit_restarts(spec, container, code) => {
                    count.failed_for_good += 1;
                }
                _ => count.pending_init += 1,
            },
            _ => count.pending_init += 1,
        }
    }
    for container in api_pod::app_containers(pod).map(|c| c.container) {
        let status = find(regular, &container.name);
        match (state(status.as_ref()), status.as_ref()) {
            (Some(ContainerState { running: Some(_), .. }), _) => count.running += 1,
            (Some(ContainerState { terminated: Some(ended), .. }), _) => {
                count.stopped += 1;
                count.succeeded += u32::from(ended.exit_code == 0);
                count.not_restartable += u32::from(!exit_restarts(spec, container, ended.exit_code));
            }
            (Some(ContainerState { waiting: Some(_), .. }), Some(status)) => match last_exit(status) {
                Some(code) => {
                    count.stopped += 1;
                    count.not_restartable += u32::from(!comes_back(status) && !exit_restarts(spec, container, code));
                }
                None => count.waiting += 1,
            },
            _ => count.unknown += 1,
        }
    }
    decide(&count, in_sandbox)
}

fn sidecar(status: Option<&ContainerStatus>, count: &mut Count) {
    match (state(status), status) {
        (Some(ContainerState { running: Some(_), .. }), Some(status)) => {
            count.running += 1;
            count.pending_sidecar += u32::from(status.started != Some(true));
        }
        (Some(ContainerState { terminated: Some(_), .. }), _) => {}
        (Some(ContainerState { waiting: Some(_), .. }), Some(status)) => {
            if last_exit(status).is_none() {
                count.pending_sidecar += 1;
                count.waiting += 1;
            }
        }
        (None, None) => count.unknown += 1,
        _ => {
            count.pending_sidecar += 1;
            count.unknown += 1;
        }
    }
}

fn decide(count: &Count, in_sandbox: bool) -> &'static str {
    if count.failed_for_good > 0 {
        return "Failed";
    }
    if count.pending_init > 0 || (count.pending_sidecar > 0 && !in_sandbox) || count.waiting > 0 {
        return "Pending";
    }
    if count.running > 0 && count.unknown == 0 {
        return "Running";
    }
    if count.running == 0 && count.stopped > 0 && count.unknown == 0 {
        return if count.stopped != count.not_restartable {
            "Running"
        } else if count.stopped == count.succeeded {
            "Succeeded"
        } else {
            "Failed"
        };
    }
    "Pending"
}
