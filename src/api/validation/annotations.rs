//! Annotations that the kubelet still reads: mirror, deletion cost, seccomp and AppArmor profiles, and that they agree with
//! the fields that replaced them.

use k8s_openapi::api::core::v1::{AppArmorProfile, Pod, SeccompProfile};

use super::{Errors, FieldError, volumes};
use crate::api::{labels, pod};

/// Checks the annotations by themselves.
pub(super) fn check(out: &mut Errors, pod: &Pod) {
    let annotations = pod::annotations(pod);
    let node = pod::spec(pod).node_name.as_deref().unwrap_or_default();
    if let Some(mirror) = annotations.get(labels::CONFIG_MIRROR)
        && node.is_empty()
    {
        out.push(FieldError::invalid(
            &format!("metadata.annotations[{}]", labels::CONFIG_MIRROR),
            mirror,
            "must set spec.nodeName if mirror pod annotation is set",
        ));
    }
    const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = annotations.get(DELETION_COST)
        && cost.parse::<i32>().is_err()
    {
        out.push(FieldError::invalid(
            &format!("metadata.annotations[{DELETION_COST}]"),
            cost,
            "must be a 32bit integer",
        ));
    }
    if let Some(profile) = annotations.get(labels::SECCOMP_POD) {
        seccomp(out, labels::SECCOMP_POD, profile);
    }
    for (key, profile) in annotations {
        if key.starts_with(labels::SECCOMP_CONTAINER_PREFIX) {
            seccomp(out, key, profile);
        }
    }
    for (key, profile) in annotations {
        if let Some(container) = key.strip_prefix(labels::APPARMOR_PREFIX) {
            let path = format!("metadata.annotations[{key}]");
            if !has_container(pod, container) {
                out.push(FieldError::invalid(&path, container, "container not found"));
            }
            let known = matches!(profile.as_str(), "" | "runtime/default" | "unconfined");
            if !known && !profile.starts_with("localhost/") {
                let shown = crate::api::gojson::go_quoted(profile);
                out.push(FieldError::invalid(&path, profile, format!("invalid AppArmor profile name: {shown}")));
            }
        }
    }
}

fn has_container(pod: &Pod, name: &str) -> bool {
    pod::container(pod, name).is_some()
        || pod::spec(pod).ephemeral_containers.iter().flatten().any(|each| each.name == name)
}

fn seccomp(out: &mut Errors, key: &str, profile: &str) {
    // Upstream appends the key with a dot here, not in brackets.
    let path = format!("metadata.annotations.{key}");
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(local) => volumes::descending_path(out, &path, local),
            None => out.push(FieldError::invalid(&path, profile, "must be a valid seccomp profile")),
        },
    }
}

/// Checks that annotation and field name the same profile where both are set.
pub(super) fn agree(out: &mut Errors, pod: &Pod) {
    let annotations = pod::annotations(pod);
    let spec = pod::spec(pod);
    let own = spec.security_context.as_ref();
    if let (Some(field), Some(annotation)) =
        (own.and_then(|each| each.seccomp_profile.as_ref()), annotations.get(labels::SECCOMP_POD))
        && !same_seccomp(field, annotation)
    {
        out.push(FieldError::forbidden(
            "spec.securityContext.seccompProfile.type",
            "seccomp type in annotation and field must match",
        ));
    }
    for each in pod::containers(pod) {
        let list = if each.kind == pod::ContainerKind::Init { "initContainers" } else { "containers" };
        let path = format!("spec.{list}[{}].securityContext", each.index);
        let context = each.container.security_context.as_ref();
        let key = format!("{}{}", labels::SECCOMP_CONTAINER_PREFIX, each.container.name);
        if let (Some(field), Some(annotation)) =
            (context.and_then(|each| each.seccomp_profile.as_ref()), annotations.get(&key))
            && !same_seccomp(field, annotation)
        {
            out.push(FieldError::forbidden(
                &format!("{path}.seccompProfile.type"),
                "seccomp type in annotation and field must match",
            ));
        }
        let key = format!("{}{}", labels::APPARMOR_PREFIX, each.container.name);
        if let (Some(field), Some(annotation)) =
            (context.and_then(|each| each.app_armor_profile.as_ref()), annotations.get(&key))
            && !same_apparmor(field, annotation)
        {
            out.push(FieldError::forbidden(
                &format!("{path}.appArmorProfile.type"),
                "apparmor type in annotation and field must match",
            ));
        }
    }
}

fn same_seccomp(field: &SeccompProfile, annotation: &str) -> bool {
    match field.type_.as_str() {
        "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
        "Unconfined" => annotation == "unconfined",
        "Localhost" => annotation.starts_with("localhost/"),
        _ => true,
    }
}

fn same_apparmor(field: &AppArmorProfile, annotation: &str) -> bool {
    match field.type_.as_str() {
        "RuntimeDefault" => matches!(annotation, "" | "runtime/default"),
        "Unconfined" => annotation == "unconfined",
        "Localhost" => annotation.starts_with("localhost/"),
        _ => true,
    }
}
