//! Pod-level resources: only cpu, memory and huge pages, no claims, and not less than the containers need.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Errors, FieldError, resources};
use crate::api::pod;
use crate::api::quantity::Quantity;
use crate::api::totals::{self, Side};

/// Checks `spec.resources`.
pub(super) fn check(out: &mut Errors, pod: &Pod) {
    let spec = pod::spec(pod);
    let Some(own) = &spec.resources else { return };
    let path = "spec.resources";
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        out.push(FieldError::forbidden(path, "may not be set for a windows pod"));
        return;
    }
    if own.claims.is_some() {
        out.push(FieldError::forbidden(&format!("{path}.claims"), "claims may not be set for Resources at pod-level"));
    }
    let claims: Vec<&str> = spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str()).collect();
    resources::requirements(out, path, own, &claims, name);
    let needed = totals::of_containers(pod, Side::Requests);
    for (name, request) in totals::amounts(own.requests.as_ref()) {
        if let Some(sum) = needed.get(&name).filter(|sum| **sum > request) {
            out.push(FieldError::invalid(
                &format!("{path}.requests[{name}]"),
                &shown(own.requests.as_ref(), &name),
                format!("must be greater than or equal to aggregate container requests of {sum}"),
            ));
        }
    }
    let limits = totals::amounts(own.limits.as_ref());
    for (name, sum) in totals::of_containers(pod, Side::Limits) {
        if limits.get(&name).is_some_and(|most| name.starts_with("hugepages-") && sum > *most) {
            out.push(FieldError::invalid(
                &format!("{path}.limits[{name}]"),
                &shown(own.limits.as_ref(), &name),
                format!("must be greater than or equal to aggregate container limits of {sum}"),
            ));
        }
    }
    // Upstream leaves init containers out here.
    for (index, container) in spec.containers.iter().enumerate() {
        for (name, limit) in totals::of_container(container, Side::Limits) {
            if limits.get(&name).is_some_and(|most| limit > *most) {
                let most = shown(own.limits.as_ref(), &name);
                let limits = container.resources.as_ref().and_then(|each| each.limits.as_ref());
                out.push(FieldError::invalid(
                    &format!("{path}.containers[{index}][{name}].limits"),
                    &shown(limits, &name),
                    format!("must be less than or equal to pod limits of {most}"),
                ));
            }
        }
    }
}

/// An amount as it is written, where Go leaves it so.
fn shown(list: Option<&BTreeMap<String, ApiQuantity>>, name: &str) -> String {
    list.and_then(|list| list.get(name)).map(|amount| Quantity::shown(&amount.0)).unwrap_or_default()
}

fn name(out: &mut Errors, path: &str, name: &str) {
    if resources::any_name(out, path, name) && !totals::is_pod_level(name) {
        out.push(FieldError::not_supported(path, name, &["cpu", "hugepages-", "memory"]));
    }
}
