//! Containers: what all kinds of them share, and what app and init containers may not have.

mod ephemeral;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext, VolumeDevice};

use super::handlers::{self, ProbeKind};
use super::mounts::Volumes;
use super::{Errors, FieldError, env, invalid_each, invalid_number, mounts, names, one_of, require};
use super::{resources, restart, security, text};
use crate::api::pod;

/// Checks `spec.containers`, then `spec.initContainers`.
pub(super) fn check(out: &mut Errors, pod: &Pod, volumes: &Volumes<'_>) {
    let spec = pod::spec(pod);
    let path = "spec.containers";
    if spec.containers.is_empty() {
        out.push(FieldError::required(path, ""));
    }
    let mut names = BTreeSet::new();
    for (index, container) in spec.containers.iter().enumerate() {
        let path = format!("{path}[{index}]");
        shared(out, &path, container, pod, volumes);
        if !names.insert(container.name.as_str()) {
            out.push(FieldError::duplicate(&format!("{path}.name"), &container.name));
        }
        hooks_and_probes(out, &path, container, pod);
        restart::policy(out, &path, container);
    }
    host_ports(out, path, &spec.containers);
    inits(out, pod, volumes, names);
    ephemeral::check(out, pod, volumes);
}

fn inits<'a>(out: &mut Errors, pod: &'a Pod, volumes: &Volumes<'_>, mut names: BTreeSet<&'a str>) {
    for each in pod::init_containers(pod) {
        let (container, index) = (each.container, each.index);
        let path = format!("spec.initContainers[{index}]");
        let sidecar = pod::is_restartable_init(container);
        shared(out, &path, container, pod, volumes);
        // App containers without a name were remembered, init containers without one are not.
        let taken = match container.name.as_str() {
            "" => names.contains(""),
            name => !names.insert(name),
        };
        if taken {
            out.push(FieldError::duplicate(&format!("{path}.name"), &container.name));
        }
        // Each runs alone. Upstream gives all of them the index of the first.
        host_ports(out, "spec.initContainers", std::slice::from_ref(container));
        if sidecar {
            hooks_and_probes(out, &path, container, pod);
        } else {
            const ONLY_SIDECARS: &str = "may not be set for init containers without restartPolicy=Always";
            let forbidden = [
                ("lifecycle", container.lifecycle.is_some()),
                ("livenessProbe", container.liveness_probe.is_some()),
                ("readinessProbe", container.readiness_probe.is_some()),
                ("startupProbe", container.startup_probe.is_some()),
            ];
            for (field, _) in forbidden.into_iter().filter(|(_, set)| *set) {
                out.push(FieldError::forbidden(&format!("{path}.{field}"), ONLY_SIDECARS));
            }
            restart::init_resize(out, &path, container);
        }
        restart::init_policy(out, &path, container);
    }
}

/// The fields of any container, in upstream's order.
fn shared(out: &mut Errors, path: &str, container: &Container, pod: &Pod, volumes: &Volumes<'_>) {
    let spec = pod::spec(pod);
    if require(out, &format!("{path}.name"), &container.name) {
        invalid_each(out, &format!("{path}.name"), &container.name, names::label(&container.name));
    }
    require(out, &format!("{path}.image"), text(&container.image));
    let policy = format!("{path}.terminationMessagePolicy");
    if require(out, &policy, text(&container.termination_message_policy)) {
        one_of(out, &policy, text(&container.termination_message_policy), &["File", "FallbackToLogsOnError"]);
    }
    ports(out, path, container);
    env::check(out, path, container);
    mounts::check(out, path, container, volumes);
    let policy = format!("{path}.imagePullPolicy");
    if require(out, &policy, text(&container.image_pull_policy)) {
        one_of(out, &policy, text(&container.image_pull_policy), &["Always", "IfNotPresent", "Never"]);
    }
    let claims: Vec<&str> = spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str()).collect();
    if let Some(own) = &container.resources {
        resources::container(out, &format!("{path}.resources"), own, &claims);
    }
    restart::resize(out, path, container, text(&spec.restart_policy));
    if let Some(context) = &container.security_context {
        security::container(out, &format!("{path}.securityContext"), context, spec.host_users != Some(false));
    }
}

fn ports(out: &mut Errors, path: &str, container: &Container) {
    let mut seen = BTreeSet::new();
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(&port.name);
        if !name.is_empty() {
            let faults = names::port_name(name);
            if !faults.is_empty() {
                invalid_each(out, &format!("{path}.name"), name, faults);
            } else if !seen.insert(name) {
                out.push(FieldError::duplicate(&format!("{path}.name"), name));
            }
        }
        let at = format!("{path}.containerPort");
        if port.container_port == 0 {
            out.push(FieldError::required(&at, ""));
        } else {
            let number = i64::from(port.container_port);
            invalid_number(out, &at, number, names::port_number(number));
        }
        if let Some(number) = port.host_port.map(i64::from).filter(|number| *number != 0) {
            invalid_number(out, &format!("{path}.hostPort"), number, names::port_number(number));
        }
        let at = format!("{path}.protocol");
        if require(out, &at, text(&port.protocol)) {
            one_of(out, &at, text(&port.protocol), &["SCTP", "TCP", "UDP"]);
        }
    }
}

/// No two containers of a list on one host port, protocol and host address.
fn host_ports(out: &mut Errors, path: &str, containers: &[Container]) {
    let mut taken = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        for (index, port) in container.ports.iter().flatten().enumerate() {
            let number = port.host_port.unwrap_or(0);
            let key = format!("{}/{}/{number}", text(&port.protocol), text(&port.host_ip));
            if number != 0 && !taken.insert(key.clone()) {
                out.push(FieldError::duplicate(&format!("{path}[{at}].ports[{index}].hostPort"), &key));
            }
        }
    }
}

fn hooks_and_probes(out: &mut Errors, path: &str, container: &Container, pod: &Pod) {
    let os = pod::spec(pod).os.as_ref().map(|os| os.name.as_str());
    if let Some(lifecycle) = &container.lifecycle {
        let grace = pod::termination_grace_seconds(pod);
        handlers::lifecycle(out, &format!("{path}.lifecycle"), lifecycle, grace, os);
    }
    for (field, probe, kind) in [
        ("livenessProbe", &container.liveness_probe, ProbeKind::Liveness),
        ("readinessProbe", &container.readiness_probe, ProbeKind::Readiness),
        ("startupProbe", &container.startup_probe, ProbeKind::Startup),
    ] {
        if let Some(probe) = probe {
            handlers::probe(out, &format!("{path}.{field}"), probe, kind);
        }
    }
}

/// What containers of all kinds have, wherever they stand.
pub(super) struct Any<'a> {
    /// `spec.initContainers[0]`.
    pub(super) path: String,
    /// Its name.
    pub(super) name: &'a str,
    /// Its `securityContext`.
    pub(super) context: Option<&'a SecurityContext>,
    /// Its `volumeDevices`.
    pub(super) devices: Option<&'a Vec<VolumeDevice>>,
}

/// All containers of a pod: init, app and ephemeral ones.
pub(super) fn every(spec: &PodSpec) -> impl Iterator<Item = Any<'_>> {
    let ordinary = [("initContainers", spec.init_containers.as_deref()), ("containers", Some(&*spec.containers))];
    let ordinary = ordinary.into_iter().flat_map(|(list, containers)| {
        containers.unwrap_or_default().iter().enumerate().map(move |(index, each)| Any {
            path: format!("spec.{list}[{index}]"),
            name: &each.name,
            context: each.security_context.as_ref(),
            devices: each.volume_devices.as_ref(),
        })
    });
    let ephemeral = spec.ephemeral_containers.iter().flatten().enumerate().map(|(index, each)| Any {
        path: format!("spec.ephemeralContainers[{index}]"),
        name: &each.name,
        context: each.security_context.as_ref(),
        devices: each.volume_devices.as_ref(),
    });
    ordinary.chain(ephemeral)
}

/// With the node's network, a container port is a host port of the same number.
pub(super) fn host_network(out: &mut Errors, pod: &Pod) {
    for each in pod::app_containers(pod) {
        for (index, port) in each.container.ports.iter().flatten().enumerate() {
            let host = port.host_port.unwrap_or(0);
            if host != 0 && host != port.container_port {
                out.push(FieldError::invalid_raw(
                    &format!("spec.containers[{}].ports[{index}].hostPort", each.index),
                    host,
                    "must match `containerPort` when `hostNetwork` is true",
                ));
            }
        }
    }
}
