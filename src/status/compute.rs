//! A pod's status from all that bears on it, in upstream's order. Pure: the time and what was shown before are parameters.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodCondition, PodIP, PodStatus, ResourceRequirements};

use crate::{
    api::{
        pod as api_pod, qos,
        totals::{self, Amounts, Side},
    },
    runtime::{observed::ObservedPod, plan::sandbox_decision},
    status::{ReasonCache, conditions, containers, phase},
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
    let regular = containers::statuses(pod, &spec.containers, observed, old_regular, false, &why);
    let init_specs = spec.init_containers.as_ref().map_or(&[][..], Vec::as_slice);
    let init = containers::statuses(pod, init_specs, observed, old_init, true, &why);

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
    let ips = pod_ips(&observed.ips, old);
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
const OWN: [&str; 6] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", "AllContainersRestarting"];

fn conditions_of(inputs: &Inputs<'_>, shown: &PodStatus, phase: &str) -> Vec<PodCondition> {
    let pod = inputs.pod;
    let regular = shown.container_statuses.as_deref().unwrap_or_default();
    let init = shown.init_container_statuses.as_deref().unwrap_or_default();
    let old = inputs.old.conditions.iter().flatten();
    let mut list: Vec<_> = old.clone().filter(|c| !OWN.contains(&c.type_.as_str())).cloned().collect();
    list.push(conditions::ready_to_start(pod, !sandbox_decision(pod, inputs.observed).create));
    let was = old.clone().any(|c| c.type_ == "Initialized" && c.status == "True");
    list.push(conditions::initialized(pod, init, regular, phase, was && inputs.old.start_time.is_some()));
    let containers_ready = conditions::containers_ready(pod, init, regular, phase);
    list.push(conditions::ready(pod, &containers_ready, &list));
    list.push(containers_ready);
    list.push(conditions::scheduled(pod));
    list
}

/// The pod's addresses: one of each family, IPv4 first, in canonical form; those shown before when there are none now.
fn pod_ips(observed: &[String], old: &PodStatus) -> Vec<String> {
    let parsed: Vec<IpAddr> = observed.iter().filter_map(|ip| ip.parse().ok()).collect();
    let first = |v6: bool| parsed.iter().find(|ip| ip.is_ipv6() == v6).map(ToString::to_string);
    let found: Vec<String> = [first(false), first(true)].into_iter().flatten().collect();
    if found.is_empty() { old.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect() } else { found }
}
