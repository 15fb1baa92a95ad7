//! Volumes for which a claim would be made: the template of that claim. Nothing makes claims here, so such a pod is refused later; what is
//! wrong with the template is told before.

use k8s_openapi::api::core::v1::{
    EphemeralVolumeSource, PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Errors, FieldError, one_of, require, text};
use crate::api::quantity::Quantity;
use crate::api::validation::{affinity, invalid_each, metadata, names};

const ALONE: &str = "ReadWriteOncePod";
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", ALONE];

/// Checks an `ephemeral` source.
pub(super) fn check(out: &mut Errors, path: &str, source: &EphemeralVolumeSource) {
    let at = format!("{path}.volumeClaimTemplate");
    let Some(template) = &source.volume_claim_template else {
        out.push(FieldError::required(&at, ""));
        return;
    };
    meta(out, &format!("{at}.metadata"), template.metadata.as_ref().unwrap_or(&ObjectMeta::default()));
    claim(out, &format!("{at}.spec"), &template.spec);
}

/// Of the metadata only labels and annotations go to the claim; the rest may not be there.
fn meta(out: &mut Errors, path: &str, meta: &ObjectMeta) {
    metadata::annotations(out, &format!("{path}.annotations"), meta.annotations.as_ref());
    metadata::labels(out, &format!("{path}.labels"), meta.labels.as_ref());
    let some = |field: &Option<String>| !text(field).is_empty();
    for (field, set) in [
        ("name", some(&meta.name)),
        ("generateName", some(&meta.generate_name)),
        ("namespace", some(&meta.namespace)),
        ("selfLink", some(&meta.self_link)),
        ("uID", some(&meta.uid)),
        ("resourceVersion", some(&meta.resource_version)),
        ("generation", meta.generation.unwrap_or(0) != 0),
        ("creationTimestamp", meta.creation_timestamp.is_some()),
        ("deletionTimestamp", meta.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", meta.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", meta.owner_references.is_some()),
        ("finalizers", meta.finalizers.is_some()),
        ("managedFields", meta.managed_fields.is_some()),
    ] {
        if set {
            out.push(FieldError::forbidden(&format!("{path}.{field}"), "cannot be set"));
        }
    }
}

fn claim(out: &mut Errors, path: &str, spec: &PersistentVolumeClaimSpec) {
    let at = format!("{path}.accessModes");
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        out.push(FieldError::required(&at, "at least 1 access mode is required"));
    }
    if let Some(selector) = &spec.selector {
        affinity::label_selector(out, &format!("{path}.selector"), selector);
    }
    let mut known = Vec::new();
    for mode in modes {
        if one_of(out, &at, mode, &ACCESS_MODES) {
            known.push(mode == ALONE);
        }
    }
    if known.contains(&true) && known.contains(&false) {
        out.push(FieldError::forbidden(&at, "may not use ReadWriteOncePod with other access modes"));
    }
    storage(out, &format!("{path}.resources[storage]"), spec);
    let class = text(&spec.storage_class_name);
    if !class.is_empty() {
        invalid_each(out, &format!("{path}.storageClassName"), class, names::subdomain(class));
    }
    if let Some(mode) = &spec.volume_mode {
        one_of(out, &format!("{path}.volumeMode"), mode, &["Block", "Filesystem"]);
    }
    sources(out, path, spec);
    let class = text(&spec.volume_attributes_class_name);
    if !class.is_empty() {
        invalid_each(out, &format!("{path}.volumeAttributesClassName"), class, names::subdomain(class));
    }
}

fn storage(out: &mut Errors, path: &str, spec: &PersistentVolumeClaimSpec) {
    match spec.resources.as_ref().and_then(|each| each.requests.as_ref()?.get("storage")) {
        None => out.push(FieldError::required(path, "")),
        Some(size) if Quantity::of(size).sign() <= 0 => {
            out.push(FieldError::invalid(path, &Quantity::shown(&size.0), "must be greater than zero"));
        }
        Some(_) => {}
    }
}

/// Where the volume's content comes from, in the older and the newer field.
fn sources(out: &mut Errors, path: &str, spec: &PersistentVolumeClaimSpec) {
    let (older, newer) = (spec.data_source.as_ref(), spec.data_source_ref.as_ref());
    if let Some(TypedLocalObjectReference { api_group, kind, name }) = older {
        source(out, &format!("{path}.dataSource"), text(api_group), kind, name);
    }
    let namespace = newer.map_or("", |each| text(&each.namespace));
    if let Some(TypedObjectReference { api_group, kind, name, .. }) = newer {
        let path = format!("{path}.dataSourceRef");
        source(out, &path, text(api_group), kind, name);
        if !namespace.is_empty() {
            invalid_each(out, &format!("{path}.namespace"), namespace, names::label(namespace));
        }
    }
    let (Some(older), Some(newer)) = (older, newer) else { return };
    let same = older.api_group == newer.api_group && older.kind == newer.kind && older.name == newer.name;
    if !namespace.is_empty() {
        // What upstream shows as the value is a path, which prints as nothing.
        out.push(FieldError::invalid_raw(path, "{}", "may not be specified when dataSourceRef.namespace is specified"));
    } else if !same {
        out.push(FieldError::invalid_raw(path, "{}", "must match dataSourceRef"));
    }
}

fn source(out: &mut Errors, path: &str, group: &str, kind: &str, name: &str) {
    require(out, &format!("{path}.name"), name);
    require(out, &format!("{path}.kind"), kind);
    if !group.is_empty() {
        invalid_each(out, &format!("{path}.apiGroup"), group, names::subdomain(group));
    } else if kind != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        out.push(FieldError::invalid(path, kind, why));
    }
}
