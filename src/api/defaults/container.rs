//! Defaults of containers: ports, environment, probes, hooks, pull policy. Resources have their own file.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EphemeralContainer, HTTPGetAction, Lifecycle, ObjectFieldSelector, Probe,
};

use super::{number, resources, text};
use crate::api::image;

pub(super) fn apply(container: &mut Container) {
    let Container {
        image,
        image_pull_policy,
        termination_message_path,
        termination_message_policy,
        ports,
        env,
        liveness_probe,
        readiness_probe,
        startup_probe,
        lifecycle,
        resources,
        ..
    } = container;
    text(image_pull_policy, image::default_pull_policy(image.as_deref().unwrap_or_default()));
    text(termination_message_path, "/dev/termination-log");
    text(termination_message_policy, "File");
    for port in ports.iter_mut().flatten() {
        protocol(port);
    }
    for variable in env.iter_mut().flatten() {
        variable_source(variable);
    }
    for each in [liveness_probe, readiness_probe, startup_probe].into_iter().flatten() {
        probe(each);
    }
    if let Some(lifecycle) = lifecycle {
        hooks(lifecycle);
    }
    if let Some(resources) = resources {
        resources::round_requirements(resources);
    }
}

pub(super) fn apply_ephemeral(container: &mut EphemeralContainer) {
    let EphemeralContainer {
        image,
        image_pull_policy,
        termination_message_path,
        termination_message_policy,
        ports,
        env,
        liveness_probe,
        readiness_probe,
        startup_probe,
        lifecycle,
        resources,
        ..
    } = container;
    text(image_pull_policy, image::default_pull_policy(image.as_deref().unwrap_or_default()));
    text(termination_message_path, "/dev/termination-log");
    text(termination_message_policy, "File");
    for port in ports.iter_mut().flatten() {
        protocol(port);
    }
    for variable in env.iter_mut().flatten() {
        variable_source(variable);
    }
    for each in [liveness_probe, readiness_probe, startup_probe].into_iter().flatten() {
        probe(each);
    }
    if let Some(lifecycle) = lifecycle {
        hooks(lifecycle);
    }
    if let Some(resources) = resources {
        resources::round_requirements(resources);
    }
}

fn protocol(port: &mut ContainerPort) {
    text(&mut port.protocol, "TCP");
}

fn variable_source(variable: &mut EnvVar) {
    let Some(source) = &mut variable.value_from else { return };
    if let Some(field) = &mut source.field_ref {
        field_ref(field);
    }
    if let Some(file) = &mut source.file_key_ref {
        file.optional.get_or_insert(false);
    }
}

/// The version a field path is read in.
pub(super) fn field_ref(field: &mut ObjectFieldSelector) {
    text(&mut field.api_version, "v1");
}

fn probe(probe: &mut Probe) {
    number(&mut probe.timeout_seconds, 1);
    number(&mut probe.period_seconds, 10);
    number(&mut probe.success_threshold, 1);
    number(&mut probe.failure_threshold, 3);
    if let Some(action) = &mut probe.http_get {
        http_get(action);
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_with(String::new);
    }
}

fn hooks(lifecycle: &mut Lifecycle) {
    for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop].into_iter().flatten() {
        if let Some(action) = &mut handler.http_get {
            http_get(action);
        }
    }
}

fn http_get(action: &mut HTTPGetAction) {
    text(&mut action.path, "/");
    text(&mut action.scheme, "HTTP");
}
