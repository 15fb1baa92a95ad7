//! Annotations that the kubelet still reads: mirror, deletion cost, seccomp and AppArmor profiles, and that they agree with
//! the fields that replaced them.

use k8s_openapi::api::core::v1::{AppArmorProfile, Pod, SeccompProfile};

use super::{Errors, FieldError, containers, volumes};
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
    {
        same_seccomp(out, "spec.securityContext.seccompProfile", field, annotation);
    }
    let windows = spec.os.as_ref().is_some_and(|os| os.name == "windows");
    for each in containers::every(spec) {
        let path = format!("{}.securityContext", each.path);
        let key = format!("{}{}", labels::SECCOMP_CONTAINER_PREFIX, each.name);
        if let (Some(field), Some(annotation)) =
            (each.context.and_then(|each| each.seccomp_profile.as_ref()), annotations.get(&key))
        {
            same_seccomp(out, &format!("{path}.seccompProfile"), field, annotation);
        }
        // A container without a profile of its own has the pod's.
        let profile = each.context.and_then(|each| each.app_armor_profile.as_ref());
        let profile = profile.or(own.and_then(|each| each.app_armor_profile.as_ref())).filter(|_| !windows);
        let key = format!("{}{}", labels::APPARMOR_PREFIX, each.name);
        if let (Some(field), Some(annotation)) = (profile, annotations.get(&key)) {
            same_apparmor(out, &format!("{path}.appArmorProfile"), field, annotation);
        }
    }
}

fn same_seccomp(out: &mut Errors, path: &str, field: &SeccompProfile, annotation: &str) {
    let same = match field.type_.as_str() {
        "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
        "Unconfined" => annotation == "unconfined",
        "Localhost" => return same_local(out, path, "seccomp", field.localhost_profile.as_deref(), annotation),
        _ => true,
    };
    if !same {
        differ(out, path, "seccomp", "type");
    }
}

fn same_apparmor(out: &mut Errors, path: &str, field: &AppArmorProfile, annotation: &str) {
    let same = match field.type_.as_str() {
        "RuntimeDefault" => annotation == "runtime/default",
        "Unconfined" => annotation == "unconfined",
        "Localhost" => return same_local(out, path, "apparmor", field.localhost_profile.as_deref(), annotation),
        _ => true,
    };
    if !same {
        differ(out, path, "apparmor", "type");
    }
}

fn same_local(out: &mut Errors, path: &str, what: &str, local: Option<&str>, annotation: &str) {
    match annotation.strip_prefix("localhost/") {
        None => differ(out, path, what, "type"),
        Some(named) if local != Some(named) => differ(out, path, what, "profile"),
        Some(_) => {}
    }
}

fn differ(out: &mut Errors, path: &str, what: &str, part: &str) {
    let field = if part == "type" { "type" } else { "localhostProfile" };
    let why = format!("{what} {part} in annotation and field must match");
    out.push(FieldError::forbidden(&format!("{path}.{field}"), why));
}
