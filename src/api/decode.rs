//! Manifest bytes to a pod, as upstream's lenient universal decoder reads them: YAML 1.1 or JSON, first document only,
//! unknown fields dropped, type errors in Go's words. Includes v1 defaulting, as the decoder does; checks nothing else.

mod check;
mod json;
mod time;
mod yaml;

use std::borrow::Cow;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use crate::api::group_version::GroupVersion;
use crate::api::{defaults, gojson, schema};

pub use yaml::Overridden;

/// Why bytes could not be read as a pod. Display is what upstream prints, without the file or URL around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are neither YAML nor JSON.
    #[error("{0}")]
    Syntax(String),
    /// `kind` or `apiVersion` is missing, or the pair names no type that the kubelet knows.
    #[error("{0}")]
    Type(String),
    /// A field has the wrong type or an unreadable value.
    #[error("{0}")]
    Field(String),
    /// The document is a known object, but not a Pod. Upstream prints the whole object from memory here; only its type is
    /// kept.
    #[error("invalid pod: {0}")]
    NotAPod(String),
    /// The document is a known object, but not a PodList.
    #[error("invalid pods list: {0}")]
    NotAList(String),
}

/// Why bytes are neither a pod nor a list of pods. Display is the inner part of upstream's message for a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("couldn't parse as single ({single}) or multiple pods ({multiple})")]
pub struct NeitherError {
    /// Why it is not a pod.
    pub single: DecodeError,
    /// Why it is not a list.
    pub multiple: DecodeError,
}

/// A field of a manifest that the kubelet ignores because it does not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it stands: `spec.containers[0].imagePullpolicy`.
    pub path: String,
    /// The field names known at that place, for suggestions.
    pub known: Vec<&'static str>,
}

/// Reads one pod and applies v1 defaults. Only the first YAML document counts.
///
/// # Errors
/// See [`DecodeError`]; `couldn't parse as pod(<error>)` is the caller's to put around it.
pub fn manifest(bytes: &[u8]) -> Result<Pod, DecodeError> {
    manifest_and_unknown(bytes).map(|(pod, _)| pod)
}

/// As [`manifest`], with the fields that would be dropped silently: reading the text is what takes time.
///
/// # Errors
/// As [`manifest`].
pub fn manifest_and_unknown(bytes: &[u8]) -> Result<(Pod, Vec<UnknownField>), DecodeError> {
    let value = yaml::document(bytes)?;
    match kind_in(&value, bytes)? {
        Kind::Pod => {
            let clean = check::clean(&value, &schema::POD, yaml::json_text(bytes).as_deref())?;
            Ok((finish(clean)?, check::unknown(&value, &schema::POD)))
        }
        Kind::PodList => Err(DecodeError::NotAPod("&core.PodList{}".to_owned())),
        Kind::Other(kind) => Err(DecodeError::NotAPod(format!("&core.{kind}{{}}"))),
    }
}

/// Reads a PodList. A broken item spoils the list; a `v1 List` is not one.
///
/// # Errors
/// See [`DecodeError`].
pub fn list(bytes: &[u8]) -> Result<Vec<Pod>, DecodeError> {
    let value = yaml::document(bytes)?;
    match kind_in(&value, bytes)? {
        Kind::PodList => {
            let list = check::clean(&value, &schema::POD_LIST, yaml::json_text(bytes).as_deref())?;
            let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            items.into_iter().map(finish).collect()
        }
        Kind::Pod => Err(DecodeError::NotAList("&core.Pod{}".to_owned())),
        Kind::Other(kind) => Err(DecodeError::NotAList(format!("&core.{kind}{{}}"))),
    }
}

/// Reads one pod, or else a PodList, as the URL source does.
///
/// # Errors
/// Both answers: that of [`manifest`] and that of [`list`].
pub fn manifest_or_list(bytes: &[u8]) -> Result<Vec<Pod>, NeitherError> {
    match manifest(bytes) {
        Ok(pod) => Ok(vec![pod]),
        Err(single) => list(bytes).map_err(|multiple| NeitherError { single, multiple }),
    }
}

/// The fields of a manifest that would be dropped silently. Nothing for bytes that are not a pod or a list of pods.
pub fn unknown_fields(bytes: &[u8]) -> Vec<UnknownField> {
    let Ok(value) = yaml::document(bytes) else { return Vec::new() };
    match kind_in(&value, bytes) {
        Ok(Kind::Pod) => check::unknown(&value, &schema::POD),
        Ok(Kind::PodList) => check::unknown(&value, &schema::POD_LIST),
        _ => Vec::new(),
    }
}

/// The first document as the decoder sees it, before any field is checked.
///
/// # Errors
/// [`DecodeError::Syntax`].
pub fn document(bytes: &[u8]) -> Result<Value, DecodeError> {
    yaml::document(bytes)
}

/// Keys of the first document that do not count, as they stand again.
pub fn overridden(bytes: &[u8]) -> Vec<Overridden> {
    yaml::overridden(&String::from_utf8_lossy(bytes))
}

/// The line, from 1, where a second YAML document starts that nobody reads.
pub fn second_document(bytes: &[u8]) -> Option<usize> {
    yaml::second_document(&String::from_utf8_lossy(bytes))
}

/// Where the value stands whose type or text the decoder refuses: `spec.containers[1].image`.
pub fn refused_at(bytes: &[u8]) -> Option<String> {
    let value = yaml::document(bytes).ok()?;
    match kind_in(&value, bytes) {
        Ok(Kind::Pod) => check::refused_at(&value, &schema::POD),
        Ok(Kind::PodList) => check::refused_at(&value, &schema::POD_LIST),
        _ => None,
    }
}

/// Turns a checked value into the typed object and applies the conversions and defaults of decoding.
fn finish(value: Value) -> Result<Pod, DecodeError> {
    let mut pod: Pod = serde_json::from_value(value).map_err(|error| DecodeError::Field(error.to_string()))?;
    defaults::apply(&mut pod);
    Ok(pod)
}

enum Kind {
    Pod,
    PodList,
    Other(String),
}

/// Finds the type by `apiVersion` and `kind`; the error texts are the scheme's, and quote the document as it came.
fn kind_in(value: &Value, bytes: &[u8]) -> Result<Kind, DecodeError> {
    let shown = || yaml::json_text(bytes).map_or_else(|| gojson::plain(value), Cow::into_owned);
    if !value.is_object() && !value.is_null() {
        return Err(DecodeError::Type(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ \
             APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            check::json_kind(value)
        )));
    }
    // These two keys alone may be written with any capitals; the last of several counts.
    let (mut version, mut kind) = (String::new(), String::new());
    let mut wrong = None;
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = match key {
            key if key.eq_ignore_ascii_case("apiVersion") => &mut version,
            key if key.eq_ignore_ascii_case("kind") => &mut kind,
            _ => continue,
        };
        match inner {
            Value::Null => {}
            Value::String(text) => place.clone_from(text),
            other => wrong = wrong.or(Some((key, check::json_kind(other)))),
        }
    }
    if let Some((key, found)) = wrong {
        return Err(DecodeError::Type(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go struct field .{key} of type string"
        )));
    }
    let parts = GroupVersion::parse(&version).map_err(|error| DecodeError::Type(error.to_string()))?;
    if kind.is_empty() {
        return Err(DecodeError::Type(format!("Object 'Kind' is missing in '{}'", shown())));
    }
    if parts.version.is_empty() {
        return Err(DecodeError::Type(format!("Object 'apiVersion' is missing in '{}'", shown())));
    }
    match (parts.group, parts.version, kind.as_str()) {
        ("", "v1", "Pod") => Ok(Kind::Pod),
        ("", "v1", "PodList") => Ok(Kind::PodList),
        ("", "v1", other) if CORE_KINDS.contains(&other) => Ok(Kind::Other(other.to_owned())),
        _ => Err(DecodeError::Type(format!(
            "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            gojson::go_quoted(&kind),
            gojson::go_quoted(&parts.text())
        ))),
    }
}

/// Kinds of the core group that decode and are then refused for not being a pod.
const CORE_KINDS: &[&str] = &[
    "Binding",
    "ComponentStatus",
    "ConfigMap",
    "Endpoints",
    "Event",
    "LimitRange",
    "List",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
    "Service",
    "ServiceAccount",
];

#[cfg(test)]
mod tests;
