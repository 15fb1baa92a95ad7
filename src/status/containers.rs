//! Container statuses from what the runtime says, what was shown before, and why containers did not start. Pure.
//!
//! As kubelet 1.36's convertToAPIContainerStatuses; the numbers of the rules are in the function comments' words, not in code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, ContainerUser, LinuxContainerUser, Pod, ResourceRequirements, VolumeMountStatus,
    },
    apimachinery::pkg::{api::resource::Quantity as ApiQuantity, apis::meta::v1::Time},
};

use crate::{
    api::{pod as api_pod, quantity::Quantity, reasons::waiting},
    runtime::{
        StartFailure,
        observed::{self, ObservedContainer, ObservedPod},
        plan::should_restart,
        signals,
    },
};

const UNKNOWN: &str = "ContainerStatusUnknown";
const GONE_WITH_POD: &str = "The container could not be located when the pod was terminated";
const GONE: &str = "The container could not be located when the pod was deleted.  The container used to be Running";
const REMOVED_FOR_RESTART: &str = "The container is removed because RestartAllContainers in place";
const INIT_LOST: &str = "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally";

/// Exit code shown for a container of which nothing is known any more.
const UNKNOWN_EXIT: i32 = 137;

/// Whole seconds, as the API shows times.
pub fn seconds(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

/// A waiting state.
pub fn waiting_state(reason: &str, message: &str) -> ContainerState {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ContainerState {
        waiting: Some(ContainerStateWaiting { reason: some(reason), message: some(message) }),
        ..ContainerState::default()
    }
}

/// What is shown of a container that vanished.
pub fn vanished(message: &str) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: UNKNOWN_EXIT,
        reason: Some(UNKNOWN.to_owned()),
        message: Some(message.to_owned()),
        ..ContainerStateTerminated::default()
    }
}

/// The text of a container that could not be found at the pod's end.
pub fn gone_with_pod() -> ContainerStateTerminated {
    vanished(GONE_WITH_POD)
}

fn terminated(status: Option<&ContainerStatus>) -> Option<&ContainerStateTerminated> {
    status?.state.as_ref()?.terminated.as_ref()
}

/// What container statuses are computed from, beside what was shown before.
pub struct Look<'a> {
    /// What the manifest wants.
    pub pod: &'a Pod,
    /// What the runtime says.
    pub observed: &'a ObservedPod,
    /// Whether a restart rule has all containers restarted, and they are not all back.
    pub restarting: bool,
    /// The last failure to start, by name.
    pub why: &'a dyn Fn(&str) -> Option<StartFailure>,
}

/// Statuses of one list of containers: init containers, or the regular ones.
pub fn statuses(
    look: &Look<'_>,
    containers: &[Container],
    old: &[ContainerStatus],
    init: bool,
) -> Vec<ContainerStatus> {
    let Look { pod, observed, restarting, why } = *look;
    let has_init = api_pod::init_containers(pod).next().is_some();
    let default_reason = if has_init { waiting::POD_INITIALIZING } else { waiting::CONTAINER_CREATING };
    let old: BTreeMap<&str, &ContainerStatus> = old.iter().map(|s| (s.name.as_str(), s)).collect();
    let mut all = Vec::new();
    for container in containers {
        let old = old.get(container.name.as_str()).copied();
        let instances: Vec<&ObservedContainer> =
            observed.containers.iter().filter(|c| c.name == container.name).take(2).collect();
        let mut status = match (instances.as_slice(), old) {
            ([], Some(old)) if restarting => removed_for_restart(container, old, default_reason),
            ([], old) => absent(pod, container, old, default_reason),
            ([newest, earlier @ ..], old) => present(container, newest, earlier.first().copied(), old),
        };
        overlay(pod, container, instances.first().copied(), init, why, &mut status);
        all.push(status);
    }
    if init {
        lost_init(pod, observed, &mut all);
    } else {
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all
}

/// The record before the runtime has anything to say.
fn base(container: &Container, old: Option<&ContainerStatus>, reason: &str) -> ContainerStatus {
    if let Some(old) = old.filter(|old| terminated(Some(old)).is_some()) {
        return old.clone();
    }
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        state: Some(waiting_state(reason, "")),
        last_state: old.and_then(|o| o.last_state.clone()),
        restart_count: old.map_or(0, |o| o.restart_count),
        volume_mounts: volume_mounts(container),
        ..ContainerStatus::default()
    }
}

fn volume_mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts: Vec<VolumeMountStatus> = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|mount| {
            let read_only = mount.read_only.unwrap_or(false);
            VolumeMountStatus {
                name: mount.name.clone(),
                mount_path: mount.mount_path.clone(),
                read_only: read_only.then_some(true),
                // Standalone has no runtime class manager, so recursive read-only is never known to be supported.
                recursive_read_only: read_only.then(|| "Disabled".to_owned()),
                ..VolumeMountStatus::default()
            }
        })
        .collect();
    (!mounts.is_empty()).then_some(mounts)
}

/// A container that the runtime does not have.
fn absent(pod: &Pod, container: &Container, old: Option<&ContainerStatus>, reason: &str) -> ContainerStatus {
    let mut status = base(container, old, reason);
    let Some(old) = old else { return status };
    let was_running = old.state.as_ref().is_some_and(|s| s.running.is_some());
    let has_last = status.last_state.as_ref().is_some_and(|s| s.terminated.is_some());
    if !was_running || has_last {
        return status;
    }
    status.last_state = Some(ContainerState { terminated: Some(vanished(GONE)), ..ContainerState::default() });
    if pod.metadata.deletion_timestamp.is_none() {
        status.restart_count += 1;
    }
    status
}

/// A container that was removed because a rule restarts all: told once, of one that ran or had ended. The next look finds it waiting.
fn removed_for_restart(container: &Container, old: &ContainerStatus, default_reason: &str) -> ContainerStatus {
    let base = base(container, Some(old), default_reason);
    if old.state.as_ref().is_some_and(|s| s.waiting.is_some()) {
        return base;
    }
    let reason = waiting::RESTARTING_ALL_CONTAINERS;
    let ended = ContainerStateTerminated { reason: Some(reason.to_owned()), ..vanished(REMOVED_FOR_RESTART) };
    ContainerStatus {
        state: Some(waiting_state(reason, REMOVED_FOR_RESTART)),
        last_state: Some(ContainerState { terminated: Some(ended), ..ContainerState::default() }),
        restart_count: old.restart_count + 1,
        ..base
    }
}

/// The state of one instance.
fn state_of(instance: &ObservedContainer, old: Option<&ContainerStatus>) -> (ContainerState, bool) {
    let mut state = ContainerState::default();
    let mut lost = false;
    match instance.state {
        observed::ContainerState::Running => {
            state.running = Some(ContainerStateRunning { started_at: instance.started_at.map(seconds) });
        }
        observed::ContainerState::Exited => {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            state.terminated = Some(ContainerStateTerminated {
                exit_code: instance.exit_code,
                reason: some(&instance.reason),
                message: some(&instance.message),
                started_at: instance.started_at.map(seconds),
                finished_at: instance.finished_at.map(seconds),
                container_id: Some(instance.id.to_string()),
                signal: None,
            });
        }
        observed::ContainerState::Unknown
            if old.is_some_and(|o| o.state.as_ref().is_some_and(|s| s.running.is_some())) =>
        {
            state.terminated = Some(gone_with_pod());
            lost = true;
        }
        observed::ContainerState::Created | observed::ContainerState::Unknown => {
            state.waiting = Some(ContainerStateWaiting::default());
        }
    }
    (state, lost)
}

/// A container that the runtime has.
fn present(
    container: &Container,
    newest: &ObservedContainer,
    earlier: Option<&ObservedContainer>,
    old: Option<&ContainerStatus>,
) -> ContainerStatus {
    let (state, lost) = state_of(newest, old);
    let id = newest.id.to_string();
    let old_count = old.map_or(0, |o| o.restart_count);
    let mut restart_count = newest.restart_count.max(old_count);
    if lost {
        restart_count = old_count + 1;
    }
    let restarted_in_place = state.running.is_some()
        && terminated(old).is_some()
        && old_count >= newest.restart_count
        && old.is_some_and(|o| o.container_id.as_deref() != Some(&id));
    if restarted_in_place {
        restart_count = old_count + 1;
    }
    let mut last_state = earlier.map(|e| state_of(e, None).0);
    if last_state.is_none() {
        let changed = old.is_some_and(|o| o.container_id.as_deref() != Some(&id));
        last_state = match terminated(old) {
            Some(ended) if changed => {
                Some(ContainerState { terminated: Some(ended.clone()), ..ContainerState::default() })
            }
            _ => old.and_then(|o| o.last_state.clone()).filter(|s| s.terminated.is_some()),
        };
    }
    let running = newest.state == observed::ContainerState::Running;
    ContainerStatus {
        name: container.name.clone(),
        image: newest.image.clone(),
        image_id: newest.image_ref.clone(),
        restart_count,
        state: Some(state),
        last_state,
        // Of another container of that name it says nothing.
        started: old.filter(|old| running && old.container_id.as_ref() == Some(&id)).and_then(|o| o.started),
        container_id: Some(id),
        allocated_resources: requests(container),
        resources: Some(resources(container, newest, running)),
        user: newest.user.as_ref().and_then(user),
        stop_signal: signals::name(newest.stop_signal),
        volume_mounts: match old {
            Some(old) => old.volume_mounts.clone(),
            None => volume_mounts(container),
        },
        ..ContainerStatus::default()
    }
}

fn user(user: &cri_proto::v1::ContainerUser) -> Option<ContainerUser> {
    let linux = user.linux.as_ref()?;
    let groups = linux.supplemental_groups.clone();
    Some(ContainerUser {
        linux: Some(LinuxContainerUser {
            uid: linux.uid,
            gid: linux.gid,
            supplemental_groups: (!groups.is_empty()).then_some(groups),
        }),
    })
}

fn requests(container: &Container) -> Option<BTreeMap<String, ApiQuantity>> {
    container.resources.as_ref().and_then(|r| r.requests.clone()).filter(|r| !r.is_empty())
}

/// Resources as the spec has them, with what the runtime really set where that differs enough to be shown.
fn resources(container: &Container, instance: &ObservedContainer, running: bool) -> ResourceRequirements {
    let mut shown = container.resources.clone().unwrap_or_default();
    for amount in [&mut shown.limits, &mut shown.requests].into_iter().flatten().flat_map(BTreeMap::values_mut) {
        amount.0 = Quantity::shown(&amount.0);
    }
    let actual = instance.resources.as_ref().and_then(|r| r.linux.as_ref()).filter(|_| running);
    let Some(actual) = actual else { return shown };
    let cpu_limit =
        (actual.cpu_period > 0).then(|| actual.cpu_quota.saturating_mul(1000) / actual.cpu_period).filter(|m| *m > 0);
    let cpu_request = (actual.cpu_shares >= 2).then(|| (actual.cpu_shares.saturating_mul(1000) + 1023) / 1024);
    let memory = (actual.memory_limit_in_bytes > 0).then_some(actual.memory_limit_in_bytes);
    let milli = |list: &BTreeMap<String, ApiQuantity>| list.get("cpu").map_or(0, |q| Quantity::of(q).milli_value());
    if let Some(limits) = &mut shown.limits {
        if let Some(cpu) = cpu_limit.filter(|cpu| *cpu > 10 || milli(limits) > 10) {
            limits.insert("cpu".to_owned(), Quantity::from_milli(cpu).to_api());
        }
        if let Some(memory) = memory {
            limits.insert("memory".to_owned(), Quantity::from_bytes(memory).to_api());
        }
    }
    if let Some(requests) = &mut shown.requests
        && let Some(cpu) = cpu_request.filter(|cpu| *cpu > 2 || milli(requests) > 2)
    {
        requests.insert("cpu".to_owned(), Quantity::from_milli(cpu).to_api());
    }
    shown
}

/// The last failure to start, where the container should be started again.
fn overlay(
    pod: &Pod,
    container: &Container,
    newest: Option<&ObservedContainer>,
    init: bool,
    why: &dyn Fn(&str) -> Option<StartFailure>,
    status: &mut ContainerStatus,
) {
    if !should_restart(pod, container, newest) {
        return;
    }
    let ended_well = newest.is_some_and(|n| n.state == observed::ContainerState::Exited && n.exit_code == 0);
    if init && ended_well && !api_pod::is_restartable_init(container) {
        return;
    }
    let Some(failure) = why(&container.name) else { return };
    if status.state.as_ref().is_some_and(|s| s.terminated.is_some()) {
        status.last_state = status.state.take();
    }
    status.state = Some(waiting_state(&failure.reason, &failure.message));
}

/// Plain init containers that the runtime has lost after the pod had got past them.
fn lost_init(pod: &Pod, observed: &ObservedPod, all: &mut [ContainerStatus]) {
    let past = api_pod::app_containers(pod).any(|c| observed.container(&c.container.name).is_some());
    if !past {
        return;
    }
    for (container, status) in api_pod::init_containers(pod).zip(all) {
        let lost = observed.container(&container.container.name).is_none();
        let waits = status.state.as_ref().is_some_and(|s| s.waiting.is_some());
        if lost && waits && !api_pod::is_restartable_init(container.container) {
            status.state = Some(ContainerState {
                terminated: Some(ContainerStateTerminated {
                    exit_code: 0,
                    reason: Some("Completed".to_owned()),
                    message: Some(INIT_LOST.to_owned()),
                    ..ContainerStateTerminated::default()
                }),
                ..ContainerState::default()
            });
        }
    }
}
