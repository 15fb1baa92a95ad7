//! What is shown of each pod, with what only history knows: start time, transition times, phases that never go back. One writer a pod.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodCondition, PodStatus};
use world::WallClock;

use crate::{
    api::pod as api_pod,
    observer::Observer,
    runtime::{
        observed::ContainerId,
        plan::restart::{exit_restarts, has_restart_all_rule},
    },
    status::{
        conditions, containers,
        resizes::{self, Resizes},
    },
};

/// Bytes of termination messages over all containers of a pod.
const MESSAGE_BYTES: usize = 12 * 1024;

/// The statuses shown, by pod UID.
pub struct StatusManager {
    clock: WallClock,
    observer: Arc<dyn Observer>,
    shown: Mutex<BTreeMap<String, PodStatus>>,
    resizes: Resizes,
}

impl std::fmt::Debug for StatusManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatusManager({})", self.lock().len())
    }
}

impl StatusManager {
    /// No statuses yet; `observer` is told of each change.
    pub fn new(clock: WallClock, observer: Arc<dyn Observer>) -> Self {
        Self { clock, observer, shown: Mutex::default(), resizes: Resizes::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PodStatus>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far resizes have come.
    pub fn resizes(&self) -> &Resizes {
        &self.resizes
    }

    /// What is shown of a pod.
    pub fn get(&self, uid: &str) -> Option<PodStatus> {
        self.lock().get(uid).cloned()
    }

    /// The pod with the status that is shown of it.
    pub fn overlay(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        match self.get(api_pod::uid(pod)) {
            Some(status) => Arc::new(Pod { status: Some(status), ..(**pod).clone() }),
            None => pod.clone(),
        }
    }

    /// Shows a newly computed status. `false` if it says what was shown already, or would bring back what has ended for good.
    pub fn set(&self, pod: &Arc<Pod>, mut new: PodStatus) -> bool {
        let now = self.clock.now();
        let uid = api_pod::uid(pod).to_owned();
        {
            let mut shown = self.lock();
            let source = pod.status.clone().unwrap_or_default();
            let old = shown.get(&uid);
            let before = old.unwrap_or(&source);
            if let Some(name) = revived(pod, before, &new) {
                tracing::error!(
                    pod = api_pod::name(pod),
                    "terminated container {name} attempted illegal transition to non-terminated state"
                );
                return false;
            }
            transition(before, &mut new, now);
            if new.start_time.is_none() {
                new.start_time = before.start_time.clone().or_else(|| Some(containers::seconds(now)));
            }
            shorten(&mut new);
            if old == Some(&new) {
                return false;
            }
            shown.insert(uid, new);
        }
        self.observer.pod_status(&self.overlay(pod));
        true
    }

    /// A pod that is refused: Failed with a reason, and nothing of its containers.
    pub fn reject(&self, pod: &Arc<Pod>, reason: &str, message: &str) {
        let status = PodStatus {
            phase: Some("Failed".to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(format!("Pod was rejected: {message}")),
            qos_class: Some(crate::api::qos::class(pod).as_str().to_owned()),
            observed_generation: pod.metadata.generation.filter(|g| *g != 0),
            ..PodStatus::default()
        };
        self.set(pod, status);
    }

    /// A pod that makes way for another: Failed from now on, with a condition that says who ended it.
    pub fn preempt(&self, pod: &Arc<Pod>, reason: &str, message: &str) {
        let mut status = self.get(api_pod::uid(pod)).or_else(|| pod.status.clone()).unwrap_or_default();
        status.phase = Some("Failed".to_owned());
        status.reason = Some(reason.to_owned());
        status.message = Some(message.to_owned());
        let list = status.conditions.get_or_insert_default();
        list.retain(|condition| condition.type_ != conditions::DISRUPTION_TARGET);
        list.push(conditions::disruption_target(pod));
        self.set(pod, status);
    }

    /// A readiness probe has a new result.
    pub fn set_ready(&self, pod: &Arc<Pod>, id: &ContainerId, ready: bool) {
        self.amend(pod, |status| {
            let id = id.to_string();
            let lists = [&mut status.container_statuses, &mut status.init_container_statuses];
            let found = lists.into_iter().flatten().flatten().find(|s| s.container_id.as_deref() == Some(&id));
            let Some(found) = found.filter(|s| s.ready != ready) else { return false };
            found.ready = ready;
            let none = Vec::new();
            let init = status.init_container_statuses.as_ref().unwrap_or(&none);
            let regular = status.container_statuses.as_ref().unwrap_or(&none);
            let phase = status.phase.clone().unwrap_or_default();
            let containers_ready = conditions::containers_ready(pod, init, regular, &phase);
            let mut list = status.conditions.clone().unwrap_or_default();
            let pod_ready = conditions::ready(pod, &containers_ready, &list);
            for new in [pod_ready, containers_ready] {
                match list.iter_mut().find(|c| c.type_ == new.type_) {
                    Some(held) => *held = new,
                    None => list.push(new),
                }
            }
            status.conditions = Some(list);
            true
        });
    }

    /// A startup probe has a new result.
    pub fn set_started(&self, pod: &Arc<Pod>, id: &ContainerId, started: bool) {
        self.amend(pod, |status| {
            let id = id.to_string();
            let lists = [&mut status.container_statuses, &mut status.init_container_statuses];
            let found = lists.into_iter().flatten().flatten().find(|s| s.container_id.as_deref() == Some(&id));
            match found.filter(|s| s.started != Some(started)) {
                Some(found) => {
                    found.started = Some(started);
                    true
                }
                None => false,
            }
        });
    }

    /// The pod has a new sandbox: containers can be made in it. As upstream, its addresses show at the next sync.
    pub fn set_sandbox_ready(&self, pod: &Arc<Pod>) {
        self.amend(pod, |status| {
            let ready = conditions::ready_to_start(pod, true);
            let list = status.conditions.get_or_insert_default();
            match list.iter_mut().find(|c| c.type_ == ready.type_) {
                Some(held) if held.status == ready.status => return false,
                Some(held) => *held = ready,
                None => list.insert(0, ready),
            }
            true
        });
    }

    fn amend(&self, pod: &Arc<Pod>, change: impl FnOnce(&mut PodStatus) -> bool) {
        let Some(mut status) = self.get(api_pod::uid(pod)) else { return };
        if change(&mut status) {
            self.set(pod, status);
        }
    }

    /// The pod has terminated: containers of which nothing is known have ended too.
    pub fn terminate(&self, pod: &Arc<Pod>) {
        let Some(mut status) = self.get(api_pod::uid(pod)) else { return };
        let had_initialised = api_pod::init_containers(pod).next().is_none();
        let ended = |s: &ContainerStatus| s.state.as_ref().is_some_and(|s| s.terminated.is_some());
        let end = |s: &mut ContainerStatus| {
            s.state =
                Some(ContainerState { terminated: Some(containers::gone_with_pod()), ..ContainerState::default() });
        };
        if had_initialised {
            status.container_statuses.iter_mut().flatten().filter(|s| !ended(s)).for_each(end);
        }
        let mut before_started = false;
        for (i, init) in
            status.init_container_statuses.iter_mut().flatten().enumerate().collect::<Vec<_>>().into_iter().rev()
        {
            let waits = init.state.as_ref().is_some_and(|s| s.waiting.is_some())
                && init.last_state.as_ref().is_none_or(|s| s.terminated.is_none());
            before_started |= !waits || i == 0;
            if before_started && !ended(init) {
                end(init);
            }
        }
        self.set(pod, status);
    }

    /// Forgets a pod.
    pub fn remove(&self, uid: &str) {
        self.lock().remove(uid);
        self.resizes.forget(uid);
    }

    /// Forgets every pod but those that `keep` holds on to.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| keep(uid));
        self.resizes.retain(keep);
    }
}

/// The name of a container that had ended for good and would now live again.
fn revived(pod: &Pod, old: &PodStatus, new: &PodStatus) -> Option<String> {
    let policy = api_pod::restart_policy(pod);
    if policy == api_pod::RestartPolicy::Always || has_restart_all_rule(api_pod::spec(pod)) {
        return None;
    }
    let spec = api_pod::spec(pod);
    let ended = |s: &ContainerStatus| s.state.as_ref().and_then(|s| s.terminated.clone());
    let pairs = [
        (&old.container_statuses, &new.container_statuses, Some(&spec.containers)),
        (&old.init_container_statuses, &new.init_container_statuses, spec.init_containers.as_ref()),
    ];
    for (old, new, specs) in pairs {
        for before in old.iter().flatten() {
            let Some(was) = ended(before) else { continue };
            let Some(container) = specs.into_iter().flatten().find(|c| c.name == before.name) else { continue };
            // What failed may come back by its pod's policy, whatever its own: in a new sandbox it does.
            let may = was.exit_code != 0 && policy == api_pod::RestartPolicy::OnFailure;
            if may || api_pod::is_restartable_init(container) || exit_restarts(spec, container, was.exit_code) {
                continue;
            }
            let after = new.iter().flatten().find(|s| s.name == before.name);
            if after.is_some_and(|s| ended(s).is_none()) {
                return Some(before.name.clone());
            }
        }
    }
    None
}

/// Transition times: kept where the status of a condition stays, now where it changes.
fn transition(old: &PodStatus, new: &mut PodStatus, now: Timestamp) {
    // Conditions of resizes have times of their own.
    let own = |c: &&mut PodCondition| ![resizes::PENDING, resizes::IN_PROGRESS].contains(&c.type_.as_str());
    for condition in new.conditions.iter_mut().flatten().filter(own) {
        let before = old.conditions.iter().flatten().find(|c| c.type_ == condition.type_);
        let kept = before.filter(|c| c.status == condition.status).and_then(|c| c.last_transition_time.clone());
        condition.last_transition_time = kept.or_else(|| Some(containers::seconds(now)));
    }
}

/// Cuts termination messages to their share.
fn shorten(status: &mut PodStatus) {
    let count = [&status.container_statuses, &status.init_container_statuses]
        .into_iter()
        .flatten()
        .map(Vec::len)
        .sum::<usize>();
    let share = MESSAGE_BYTES / count.max(1);
    let lists = [&mut status.container_statuses, &mut status.init_container_statuses];
    for container in lists.into_iter().flatten().flatten() {
        for state in [&mut container.state, &mut container.last_state].into_iter().flatten() {
            if let Some(message) = state.terminated.as_mut().and_then(|t| t.message.as_mut())
                && message.len() > share
            {
                let end = (0..=share).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
                message.truncate(end);
            }
        }
    }
}
