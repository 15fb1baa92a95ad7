//! Defaults of requests and limits, of containers and of the pod as a whole, and their rounding.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::api::quantity::Quantity;
use crate::api::totals::{self, Side};

/// Amounts finer than a thousandth are rounded up.
pub(super) fn round(list: &mut BTreeMap<String, ApiQuantity>) {
    for quantity in list.values_mut() {
        let exact = Quantity::of(quantity);
        if !exact.is_whole_milli() {
            *quantity = exact.round_up_milli().to_api();
        }
    }
}

pub(super) fn round_requirements(resources: &mut ResourceRequirements) {
    for list in [&mut resources.limits, &mut resources.requests].into_iter().flatten() {
        round(list);
    }
}

/// A limit without a request is the request too; ephemeral containers are left alone.
pub(super) fn requests_from_limits(spec: &mut PodSpec) {
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        let Some(resources) = &mut container.resources else { continue };
        let Some(limits) = resources.limits.clone().filter(|limits| !limits.is_empty()) else { continue };
        let requests = resources.requests.get_or_insert_with(BTreeMap::new);
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// Pod-level resources, only where `spec.resources` is written.
pub(super) fn pod_level(pod: &mut Pod) {
    let Some(spec) = &pod.spec else { return };
    if spec.resources.is_none() {
        return;
    }
    let limits_of_containers = totals::of_containers(pod, Side::Limits);
    let requests_of_containers = totals::of_containers(pod, Side::Requests);
    let Some(own) = pod.spec.as_mut().and_then(|spec| spec.resources.as_mut()) else { return };
    let has = |list: &Option<BTreeMap<String, ApiQuantity>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if has(&own.limits) || has(&own.requests) {
        for (name, quantity) in &limits_of_containers {
            let requested = own.requests.as_ref().is_some_and(|requests| requests.contains_key(name));
            if name.starts_with("hugepages-") && !requested {
                own.limits.get_or_insert_with(BTreeMap::new).entry(name.clone()).or_insert(quantity.to_api());
            }
        }
    }
    let Some(limits) = own.limits.clone().filter(|limits| !limits.is_empty()) else { return };
    let requests = own.requests.get_or_insert_with(BTreeMap::new);
    for (name, quantity) in requests_of_containers {
        if matches!(name.as_str(), "cpu" | "memory") {
            requests.entry(name).or_insert(quantity.to_api());
        }
    }
    for (name, limit) in limits {
        if totals::is_pod_level(&name) {
            requests.entry(name).or_insert(limit);
        }
    }
}
