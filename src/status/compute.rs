//! A pod's status from all that bears on it, in upstream's order. Pure: the time and what was shown before are parameters.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodIP, PodStatus, ResourceRequirements};

use crate::{
    api::{
        pod as api_pod, qos,
        totals::{self, Amounts, Side},
    },
    runtime::{
        observed::ObservedPod,
        plan::{
            restart::{has_restart_all_rule, restart_all},
            sandbox_decision,
        },
    },
    status::{ReasonCache, conditions, containers, phase, resizes},
};

/// What probes mean for a status: `started` and `ready` of its containers.
pub trait Probes: Send + Sync {
    /// Fills them in.
    fn update_pod_status(&self, pod: &Pod, status: &mut PodStatus);
}

/// Everything a status is computed from.
pub struct Inputs<'a> {
    /// What the manifest wants.
    pub pod: &'a Pod,
    /// What the runtime says.
    pub observed: &'a ObservedPod,
    /// What was shown before; the manifest's own status at first.
    pub old: &'a PodStatus,
    /// Why containers did not start.
    pub reasons: &'a ReasonCache,
    /// What probes say.
    pub probes: &'a dyn Probes,
    /// Now.
    pub now: Timestamp,
    /// The feature gate `PodReadyToStartContainersCondition`.
    pub ready_to_start: bool,
    /// Whether the pod's IPv6 address comes first.
    pub ipv6_first: bool,
    /// How far a resize has come.
    pub resizes: Vec<PodCondition>,
}

/// Reason of a pod that was active for too long.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// Message of a pod that was active for too long.
pub const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// Whether the pod has been active for longer than it may.
pub fn past_deadline(pod: &Pod, status: &PodStatus, now: Timestamp) -> bool {
    let Some(limit) = api_pod::spec(pod).active_deadline_seconds else { return false };
    let Some(start) = &status.start_time else { return false };
    now.duration_since(start.0) >= SignedDuration::from_secs(limit)
}

/// The status, without transition times, start time and truncation: those are the manager's.
pub fn status(inputs: &Inputs<'_>) -> PodStatus {
    let Inputs { pod, observed, old, .. } = *inputs;
    let uid = api_pod::uid(pod);
    let why = |name: &str| inputs.reasons.get(uid, name);
    let spec = api_pod::spec(pod);
    let none = Vec::new();
    let old_regular = old.container_statuses.as_ref().unwrap_or(&none);
    let old_init = old.init_container_statuses.as_ref().unwrap_or(&none);
    let restarting = all_restarting(pod, observed, old);
    let look = containers::Look { pod, observed, restarting, why: &why };
    let regular = containers::statuses(&look, &spec.containers, old_regular, false);
    let init_specs = spec.init_containers.as_ref().map_or(&[][..], Vec::as_slice);
    let init = containers::statuses(&look, init_specs, old_init, true);

    let sandbox = observed.sandbox().map(|s| s.id.as_str()).unwrap_or_default();
    let in_sandbox = observed
        .containers
        .iter()
        .any(|c| c.sandbox_id == sandbox && spec.containers.iter().any(|want| want.name == c.name));
    let mut new_phase = phase::phase(pod, &init, &regular, in_sandbox).to_owned();
    let old_phase = old.phase.clone().unwrap_or_default();
    let terminal = |p: &str| matches!(p, "Succeeded" | "Failed");
    if !terminal(&new_phase) && terminal(&old_phase) {
        new_phase.clone_from(&old_phase);
    }
    let (mut reason, mut message) =
        if new_phase == old_phase { (old.reason.clone(), old.message.clone()) } else { (None, None) };
    if past_deadline(pod, old, inputs.now) {
        new_phase = "Failed".to_owned();
        reason = Some(DEADLINE_EXCEEDED.to_owned());
        message = Some(DEADLINE_MESSAGE.to_owned());
    }
    let mut shown = PodStatus {
        phase: Some(new_phase.clone()),
        container_statuses: Some(regular),
        init_container_statuses: (!init.is_empty()).then_some(init),
        ..PodStatus::default()
    };
    inputs.probes.update_pod_status(pod, &mut shown);
    let list = conditions_of(inputs, &shown, &new_phase);
    let ips = pod_ips(&observed.ips, old, inputs.ipv6_first);
    PodStatus {
        reason,
        message,
        conditions: Some(list),
        pod_ip: ips.first().cloned(),
        pod_ips: (!ips.is_empty()).then(|| ips.into_iter().map(|ip| PodIP { ip }).collect()),
        qos_class: Some(qos::class(pod).as_str().to_owned()),
        observed_generation: pod.metadata.generation.filter(|g| *g != 0),
        allocated_resources: some(totals::of_pod(pod, Side::Requests)),
        resources: Some(ResourceRequirements {
            requests: some(totals::of_pod(pod, Side::Requests)),
            limits: some(totals::of_pod(pod, Side::Limits)),
            claims: None,
        }),
        start_time: old.start_time.clone(),
        ..shown
    }
}

fn some(
    amounts: Amounts,
) -> Option<std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>> {
    (!amounts.is_empty()).then(|| amounts.into_iter().map(|(name, amount)| (name, amount.to_api())).collect())
}

/// Conditions that the kubelet makes itself.
const OWN: [&str; 8] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "AllContainersRestarting",
    resizes::PENDING,
    resizes::IN_PROGRESS,
];

fn conditions_of(inputs: &Inputs<'_>, shown: &PodStatus, phase: &str) -> Vec<PodCondition> {
    let pod = inputs.pod;
    let regular = shown.container_statuses.as_deref().unwrap_or_default();
    let init = shown.init_container_statuses.as_deref().unwrap_or_default();
    let old = inputs.old.conditions.iter().flatten();
    let mut list: Vec<_> = old.clone().filter(|c| !OWN.contains(&c.type_.as_str())).cloned().collect();
    if !matches!(phase, "Succeeded" | "Failed") {
        list.extend(inputs.resizes.iter().cloned());
    }
    if inputs.ready_to_start {
        list.push(conditions::ready_to_start(pod, !sandbox_decision(pod, inputs.observed).create));
    }
    let was = old.clone().any(|c| c.type_ == "Initialized" && c.status == "True");
    list.push(conditions::initialized(pod, init, regular, phase, was && inputs.old.start_time.is_some()));
    let containers_ready = conditions::containers_ready(pod, init, regular, phase);
    list.push(conditions::ready(pod, &containers_ready, &list));
    list.push(containers_ready);
    list.push(conditions::scheduled(pod));
    if has_restart_all_rule(api_pod::spec(pod)) {
        list.push(conditions::all_restarting(phase, all_restarting(pod, inputs.observed, inputs.old)));
    }
    list
}

/// Whether an exit asked for a restart of all containers, and they are not all back.
fn all_restarting(pod: &Pod, observed: &ObservedPod, old: &PodStatus) -> bool {
    let spec = api_pod::spec(pod);
    if !has_restart_all_rule(spec) {
        return false;
    }
    let begun = old.conditions.iter().flatten().any(|c| c.type_ == conditions::ALL_RESTARTING && c.status == "True");
    let missing = api_pod::containers(pod).any(|c| observed.container(&c.container.name).is_none());
    !restart_all(pod, spec, observed).is_empty() || (begun && missing)
}

/// The pod's addresses: one of each family, the node's own first, in canonical form; those shown before when there are none now.
fn pod_ips(observed: &[String], old: &PodStatus, ipv6_first: bool) -> Vec<String> {
    let parsed: Vec<IpAddr> = observed.iter().filter_map(|ip| ip.parse().ok()).collect();
    let first = |v6: bool| parsed.iter().find(|ip| ip.is_ipv6() == v6).map(ToString::to_string);
    let found: Vec<String> = [first(ipv6_first), first(!ipv6_first)].into_iter().flatten().collect();
    if found.is_empty() { old.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::observed::{ContainerId, ContainerState, ObservedContainer, ObservedSandbox};

    struct NoProbes;

    impl Probes for NoProbes {
        fn update_pod_status(&self, _: &Pod, _: &mut PodStatus) {}
    }

    fn ended(name: &str, code: i32) -> ObservedContainer {
        ObservedContainer {
            id: ContainerId { runtime: "fake".to_owned(), id: name.to_owned() },
            sandbox_id: "s".to_owned(),
            name: name.to_owned(),
            state: ContainerState::Exited,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            exit_code: code,
            reason: "Error".to_owned(),
            message: String::new(),
            image: "busybox".to_owned(),
            image_ref: String::new(),
            image_id: String::new(),
            hash: String::new(),
            restart_count: 0,
            log_path: String::new(),
            resources: None,
            user: None,
            mounts: Vec::new(),
            stop_signal: 0,
        }
    }

    #[test]
    fn addresses_of_the_nodes_family_come_first() {
        let observed = ["10.0.0.1", "2001:0db8::0001", "10.0.0.2"].map(str::to_owned);
        let old = PodStatus::default();
        assert_eq!(pod_ips(&observed, &old, false), ["10.0.0.1", "2001:db8::1"]);
        assert_eq!(pod_ips(&observed, &old, true), ["2001:db8::1", "10.0.0.1"]);
    }

    /// A rule that restarts all: told from the exit on, shown while containers are missing, over when all are back.
    #[test]
    fn a_restart_of_all_containers_is_told() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {"restartPolicy": "Never", "containers": [
            {"name": "a", "restartPolicy": "Never",
             "restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]},
            {"name": "b"}
        ]}}))
        .unwrap();
        let look = |observed: &ObservedPod, old: &PodStatus| {
            let (reasons, now) = (ReasonCache::default(), Timestamp::UNIX_EPOCH);
            let inputs = Inputs {
                pod: &pod,
                observed,
                old,
                reasons: &reasons,
                probes: &NoProbes,
                now,
                ready_to_start: true,
                ipv6_first: false,
                resizes: Vec::new(),
            };
            let status = status(&inputs);
            let condition = status.conditions.as_ref().unwrap().last().unwrap().clone();
            (format!("{} {} {:?}", condition.type_, condition.status, condition.reason), status)
        };
        let sandbox = ObservedSandbox {
            id: "s".to_owned(),
            attempt: 0,
            ready: true,
            created_at: Timestamp::UNIX_EPOCH,
            host_network: false,
            ips: Some(vec!["10.0.0.1".to_owned()]),
        };
        let mut observed = ObservedPod { sandboxes: vec![sandbox], ..ObservedPod::default() };
        observed.containers = vec![ended("a", 42), ended("b", 1)];
        let (told, begun) = look(&observed, &PodStatus::default());
        assert_eq!(told, "AllContainersRestarting True Some(\"RestartAllContainersStarted\")");
        observed.containers.clear();
        let (told, missing) = look(&observed, &begun);
        assert_eq!(told, "AllContainersRestarting True Some(\"RestartAllContainersStarted\")");
        let shown = &missing.container_statuses.as_ref().unwrap()[1];
        let waiting = shown.state.as_ref().unwrap().waiting.as_ref().unwrap();
        assert_eq!((waiting.reason.as_deref(), shown.restart_count), (Some("RestartingAllContainers"), 1));
        assert!(shown.container_id.is_some(), "one that had ended keeps its id");
        assert_eq!(missing.phase.as_deref(), Some("Running"), "it is not over, whatever the policy");
        let (_, again) = look(&observed, &missing);
        let again = &again.container_statuses.unwrap()[1];
        assert_eq!(again.restart_count, 1, "counted once");
        let waiting = again.state.as_ref().unwrap().waiting.as_ref().unwrap();
        assert_eq!(waiting.reason.as_deref(), Some("ContainerCreating"), "told once");
        observed.containers = vec![ended("a", 0), ended("b", 0)];
        assert_eq!(look(&observed, &missing).0, "AllContainersRestarting False Some(\"PodCompleted\")");
    }
}
