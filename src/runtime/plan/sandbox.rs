//! Whether the pod needs a new sandbox. Pure. As upstream's PodSandboxChanged.

use k8s_openapi::api::core::v1::Pod;

use crate::runtime::observed::ObservedPod;

/// What is to be done about the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxDecision {
    /// Make a new one.
    pub create: bool,
    /// Attempt of the one to make, or of the one in use.
    pub attempt: u32,
    /// The one in use, or the one that is replaced and told about in an event.
    pub id: Option<String>,
}

/// Decides.
pub fn sandbox_decision(pod: &Pod, observed: &ObservedPod) -> SandboxDecision {
    let Some(newest) = observed.sandbox() else { return SandboxDecision { create: true, attempt: 0, id: None } };
    let replace = |id: Option<String>| SandboxDecision { create: true, attempt: newest.attempt.saturating_add(1), id };
    let host_network = pod.spec.as_ref().and_then(|s| s.host_network).unwrap_or(false);
    if observed.sandboxes.iter().filter(|s| s.ready).count() > 1 || !newest.ready {
        return replace(Some(newest.id.clone()));
    }
    if newest.host_network != host_network {
        return replace(None);
    }
    let without_address = newest.ips.as_ref().is_some_and(|ips| ips.first().is_none_or(String::is_empty));
    if !host_network && without_address {
        return replace(Some(newest.id.clone()));
    }
    SandboxDecision { create: false, attempt: newest.attempt, id: Some(newest.id.clone()) }
}
