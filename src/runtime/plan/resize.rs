//! Which running containers are to get other amounts of processor time and memory, and which of them have to restart for it. Pure. As
//! kubelet 1.36's computePodResizeAction. A second look at a plan: what is killed or made anew gets its amounts that way.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};

use super::{Kill, KillReason, PodActions};
use crate::{
    resources::{
        allocation::effective,
        totals::{Side, of_container},
    },
    runtime::observed::{ContainerId, ContainerState, ObservedPod},
};

/// What a container may use: thousandths of a CPU and bytes. 0 is nothing said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Requested of a CPU.
    pub cpu_request: i64,
    /// Limit of a CPU.
    pub cpu_limit: i64,
    /// Requested of memory.
    pub memory_request: i64,
    /// Limit of memory.
    pub memory_limit: i64,
}

impl Amounts {
    /// Those of a container that has these.
    pub fn of(resources: &ResourceRequirements) -> Self {
        let container = Container { resources: Some(resources.clone()), ..Container::default() };
        let amount = |side, resource| of_container(&container, side, resource).unwrap_or(0);
        Self {
            cpu_request: amount(Side::Requests, "cpu"),
            cpu_limit: amount(Side::Limits, "cpu"),
            memory_request: amount(Side::Requests, "memory"),
            memory_limit: amount(Side::Limits, "memory"),
        }
    }
}

/// A running container that is told other amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its name.
    pub container: String,
    /// Which.
    pub id: ContainerId,
    /// What it has.
    pub from: Amounts,
    /// What it is to have.
    pub to: Amounts,
}

/// What is to be resized in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resize {
    /// Containers whose memory changes, what becomes less first.
    pub memory: Vec<Update>,
    /// Containers whose share of processors changes, what becomes less first.
    pub cpu: Vec<Update>,
    /// Some container restarts for it: the amounts of the whole pod change with it.
    pub restarts: bool,
    /// The pod as such has other amounts.
    pub pod: bool,
}

impl Resize {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What containers, and the pod as such, were made with or told last.
pub trait Actual {
    /// A container's.
    fn of_container(&self, name: &str) -> ResourceRequirements;
    /// The pod's own.
    fn of_pod(&self) -> ResourceRequirements;
}

/// Adds to a plan what follows from amounts that were granted and that containers do not have yet.
pub fn add(pod: &Pod, observed: &ObservedPod, actual: &dyn Actual, actions: &mut PodActions) {
    let Some(spec) = &pod.spec else { return };
    if actions.kill_pod || actions.create_sandbox || !actions.restart_all.is_empty() {
        return;
    }
    let of_pod = spec.resources.as_ref().map(Amounts::of).unwrap_or_default();
    actions.resize.pod = of_pod != Amounts::of(&actual.of_pod());
    for (index, container, init) in containers(spec) {
        let Some(running) = observed.container(&container.name).filter(|c| c.state == ContainerState::Running) else {
            continue;
        };
        if actions.to_kill.iter().any(|kill| kill.id == running.id) {
            continue;
        }
        let (from, to) = (Amounts::of(&actual.of_container(&container.name)), Amounts::of(&effective(pod, container)));
        let memory = to.memory_limit != from.memory_limit || to.memory_request != from.memory_request;
        let cpu = to.cpu_limit != from.cpu_limit || to.cpu_request != from.cpu_request;
        if (memory && restarts(container, "memory")) || (cpu && restarts(container, "cpu")) {
            let message = format!("Container {} resize requires restart", container.name);
            let (id, name) = (running.id.clone(), container.name.clone());
            actions.to_kill.push(Kill { id, name, message, reason: KillReason::Other });
            let starts = if init { &mut actions.init_to_start } else { &mut actions.to_start };
            if let Err(place) = starts.binary_search(&index) {
                starts.insert(place, index);
            }
            actions.resize.restarts = true;
            continue;
        }
        let mut mark = |list: fn(&mut Resize) -> &mut Vec<Update>, more: bool| {
            let update = Update { container: container.name.clone(), id: running.id.clone(), from, to };
            let list = list(&mut actions.resize);
            list.insert(if more { list.len() } else { 0 }, update);
        };
        let grows = |from: (i64, i64), to: (i64, i64)| if to.0 == from.0 { to.1 > from.1 } else { to.0 > from.0 };
        if memory {
            let more = grows((from.memory_limit, from.memory_request), (to.memory_limit, to.memory_request));
            mark(|resize| &mut resize.memory, more);
        }
        if cpu {
            let more = grows((from.cpu_limit, from.cpu_request), (to.cpu_limit, to.cpu_request));
            mark(|resize| &mut resize.cpu, more);
        }
    }
}

/// In upstream's order: init containers from the last to the first, then the regular ones.
fn containers(spec: &PodSpec) -> impl Iterator<Item = (usize, &Container, bool)> {
    let inits = spec.init_containers.as_deref().unwrap_or_default().iter().enumerate().rev();
    let regular = spec.containers.iter().enumerate();
    inits.map(|(index, container)| (index, container, true)).chain(regular.map(|(index, c)| (index, c, false)))
}

/// Whether the container's policy is to restart for a change of that resource.
fn restarts(container: &Container, resource: &str) -> bool {
    let policy = container.resize_policy.iter().flatten().find(|policy| policy.resource_name == resource);
    policy.is_some_and(|policy| policy.restart_policy == "RestartContainer")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::plan::tests::container;

    struct Have(BTreeMap<String, ResourceRequirements>);

    impl Actual for Have {
        fn of_container(&self, name: &str) -> ResourceRequirements {
            self.0[name].clone()
        }

        fn of_pod(&self) -> ResourceRequirements {
            ResourceRequirements::default()
        }
    }

    fn amounts(value: &Value) -> ResourceRequirements {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// The plan of a pod whose containers want `wants` and have `have`.
    fn plan(policy: &Value, all: &[(&str, Value, Value)]) -> PodActions {
        let containers: Vec<Value> = all
            .iter()
            .map(|(name, wants, _)| json!({"name": name, "resources": wants, "resizePolicy": policy}))
            .collect();
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap();
        let containers = all.iter().map(|(name, ..)| container(name, "running")).collect();
        let observed = ObservedPod { containers, ..ObservedPod::default() };
        let have = Have(all.iter().map(|(name, _, have)| ((*name).to_owned(), amounts(have))).collect());
        let mut actions = PodActions::default();
        add(&pod, &observed, &have, &mut actions);
        actions
    }

    fn names(list: &[Update]) -> Vec<&str> {
        list.iter().map(|update| update.container.as_str()).collect()
    }

    #[test]
    fn nothing_follows_from_the_same_amounts_in_other_words() {
        let same = [(
            "a",
            json!({"limits": {"cpu": "1", "memory": "1Gi"}}),
            json!({"limits": {"cpu": "1000m", "memory": "1024Mi"}}),
        )];
        assert!(plan(&json!([]), &same).is_empty());
        let zero = [("a", json!({}), json!({"limits": {"cpu": "0", "memory": "0"}, "requests": {"cpu": "0"}}))];
        assert!(plan(&json!([]), &zero).is_empty(), "nothing said and nothing given");
    }

    #[test]
    fn what_becomes_less_comes_first() {
        let limit = |cpu: &str, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}});
        let all = [
            ("more", limit("2", "64Mi"), limit("1", "64Mi")),
            ("less", limit("1", "32Mi"), limit("2", "64Mi")),
            ("even-less", limit("1", "64Mi"), limit("3", "64Mi")),
        ];
        let actions = plan(&json!([]), &all);
        assert_eq!(names(&actions.resize.cpu), ["even-less", "less", "more"]);
        assert_eq!(names(&actions.resize.memory), ["less"]);
        assert!(actions.to_kill.is_empty() && !actions.resize.restarts);
    }

    #[rstest]
    #[case::cpu("cpu", json!({"requests": {"cpu": "2", "memory": "1"}}), true)]
    #[case::memory("memory", json!({"requests": {"cpu": "2", "memory": "1"}}), false)]
    #[case::both("memory", json!({"requests": {"cpu": "2", "memory": "2"}}), true)]
    fn a_policy_may_want_a_restart(#[case] resource: &str, #[case] wants: Value, #[case] restart: bool) {
        let policy = json!([{"resourceName": resource, "restartPolicy": "RestartContainer"}]);
        let actions = plan(&policy, &[("a", wants, json!({"requests": {"cpu": "1", "memory": "1"}}))]);
        assert_eq!(actions.resize.restarts, restart);
        assert_eq!(actions.to_start.len(), usize::from(restart));
        assert_eq!(actions.resize.cpu.is_empty(), restart, "one or the other");
        let said = actions.to_kill.first().map(|kill| kill.message.as_str());
        assert_eq!(said, restart.then_some("Container a resize requires restart"));
    }
}
