//! The API's create validation of a pod, as upstream's `ValidatePodCreate` with the options the kubelet gives static
//! pods. Order and texts are upstream's; map entries come in key order where Go's order is random.

mod affinity;
mod annotations;
mod claims;
mod containers;
mod env;
mod error;
mod handlers;
mod metadata;
mod mounts;
mod names;
mod os;
mod pod_resources;
mod resources;
mod restart;
mod scheduling;
mod security;
mod selectors;
mod spec;
mod volumes;

use k8s_openapi::api::core::v1::Pod;

use crate::api::pod;
pub use error::{FieldError, Kind, to_aggregate};

/// Where errors are gathered.
type Errors = Vec<FieldError>;

/// Everything wrong with a pod; nothing when it may run. The pod must have its defaults and static identity.
pub fn validate_pod(pod: &Pod) -> Vec<FieldError> {
    let mut out = Errors::new();
    metadata::check(&mut out, &pod.metadata);
    annotations::check(&mut out, pod);
    spec::check(&mut out, pod);
    create_only(&mut out, pod);
    annotations::agree(&mut out, pod);
    out
}

/// The checks upstream makes on creation, after the spec's own.
fn create_only(out: &mut Errors, pod: &Pod) {
    let spec = pod::spec(pod);
    if text(&spec.service_account_name).is_empty() {
        for (index, volume) in spec.volumes.iter().flatten().enumerate() {
            for (source, projection) in
                volume.projected.iter().flat_map(|each| each.sources.iter().flatten()).enumerate()
            {
                if projection.service_account_token.is_some() {
                    out.push(FieldError::forbidden(
                        &format!("spec.volumes[{index}].projected.sources[{source}].serviceAccountToken"),
                        "must not be specified when serviceAccountName is not set",
                    ));
                }
            }
        }
    }
    for (list, containers) in
        [("containers", Some(&spec.containers)), ("initContainers", spec.init_containers.as_ref())]
    {
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let image = text(&container.image);
            if image.trim() != image {
                out.push(FieldError::invalid(
                    &format!("spec.{list}[{index}].image"),
                    image,
                    "must not have leading or trailing whitespace",
                ));
            }
        }
    }
    if spec.ephemeral_containers.as_ref().is_some_and(|list| !list.is_empty()) {
        out.push(FieldError::forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
    if spec.scheduling_gates.as_ref().is_some_and(|list| !list.is_empty()) && !text(&spec.node_name).is_empty() {
        out.push(FieldError::forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
    }
}

/// An optional text; empty when unset, as Go's zero value.
fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// One error per message of a grammar.
fn invalid_each(out: &mut Errors, path: &str, value: &str, messages: Vec<String>) {
    out.extend(messages.into_iter().map(|message| FieldError::invalid(path, value, message)));
}

/// As [`invalid_each`], for a number.
fn invalid_number(out: &mut Errors, path: &str, value: i64, messages: Vec<String>) {
    out.extend(messages.into_iter().map(|message| FieldError::invalid_raw(path, value, message)));
}

/// An error when a text is empty.
fn require(out: &mut Errors, path: &str, value: &str) -> bool {
    if value.is_empty() {
        out.push(FieldError::required(path, ""));
    }
    !value.is_empty()
}

/// An error when a word is set and not one of a list (shown in the list's order).
fn one_of(out: &mut Errors, path: &str, value: &str, supported: &[&str]) -> bool {
    let good = supported.contains(&value);
    if !good {
        out.push(FieldError::not_supported(path, value, supported));
    }
    good
}

/// An error for a number below zero.
fn not_negative(out: &mut Errors, path: &str, value: i64) {
    if value < 0 {
        out.push(FieldError::invalid_raw(path, value, "must be greater than or equal to 0"));
    }
}

#[cfg(test)]
mod tests;
