//! v1 defaulting of a pod, as upstream's `SetObjectDefaults_Pod` and the conversions beside it. Applied while decoding,
//! before the UID is hashed; what the kubelet itself adds is in [`crate::api::identity`].

mod container;
mod resources;
mod status;
mod volume;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// Annotations that held init containers before they had fields; dropped by conversion.
const OLD_INIT_ANNOTATIONS: [&str; 4] = [
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// Fills every field that upstream defaults in a pod. Applying it twice changes nothing more.
pub fn apply(pod: &mut Pod) {
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.retain(|key, _| !OLD_INIT_ANNOTATIONS.contains(&key.as_str()));
    }
    if let Some(reported) = &mut pod.status {
        status::apply(reported);
    }
    let spec = pod.spec.get_or_insert_with(PodSpec::default);
    convert(spec);
    resources::requests_from_limits(spec);
    resources::pod_level(pod);
    let spec = pod.spec.get_or_insert_with(PodSpec::default);
    spec.enable_service_links.get_or_insert(true);
    if spec.host_network == Some(true) {
        host_ports(spec);
    }
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_with(Default::default);
    spec.termination_grace_period_seconds.get_or_insert(30);
    if let Some(overhead) = &mut spec.overhead {
        resources::round(overhead);
    }
    if let Some(own) = &mut spec.resources {
        resources::round_requirements(own);
    }
    for volume in spec.volumes.iter_mut().flatten() {
        volume::apply(volume);
    }
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        container::apply(container);
    }
    for container in spec.ephemeral_containers.iter_mut().flatten() {
        container::apply_ephemeral(container);
    }
}

/// What upstream's conversion to the internal type and back changes.
fn convert(spec: &mut PodSpec) {
    let account = [&spec.service_account_name, &spec.service_account]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .cloned();
    spec.service_account_name.clone_from(&account);
    spec.service_account = account;
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        spec.termination_grace_period_seconds = Some(1);
    }
}

fn host_ports(spec: &mut PodSpec) {
    let containers = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
    for port in containers.flat_map(|container| container.ports.iter_mut().flatten()) {
        if port.host_port.unwrap_or(0) == 0 && port.container_port != 0 {
            port.host_port = Some(port.container_port);
        }
    }
}

/// Fills an unset or empty text.
fn text(field: &mut Option<String>, default: &str) {
    if field.as_deref().unwrap_or_default().is_empty() {
        *field = Some(default.to_owned());
    }
}

/// Fills an unset or zero number.
fn number(field: &mut Option<i32>, default: i32) {
    if field.unwrap_or(0) == 0 {
        *field = Some(default);
    }
}

#[cfg(test)]
mod tests;
