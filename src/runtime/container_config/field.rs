//! Values of the downward API: `fieldRef` and `resourceFieldRef`, for environment and volumes. Pure. As kubelet 1.36.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use crate::{
    api::{pod as api_pod, quantity::Quantity},
    resources::totals::{self, Side},
    runtime::{RuntimeSettings, naming},
};

/// The value of a `fieldPath` in an environment variable.
pub fn env_field(pod: &Pod, path: &str, pod_ips: &[String], settings: &RuntimeSettings) -> Result<String, String> {
    let node_ips = || match settings.node_addresses.as_slice() {
        [] => Err("host IP unknown; known addresses: []".to_owned()),
        all => Ok(all.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    Ok(match path {
        "spec.nodeName" | "spec.host" => {
            let spec = api_pod::spec(pod);
            spec.node_name.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| settings.node_name.clone())
        }
        "spec.serviceAccountName" => api_pod::spec(pod).service_account_name.clone().unwrap_or_default(),
        "status.hostIP" => node_ips()?.into_iter().next().unwrap_or_default(),
        "status.hostIPs" => one_per_family(node_ips()?).join(","),
        "status.podIP" => pod_ips.first().cloned().unwrap_or_default(),
        "status.podIPs" => pod_ips.join(","),
        _ => metadata_field(pod, path)?,
    })
}

/// The first address of each family, in order.
pub fn one_per_family(addresses: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for address in addresses {
        if !kept.iter().any(|k| k.contains(':') == address.contains(':')) {
            kept.push(address);
        }
    }
    kept
}

/// The value of a `fieldPath` below `metadata`: what volumes may have, and most of what environments may.
pub fn metadata_field(pod: &Pod, path: &str) -> Result<String, String> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        let map = match map {
            "metadata.labels" => api_pod::labels(pod),
            "metadata.annotations" => api_pod::annotations(pod),
            _ => return Err(format!("fieldPath {path:?} does not support subscript")),
        };
        return Ok(map.get(key).cloned().unwrap_or_default());
    }
    match path {
        "metadata.name" => Ok(naming::name(pod).to_owned()),
        "metadata.namespace" => Ok(naming::namespace(pod).to_owned()),
        "metadata.uid" => Ok(naming::uid(pod).to_owned()),
        "metadata.labels" => Ok(format_map(api_pod::labels(pod))),
        "metadata.annotations" => Ok(format_map(api_pod::annotations(pod))),
        _ => Err(format!("unsupported fieldPath: {path}")),
    }
}

/// Lines `key="value"`, sorted, without a newline at the end.
fn format_map(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(k, v)| format!("{k}={}", crate::api::gojson::go_quoted(v))).collect::<Vec<_>>().join("\n")
}

/// The value of a `resourceFieldRef`. `own` is the container that names none; volumes always name one. `pod_level`: whether limits of the
/// whole pod stand in for missing ones (environment only).
pub fn resource_field(
    pod: &Pod,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
    pod_level: bool,
    settings: &RuntimeSettings,
) -> Result<String, String> {
    let spec = api_pod::spec(pod);
    let named = selector.container_name.as_deref().filter(|n| !n.is_empty());
    let container = match named {
        None => own.ok_or_else(|| "container name is not set".to_owned())?,
        Some(name) => naming::container(spec, name).ok_or_else(|| format!("container {name} not found"))?,
    };
    let (side, resource) = match selector.resource.split_once('.') {
        Some(("limits", resource)) => (Side::Limits, resource),
        Some(("requests", resource)) => (Side::Requests, resource),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let known = matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    if !known {
        return Err(format!("unsupported container resource : {}", selector.resource));
    }
    let set = totals::quantity(container.resources.as_ref(), side, resource).map(Quantity::of).filter(|q| !q.is_zero());
    let is_init = spec.init_containers.iter().flatten().any(|c| c.name == container.name);
    let defaulted = side == Side::Limits && !(pod_level && named.is_some() && is_init);
    let quantity = match set {
        Some(quantity) => quantity,
        None if defaulted => default_limit(pod, resource, pod_level, settings),
        None => Quantity::ZERO,
    };
    let divisor =
        selector.divisor.as_ref().map(Quantity::of).filter(|d| !d.is_zero()).unwrap_or(Quantity::from_value(1));
    Ok(quantity.ceil_div(divisor).to_string())
}

fn default_limit(pod: &Pod, resource: &str, pod_level: bool, settings: &RuntimeSettings) -> Quantity {
    if pod_level {
        let requirements = api_pod::spec(pod).resources.as_ref();
        if let Some(quantity) = totals::quantity(requirements, Side::Limits, resource) {
            return Quantity::of(quantity);
        }
    }
    match resource {
        "cpu" => Quantity::from_milli(settings.milli_cpu()),
        "memory" => Quantity::from_bytes(settings.memory()),
        _ => Quantity::ZERO,
    }
}
