//! Whether a pod may run on this node, by what the node is and what else runs there. Pure. As kubelet 1.36 for static pods, which count
//! as critical: a lack of resources is told as a failed preemption. Not create validation, which comes before.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;

use crate::{
    api::pod::{self, spec},
    node::Allocatable,
    resources::huge_pages,
};

mod affinity;
mod apparmor;
mod neighbours;
pub mod preemption;
mod sysctls;

pub use neighbours::{Neighbours, wants_ports};

/// What admission knows of the node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels, the standard ones included.
    pub labels: BTreeMap<String, String>,
    /// What pods may use.
    pub allocatable: Allocatable,
    /// Whether its kernel enforces AppArmor profiles.
    pub apparmor: bool,
    /// Whether the runtime honours `supplementalGroupsPolicy: Strict`.
    pub supplemental_groups_policy: bool,
    /// `allowedUnsafeSysctls`: names, or prefixes that end in `*`.
    pub allowed_sysctls: Vec<String>,
}

impl Node {
    /// The labels every node has, with `extra` from `--node-labels` on top.
    pub fn standard_labels(
        name: &str,
        architecture: &str,
        extra: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let standard = [
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", architecture),
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", architecture),
        ];
        let standard = standard.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        standard.chain(extra.clone()).collect()
    }
}

/// Why a pod may not run: reason and message of its status and event. The status message has `Pod was rejected: ` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// In one word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Rejection {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Checks in upstream's order. `others` are the pods that are to run or still run, this one left out. Gives those of them that have to
/// end first, to make room.
///
/// # Errors
/// The first reason against the pod.
pub fn admit(pod: &Pod, others: &Neighbours, node: &Node) -> Result<Vec<Arc<Pod>>, Rejection> {
    anywhere(pod, &node.allowed_sysctls)?;
    let strict = spec(pod).security_context.as_ref().and_then(|context| context.supplemental_groups_policy.as_deref());
    if strict == Some("Strict") && !node.supplemental_groups_policy {
        return Err(Rejection::new(
            "SupplementalGroupsPolicyNotSupported",
            "SupplementalGroupsPolicy=Strict is not supported in this node",
        ));
    }
    let predicate =
        |reason: &'static str, what: &str| Err(Rejection::new(reason, format!("Predicate {reason} failed: {what}")));
    if !affinity::matches(spec(pod), node) {
        return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    if spec(pod).node_name.as_deref().is_some_and(|name| !name.is_empty() && name != node.name) {
        return predicate("NodeName", "node(s) didn't match the requested node name");
    }
    if others.conflict(pod) {
        return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    }
    let missing = missing_resources(pod, others, &node.allocatable);
    let missing = match preemption::victims(pod, others, &missing) {
        Ok(victims) => {
            let confined = apparmor::check(pod, node.apparmor);
            return confined.map(|()| victims).map_err(|message| Rejection::new("AppArmor", message));
        }
        Err(missing) => missing,
    };
    let list: String = missing.iter().map(|(name, amount)| format!("(res: {name}, q: {amount}), ")).collect();
    Err(Rejection::new(
        "UnexpectedAdmissionError",
        format!(
            "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no \
             set of running pods found to reclaim resources: [{list}]"
        ),
    ))
}

/// The checks that no Linux node passes or fails by what it is: sysctls, with those allowed on top of the safe ones, and the
/// operating system.
///
/// # Errors
/// The first reason against the pod.
pub fn anywhere(pod: &Pod, allowed_sysctls: &[String]) -> Result<(), Rejection> {
    sysctls::check(pod, allowed_sysctls).map_err(|message| Rejection::new("SysctlForbidden", message))?;
    if pod::labels(pod).get("kubernetes.io/os").is_some_and(|os| os != "linux") {
        return Err(Rejection::new(
            "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        ));
    }
    if spec(pod).os.as_ref().is_some_and(|os| os.name != "linux") {
        return Err(Rejection::new("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"));
    }
    Ok(())
}

/// Wherever it stands in a resource's name, that is no extended one.
const OWN_NAMES: &str = "kubernetes.io/";

/// What of the node is not enough, and by how much: pods, milli-processors, bytes of memory, of disk, of huge pages. Extended resources that
/// the node does not have are ignored, as a static pod's always are; of huge pages and of Kubernetes' own names there are none then.
fn missing_resources(pod: &Pod, others: &Neighbours, allocatable: &Allocatable) -> Vec<preemption::Missing> {
    let requests = neighbours::requests(pod);
    let mut missing = Vec::new();
    let mut compare = |name: String, asked: i64, used: i64, of: i64| {
        let lack = asked.saturating_sub(of.saturating_sub(used));
        if asked > 0 && lack > 0 {
            missing.push((name, lack));
        }
    };
    compare("pods".to_owned(), 1, others.count(), allocatable.pods);
    let known = [
        ("cpu", Some(allocatable.milli_cpu)),
        ("memory", Some(allocatable.memory)),
        ("ephemeral-storage", allocatable.ephemeral_storage),
    ];
    let known = known.into_iter().filter_map(|(name, of)| Some((name.to_owned(), of?)));
    let pages = allocatable.huge_pages.iter().map(|(&kib, &bytes)| (huge_pages::resource(kib), bytes));
    let known: Vec<(String, i64)> = known.chain(pages).collect();
    let absent = requests.keys().filter(|name| name.starts_with(huge_pages::PREFIX) || name.contains(OWN_NAMES));
    let absent: Vec<_> =
        absent.filter(|name| known.iter().all(|(other, _)| other != *name)).map(|name| (name.clone(), 0)).collect();
    for (name, of) in known.into_iter().chain(absent) {
        let asked = requests.get(&name).copied().unwrap_or_default();
        let used = others.requested(&name);
        compare(name, asked, used, of);
    }
    missing
}

#[cfg(test)]
mod tests;
