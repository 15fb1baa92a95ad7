//! Downward API selectors: which pod fields and container resources may be named, and in what divisor.

use k8s_openapi::api::core::v1::{ObjectFieldSelector, ResourceFieldSelector};

use super::{Errors, FieldError, invalid_each, names, require, text};
use crate::api::quantity::Quantity;

/// Fields an environment variable may hold.
pub(super) const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields a volume file may hold.
pub(super) const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// All pod fields that have a label name in v1.
const KNOWN_FIELDS: [&str; 16] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks a `fieldRef`.
pub(super) fn field(out: &mut Errors, path: &str, selector: &ObjectFieldSelector, supported: &[&str]) {
    require(out, &format!("{path}.apiVersion"), text(&selector.api_version));
    let at = format!("{path}.fieldPath");
    if !require(out, &at, &selector.field_path) {
        return;
    }
    let label = &selector.field_path;
    let cannot = |why: String| FieldError::invalid(&at, label, format!("error converting fieldPath: {why}"));
    if text(&selector.api_version) != "v1" {
        out.push(cannot(format!("unsupported pod version: {}", text(&selector.api_version))));
        return;
    }
    match subscripted(label) {
        Some(("metadata.annotations", key)) => invalid_each(out, path, key, names::qualified(&key.to_lowercase())),
        Some(("metadata.labels", key)) => invalid_each(out, path, key, names::qualified(key)),
        Some(_) => out.push(cannot(format!("field label does not support subscript: {label}"))),
        None => {
            let name = if label == "spec.host" { "spec.nodeName" } else { label };
            if !KNOWN_FIELDS.contains(&name) {
                out.push(cannot(format!("field label not supported: {label}")));
            } else if !supported.contains(&name) {
                out.push(FieldError::not_supported_text(&at, name, supported));
            }
        }
    }
}

/// `metadata.labels['key']` in its parts.
fn subscripted(label: &str) -> Option<(&str, &str)> {
    label.strip_suffix("']")?.split_once("['").filter(|(path, _)| !path.is_empty())
}

/// Checks a `resourceFieldRef`; in a volume the container must be named.
pub(super) fn resource(out: &mut Errors, path: &str, selector: &ResourceFieldSelector, volume: bool) {
    let name = selector.resource.as_str();
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| name.starts_with(prefix));
    if volume && text(&selector.container_name).is_empty() {
        out.push(FieldError::required(&format!("{path}.containerName"), ""));
    } else if name.is_empty() {
        out.push(FieldError::required(&format!("{path}.resource"), ""));
    } else if !RESOURCES.contains(&name) && !huge {
        out.push(FieldError::not_supported_text(&format!("{path}.resource"), name, &RESOURCES));
    }
    let Some(divisor) = selector.divisor.as_ref().map(Quantity::of).filter(|divisor| !divisor.is_zero()) else {
        return;
    };
    let (allowed, what): (&[&str], &str) = match name {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu resource"),
        "limits.memory" | "requests.memory" => (&SIZES, "memory resource"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (&SIZES, "local ephemeral storage resource"),
        _ if huge => (&SIZES, "hugepages resource"),
        _ => return,
    };
    let shown = divisor.to_string();
    if !allowed.contains(&shown.as_str()) {
        let list = if allowed.len() == 2 { "1m and 1".to_owned() } else { allowed.join(", ") };
        out.push(FieldError::invalid(
            &format!("{path}.divisor"),
            name,
            format!("only divisor's values {list} are supported with the {what}"),
        ));
    }
}
