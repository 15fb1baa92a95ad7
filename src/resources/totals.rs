//! What a whole pod asks for and may use: sums over its containers, as upstream's component helpers reckon. Pure.
//!
//! Requests and limits alike: the larger of (regular containers + sidecars) and, for each ordinary init container, its own plus those of
//! the sidecars declared before it. Pod-level values win. Overhead is not part of it.

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::resources::amounts::{milli, value};

/// Which side of the requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is asked for.
    Requests,
    /// What is allowed.
    Limits,
}

/// The quantity that `requirements` names for `resource`.
pub fn quantity<'a>(
    requirements: Option<&'a ResourceRequirements>,
    side: Side,
    resource: &str,
) -> Option<&'a Quantity> {
    let requirements = requirements?;
    let list = match side {
        Side::Requests => &requirements.requests,
        Side::Limits => &requirements.limits,
    };
    list.as_ref()?.get(resource)
}

/// A container's amount: thousandths for `cpu`, units (bytes) for all else; `None` if it does not say.
pub fn of_container(container: &Container, side: Side, resource: &str) -> Option<i64> {
    quantity(container.resources.as_ref(), side, resource).map(|q| amount(q, resource))
}

/// A pod-level amount (`spec.resources`).
pub fn of_pod_level(pod: &Pod, side: Side, resource: &str) -> Option<i64> {
    quantity(pod.spec.as_ref()?.resources.as_ref(), side, resource).map(|q| amount(q, resource))
}

fn amount(quantity: &Quantity, resource: &str) -> i64 {
    if resource == "cpu" { milli(quantity) } else { value(quantity) }
}

/// Whether an init container runs beside the others: `restartPolicy: Always`.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The pod's amount of `resource`; `None` if nobody in it says anything.
pub fn of_pod(pod: &Pod, side: Side, resource: &str) -> Option<i64> {
    if let Some(amount) = of_pod_level(pod, side, resource) {
        return Some(amount);
    }
    let spec = pod.spec.as_ref()?;
    let mut said = false;
    let mut get = |container: &Container| {
        let amount = of_container(container, side, resource);
        said |= amount.is_some();
        amount.unwrap_or(0)
    };
    let mut running: i64 = spec.containers.iter().map(&mut get).fold(0, i64::saturating_add);
    let mut sidecars: i64 = 0;
    let mut starting: i64 = 0;
    for container in spec.init_containers.iter().flatten() {
        let own = get(container);
        if is_sidecar(container) {
            sidecars = sidecars.saturating_add(own);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(own.saturating_add(sidecars));
        }
    }
    running = running.saturating_add(sidecars);
    said.then(|| running.max(starting))
}

/// Whether every container, init ones too, has a limit for `resource` (or the pod as a whole has one).
pub fn all_limited(pod: &Pod, resource: &str) -> bool {
    if of_pod_level(pod, Side::Limits, resource).is_some() {
        return true;
    }
    let Some(spec) = &pod.spec else { return false };
    spec.containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .all(|c| of_container(c, Side::Limits, resource).is_some_and(|a| a > 0))
}
