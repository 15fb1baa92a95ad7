//! Ephemeral containers: never allowed on creation, and checked all the same; what else is wrong with them is told beside that.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod};

use super::shared;
use crate::api::{
    pod,
    validation::{Errors, FieldError, mounts::Volumes, text},
};

const NO: &str = "cannot be set for an Ephemeral Container";

/// Checks `spec.ephemeralContainers`.
pub(super) fn check(out: &mut Errors, pod: &Pod, volumes: &Volumes<'_>) {
    let others: BTreeSet<&str> = pod::containers(pod).map(|each| each.container.name.as_str()).collect();
    let mut names = others.clone();
    for (index, each) in pod::spec(pod).ephemeral_containers.iter().flatten().enumerate() {
        let path = format!("spec.ephemeralContainers[{index}]");
        let Some(container) = as_container(each) else { continue };
        shared(out, &path, &container, pod, volumes);
        let image = text(&each.image);
        if image.trim() != image {
            out.push(FieldError::invalid(
                &format!("{path}.image"),
                image,
                "must not have leading or trailing whitespace",
            ));
        }
        if !names.insert(&each.name) {
            out.push(FieldError::duplicate(&format!("{path}.name"), &each.name));
        }
        let target = text(&each.target_container_name);
        if !target.is_empty() && !others.contains(target) {
            out.push(FieldError::not_found(&format!("{path}.targetContainerName"), target, ""));
        }
        for (field, set) in [
            ("ports", each.ports.is_some()),
            ("resources", each.resources.as_ref().is_some_and(|r| *r != Default::default())),
            ("resizePolicy", each.resize_policy.is_some()),
            ("restartPolicy", each.restart_policy.is_some()),
            ("restartPolicyRules", each.restart_policy_rules.is_some()),
            ("livenessProbe", each.liveness_probe.is_some()),
            ("readinessProbe", each.readiness_probe.is_some()),
            ("startupProbe", each.startup_probe.is_some()),
            ("lifecycle", each.lifecycle.is_some()),
        ] {
            if set {
                out.push(FieldError::forbidden(&format!("{path}.{field}"), NO));
            }
        }
        for (index, mount) in each.volume_mounts.iter().flatten().enumerate() {
            for (field, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if !text(value).is_empty() {
                    out.push(FieldError::forbidden(&format!("{path}.volumeMounts[{index}].{field}"), NO));
                }
            }
        }
    }
}

/// The same fields as those of other containers.
fn as_container(each: &EphemeralContainer) -> Option<Container> {
    serde_json::from_value(serde_json::to_value(each).ok()?).ok()
}
