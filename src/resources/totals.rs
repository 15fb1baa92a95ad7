//! Amounts of one resource as numbers: of a container, of a pod without overhead. The sums themselves are `api::totals`.

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};

pub use crate::api::totals::Side;
use crate::api::{pod as api_pod, quantity::Quantity, totals};

/// The quantity that `requirements` names for `resource`.
pub fn quantity<'a>(
    requirements: Option<&'a ResourceRequirements>,
    side: Side,
    resource: &str,
) -> Option<&'a ApiQuantity> {
    let requirements = requirements?;
    let list = match side {
        Side::Requests => &requirements.requests,
        Side::Limits => &requirements.limits,
    };
    list.as_ref()?.get(resource)
}

/// A container's amount: thousandths for `cpu`, units (bytes) for all else; `None` if it does not say.
pub fn of_container(container: &Container, side: Side, resource: &str) -> Option<i64> {
    quantity(container.resources.as_ref(), side, resource).map(|q| amount(Quantity::of(q), resource))
}

/// A pod-level amount (`spec.resources`).
pub fn of_pod_level(pod: &Pod, side: Side, resource: &str) -> Option<i64> {
    quantity(api_pod::spec(pod).resources.as_ref(), side, resource).map(|q| amount(Quantity::of(q), resource))
}

/// The pod's amount of `resource` without overhead; `None` if nobody in it says anything.
pub fn of_pod(pod: &Pod, side: Side, resource: &str) -> Option<i64> {
    of_pod_level(pod, side, resource)
        .or_else(|| totals::of_containers(pod, side).get(resource).map(|q| amount(*q, resource)))
}

fn amount(quantity: Quantity, resource: &str) -> i64 {
    if resource == "cpu" { quantity.milli_value() } else { quantity.value() }
}

/// Whether every container, init ones too, has a limit for `resource` (or the pod as a whole has one).
pub fn all_limited(pod: &Pod, resource: &str) -> bool {
    of_pod_level(pod, Side::Limits, resource).is_some()
        || api_pod::containers(pod).all(|c| of_container(c.container, Side::Limits, resource).is_some_and(|a| a > 0))
}
