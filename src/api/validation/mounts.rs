//! Volume mounts and block devices of containers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};

use super::{Errors, FieldError, one_of, require, text, volumes};
use crate::api::pod;

/// The pod's volumes that passed their own checks, by name.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a Volume>;

/// Checks `volumeMounts`, then `volumeDevices`.
pub(super) fn check(out: &mut Errors, path: &str, container: &Container, volumes: &Volumes<'_>) {
    let devices = container.volume_devices.as_deref().unwrap_or_default();
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let all = format!("{path}.volumeMounts");
    let mut paths = BTreeSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let at = format!("{all}[{index}]");
        require(out, &format!("{at}.name"), &mount.name);
        if !volumes.contains_key(mount.name.as_str()) {
            out.push(FieldError::not_found(&format!("{at}.name"), &mount.name, ""));
        }
        require(out, &format!("{at}.mountPath"), &mount.mount_path);
        if !paths.insert(mount.mount_path.as_str()) {
            out.push(FieldError::invalid(&format!("{at}.mountPath"), &mount.mount_path, "must be unique"));
        }
        if devices.iter().any(|device| device.name == mount.name) {
            out.push(FieldError::invalid(
                &format!("{at}.name"),
                &mount.name,
                "must not already exist in volumeDevices",
            ));
        }
        if last_paths(devices.iter().map(|d| (&d.name, &d.device_path))).contains(&mount.mount_path) {
            out.push(FieldError::invalid(
                &format!("{at}.mountPath"),
                &mount.mount_path,
                "must not already exist as a path in volumeDevices",
            ));
        }
        options(out, &all, &at, mount, container);
    }
    block_devices(out, path, container, volumes);
}

/// The paths that upstream compares with: of several of one name the last.
fn last_paths<'a>(named: impl Iterator<Item = (&'a String, &'a String)>) -> BTreeSet<&'a String> {
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The rest of a mount; upstream leaves the index out of most of these paths.
fn options(out: &mut Errors, all: &str, at: &str, mount: &VolumeMount, container: &Container) {
    let (sub_path, expression) = (text(&mount.sub_path), text(&mount.sub_path_expr));
    if !sub_path.is_empty() {
        volumes::descending_path(out, &format!("{all}.subPath"), sub_path);
    }
    if !expression.is_empty() {
        if !sub_path.is_empty() {
            out.push(FieldError::invalid(
                &format!("{at}.subPathExpr"),
                expression,
                "subPathExpr and subPath are mutually exclusive",
            ));
        }
        volumes::descending_path(out, &format!("{all}.subPathExpr"), expression);
    }
    if let Some(propagation) = &mount.mount_propagation {
        let path = format!("{all}.mountPropagation");
        one_of(out, &path, propagation, &["Bidirectional", "HostToContainer", "None"]);
        if propagation == "Bidirectional" && !pod::privileged(container) {
            out.push(FieldError::forbidden(
                &path,
                "Bidirectional mount propagation is available only to privileged containers",
            ));
        }
    }
    let path = format!("{all}.recursiveReadOnly");
    match mount.recursive_read_only.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount.read_only != Some(true) {
                out.push(FieldError::forbidden(&path, "may only be specified when readOnly is true"));
            }
            if mount.mount_propagation.as_deref().is_some_and(|propagation| propagation != "None") {
                out.push(FieldError::forbidden(
                    &path,
                    "may only be specified when mountPropagation is None or not specified",
                ));
            }
        }
        Some(other) => {
            one_of(out, &path, other, &["Disabled", "Enabled", "IfPossible"]);
        }
    }
}

fn block_devices(out: &mut Errors, path: &str, container: &Container, volumes: &Volumes<'_>) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in container.volume_devices.iter().flatten().enumerate() {
        let name_path = format!("{path}.volumeDevices[{index}].name");
        let device_path = format!("{path}.volumeDevices[{index}].devicePath");
        require(out, &name_path, &device.name);
        if names.contains(device.name.as_str()) {
            out.push(FieldError::invalid(&name_path, &device.name, "must be unique"));
        }
        match volumes.get(device.name.as_str()) {
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                out.push(FieldError::invalid(
                    &name_path,
                    &device.name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                ));
            }
            Some(_) => {}
            None => out.push(FieldError::not_found(&name_path, &device.name, "")),
        }
        require(out, &device_path, &device.device_path);
        if paths.contains(device.device_path.as_str()) {
            out.push(FieldError::invalid(&device_path, &device.device_path, "must be unique"));
        }
        if !device.device_path.is_empty() && device.device_path.split('/').any(|part| part == "..") {
            out.push(FieldError::invalid(&device_path, &device.device_path, "can not contain backsteps ('..')"));
        } else {
            paths.insert(device.device_path.as_str());
        }
        if mounts.iter().any(|mount| mount.name == device.name) {
            out.push(FieldError::invalid(&name_path, &device.name, "must not already exist in volumeMounts"));
        }
        if last_paths(mounts.iter().map(|m| (&m.name, &m.mount_path))).contains(&device.device_path) {
            out.push(FieldError::invalid(
                &device_path,
                &device.device_path,
                "must not already exist as a path in volumeMounts",
            ));
        }
        if !device.name.is_empty() {
            names.insert(device.name.as_str());
        }
    }
}
