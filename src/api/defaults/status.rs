//! What decoding changes in a status that a manifest brings along: its addresses, and the rounding of amounts. Nobody acts on it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodIP, PodStatus};

use super::resources;
use crate::api::quantity::Quantity;

pub(super) fn apply(status: &mut PodStatus) {
    addresses(status);
    let lists = [&mut status.init_container_statuses, &mut status.container_statuses];
    for each in lists.into_iter().chain([&mut status.ephemeral_container_statuses]).flatten().flatten() {
        if let Some(list) = &mut each.allocated_resources {
            resources::round(list);
        }
        if let Some(resources) = &mut each.resources {
            resources::round_requirements(resources);
            // What a container is said to have prints as it stands.
            for quantity in
                [&mut resources.limits, &mut resources.requests].into_iter().flatten().flat_map(BTreeMap::values_mut)
            {
                quantity.0 = Quantity::shown(&quantity.0);
            }
        }
    }
    if let Some(list) = &mut status.allocated_resources {
        resources::round(list);
    }
    if let Some(resources) = &mut status.resources {
        resources::round_requirements(resources);
    }
}

/// The one address and the first of the list are the same; where they are not, the one counts.
fn addresses(status: &mut PodStatus) {
    let one = status.pod_ip.clone().unwrap_or_default();
    let first = status.pod_ips.iter().flatten().next().map(|each| each.ip.clone());
    match first {
        Some(first) if one.is_empty() => status.pod_ip = Some(first),
        Some(first) if first == one => {}
        _ if one.is_empty() => {}
        _ => status.pod_ips = Some(vec![PodIP { ip: one }]),
    }
}
