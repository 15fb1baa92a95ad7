//! Environment variables of containers and where their values come from.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, FileKeySelector, Pod};

use super::{Errors, FieldError, invalid_each, names, require, selectors, text, volumes};
use crate::api::pod;

/// Checks `env` and `envFrom`.
pub(super) fn check(out: &mut Errors, path: &str, container: &Container) {
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let path = format!("{path}.env[{index}]");
        if require(out, &format!("{path}.name"), &variable.name) {
            invalid_each(out, &format!("{path}.name"), &variable.name, names::env_name(&variable.name));
        }
        if let Some(source) = &variable.value_from {
            value_from(out, &format!("{path}.valueFrom"), variable, source);
        }
    }
    let all = format!("{path}.envFrom");
    for (index, source) in container.env_from.iter().flatten().enumerate() {
        let path = format!("{all}[{index}]");
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            invalid_each(out, &format!("{path}.prefix"), prefix, names::env_name(prefix));
        }
        let mut sources = 0;
        if let Some(reference) = &source.config_map_ref {
            sources += 1;
            object_name(out, &format!("{path}.configMapRef.name"), &reference.name);
        }
        if let Some(reference) = &source.secret_ref {
            sources += 1;
            object_name(out, &format!("{path}.secretRef.name"), &reference.name);
        }
        // Upstream gives these the path of the whole list.
        if sources == 0 {
            out.push(FieldError::invalid(&all, "", "must specify one of: `configMapRef` or `secretRef`"));
        } else if sources > 1 {
            out.push(FieldError::invalid(&all, "", "may not have more than one field specified at a time"));
        }
    }
}

fn object_name(out: &mut Errors, path: &str, name: &str) {
    if require(out, path, name) {
        invalid_each(out, path, name, names::prefix(name));
    }
}

fn value_from(out: &mut Errors, path: &str, variable: &EnvVar, source: &EnvVarSource) {
    let mut sources = 0;
    if let Some(selector) = &source.field_ref {
        sources += 1;
        selectors::field(out, &format!("{path}.fieldRef"), selector, &selectors::ENV_FIELDS);
    }
    if let Some(selector) = &source.resource_field_ref {
        sources += 1;
        selectors::resource(out, &format!("{path}.resourceFieldRef"), selector, false);
    }
    let keys = [
        ("configMapKeyRef", source.config_map_key_ref.as_ref().map(|each| (&each.name, &each.key))),
        ("secretKeyRef", source.secret_key_ref.as_ref().map(|each| (&each.name, &each.key))),
    ];
    for (field, selector) in keys {
        let Some((name, key)) = selector else { continue };
        sources += 1;
        invalid_each(out, &format!("{path}.{field}.name"), name, names::subdomain(name));
        if require(out, &format!("{path}.{field}.key"), key) {
            invalid_each(out, &format!("{path}.{field}.key"), key, names::config_map_key(key));
        }
    }
    if let Some(selector) = &source.file_key_ref {
        sources += 1;
        file_key(out, &format!("{path}.fileKeyRef"), selector);
    }
    if sources == 0 {
        out.push(FieldError::invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ));
    } else if !text(&variable.value).is_empty() {
        out.push(FieldError::invalid(path, "", "may not be specified when `value` is not empty"));
    } else if sources > 1 {
        out.push(FieldError::invalid(path, "", "may not have more than one field specified at a time"));
    }
}

fn file_key(out: &mut Errors, path: &str, selector: &FileKeySelector) {
    let key = format!("{path}.key");
    if require(out, &key, &selector.key) {
        invalid_each(out, &key, &selector.key, names::env_name(&selector.key));
    }
    let at = format!("{path}.volumeName");
    if require(out, &at, &selector.volume_name) {
        invalid_each(out, &at, &selector.volume_name, names::label(&selector.volume_name));
    }
    let at = format!("{path}.path");
    if require(out, &at, &selector.path) {
        volumes::no_backsteps(out, &at, &selector.path);
    }
}

/// Checks that volumes named by `fileKeyRef` are empty directories of the pod; upstream does this last of the spec.
pub(super) fn file_key_volumes(out: &mut Errors, pod: &Pod) {
    let volumes: &[_] = pod::spec(pod).volumes.as_deref().unwrap_or_default();
    let inits = pod::init_containers(pod);
    let lists = pod::app_containers(pod).chain(inits).map(|each| {
        let list = if each.kind == pod::ContainerKind::Init { "initContainers" } else { "containers" };
        (list, each.index, each.container.env.as_deref())
    });
    let ephemeral = pod::spec(pod).ephemeral_containers.iter().flatten().enumerate();
    let ephemeral = ephemeral.map(|(index, each)| ("ephemeralContainers", index, each.env.as_deref()));
    for (list, at, env) in lists.chain(ephemeral) {
        for (index, variable) in env.into_iter().flatten().enumerate() {
            let Some(selector) = variable.value_from.as_ref().and_then(|from| from.file_key_ref.as_ref()) else {
                continue;
            };
            let name = &selector.volume_name;
            let path = format!("spec.{list}[{at}].env[{index}].valueFrom.fileKeyRef.volumeName");
            // Of several of one name upstream takes the last.
            match volumes.iter().rev().find(|volume| volume.name == *name) {
                None => out.push(FieldError::not_found(&path, name, "")),
                Some(volume) if volume.empty_dir.is_none() => {
                    out.push(FieldError::invalid(&path, name, "referenced volume must be of type emptyDir"));
                }
                Some(_) => {}
            }
        }
    }
}
