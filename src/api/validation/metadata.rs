//! Object metadata: names, labels, annotations, owners, finalizers. What annotations mean is elsewhere.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};

use super::{Errors, FieldError, invalid_each, names, not_negative, text};
use crate::api::group_version::GroupVersion;
use crate::api::{gojson, schema};

/// The largest sum of annotation keys and values, in bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;
/// The longest name of a field manager, in bytes.
const MANAGER_MAX: usize = 128;
/// The longest name of a subresource, in bytes.
const SUBRESOURCE_MAX: usize = 256;

/// Checks `metadata`.
pub(super) fn check(out: &mut Errors, meta: &ObjectMeta) {
    if !text(&meta.generate_name).is_empty() {
        let prefix = text(&meta.generate_name);
        invalid_each(out, "metadata.generateName", prefix, names::prefix(prefix));
    }
    let name = text(&meta.name);
    if name.is_empty() {
        out.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        invalid_each(out, "metadata.name", name, names::subdomain(name));
    }
    let namespace = text(&meta.namespace);
    if namespace.is_empty() {
        out.push(FieldError::required("metadata.namespace", ""));
    } else {
        invalid_each(out, "metadata.namespace", namespace, names::label(namespace));
    }
    not_negative(out, "metadata.generation", meta.generation.unwrap_or(0));
    labels(out, "metadata.labels", meta.labels.as_ref());
    annotations(out, "metadata.annotations", meta.annotations.as_ref());
    owners(out, meta);
    finalizers(out, meta);
    for (index, managed) in meta.managed_fields.iter().flatten().enumerate() {
        managed_fields(out, &format!("metadata.managedFields[{index}]"), managed);
    }
}

fn managed_fields(out: &mut Errors, path: &str, managed: &ManagedFieldsEntry) {
    if !matches!(text(&managed.operation), "Apply" | "Update") {
        let why = "must be `Apply` or `Update`";
        out.push(FieldError::invalid_word(&format!("{path}.operation"), text(&managed.operation), why));
    }
    if !matches!(text(&managed.fields_type), "" | "FieldsV1") {
        let why = "must be `FieldsV1`";
        out.push(FieldError::invalid(&format!("{path}.fieldsType"), text(&managed.fields_type), why));
    }
    let manager = text(&managed.manager);
    if manager.len() > MANAGER_MAX {
        out.push(FieldError::too_long(&format!("{path}.manager"), MANAGER_MAX));
    }
    for (at, c) in manager.char_indices().filter(|(_, c)| !gojson::prints(*c)) {
        let why = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        out.push(FieldError::invalid(&format!("{path}.manager"), manager, why));
    }
    if text(&managed.subresource).len() > SUBRESOURCE_MAX {
        out.push(FieldError::too_long(&format!("{path}.subresource"), SUBRESOURCE_MAX));
    }
}

/// Checks annotations: keys as those of labels in any case, and their size in sum.
pub(super) fn annotations(out: &mut Errors, path: &str, annotations: Option<&BTreeMap<String, String>>) {
    for key in annotations.into_iter().flatten().map(|(key, _)| key) {
        invalid_each(out, path, key, names::qualified(&key.to_lowercase()));
    }
    annotations_size(out, path, annotations);
}

/// Checks how large annotations are in sum.
pub(super) fn annotations_size(out: &mut Errors, path: &str, annotations: Option<&BTreeMap<String, String>>) {
    let size: usize = annotations.into_iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS_MAX {
        out.push(FieldError::too_long(path, ANNOTATIONS_MAX));
    }
}

/// Checks a label map: keys are qualified names, values label values; all errors carry the map's path.
pub(super) fn labels(out: &mut Errors, path: &str, labels: Option<&BTreeMap<String, String>>) {
    for (key, value) in labels.into_iter().flatten() {
        invalid_each(out, path, key, names::qualified(key));
        invalid_each(out, path, value, names::label_value(value));
    }
}

fn owners(out: &mut Errors, meta: &ObjectMeta) {
    let path = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for owner in meta.owner_references.iter().flatten() {
        // One that cannot be read has no version either.
        let parts = GroupVersion::parse(&owner.api_version).unwrap_or_default();
        if parts.version.is_empty() {
            out.push(FieldError::invalid(
                &format!("{path}.apiVersion"),
                &owner.api_version,
                "version must not be empty",
            ));
        }
        for (field, value) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
            if value.is_empty() {
                out.push(FieldError::invalid(&format!("{path}.{field}"), value, "must not be empty"));
            }
        }
        if (parts.group, parts.version, owner.kind.as_str()) == ("", "v1", "Event") {
            let shown = gojson::render(owner, &schema::OWNER_REFERENCE);
            out.push(FieldError::invalid_raw(path, shown, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.controller == Some(true) {
            let name = format!("{}/{}", owner.kind, owner.name);
            match &controller {
                None => controller = Some(name),
                Some(first) => out.push(FieldError::invalid_raw(
                    path,
                    all_owners(meta.owner_references.as_deref().unwrap_or_default()),
                    format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                    ),
                )),
            }
        }
    }
}

fn all_owners(owners: &[OwnerReference]) -> String {
    let shown: Vec<String> = owners.iter().map(|owner| gojson::render(owner, &schema::OWNER_REFERENCE)).collect();
    format!("[{}]", shown.join(","))
}

fn finalizers(out: &mut Errors, meta: &ObjectMeta) {
    let list: &[String] = meta.finalizers.as_deref().unwrap_or_default();
    for name in list {
        invalid_each(out, "metadata.finalizers", name, names::qualified(name));
    }
    let has = |name: &str| list.iter().any(|each| each == name);
    if has("orphan") && has("foregroundDeletion") {
        out.push(FieldError::invalid_raw(
            "metadata.finalizers",
            gojson::plain(&serde_json::json!(list)),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ));
    }
    for (index, name) in list.iter().enumerate() {
        if !name.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&name.as_str()) {
            out.push(FieldError::invalid(
                &format!("metadata.finalizers[{index}]"),
                name,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}
