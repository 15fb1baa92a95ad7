//! What the kubelet adds to a static pod so that it can be told apart: UID, node suffix, annotations. Mirrors upstream's
//! `config.applyDefaults`; v1 defaulting happens earlier, in decoding.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Toleration};

use crate::api::{gojson, hash, labels, pod};

/// Where a static pod was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// A file; the path as given to the kubelet.
    File(&'a str),
    /// A URL.
    Url(&'a str),
}

impl Source<'_> {
    /// The word in the annotation `kubernetes.io/config.source`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Url(_) => "http",
        }
    }
}

/// Gives a decoded pod its identity, in upstream's order: UID (a hash of the defaulted pod and its source, unless the
/// manifest sets one), `-<node>` after the name, namespace, node name, `config.hash`, the file source's toleration, and
/// phase Pending. The same manifest in another file or on another node gets another UID.
///
/// The hash is our own 128-bit FNV-1a over the pod's canonical JSON: upstream hashes a dump of Go memory, which no one
/// else can repeat; all its promises (32 hex digits; changes with the effective content, the file and the node only) hold.
pub fn apply_static_defaults(pod: &mut Pod, source: Source<'_>, node_name: &str) {
    if pod.metadata.uid.as_deref().unwrap_or_default().is_empty() {
        let mut text = gojson::pod(pod);
        match source {
            Source::File(path) => text.push_str(&format!("host:{node_name}file:{path}")),
            Source::Url(url) => text.push_str(&format!("url:{url}")),
        }
        pod.metadata.uid = Some(format!("{:032x}", hash::fnv1a_128(text.as_bytes())));
    }
    let suffix = node_name.to_lowercase();
    pod.metadata.name = Some(format!("{}-{suffix}", pod::name(pod)));
    if pod::namespace(pod).is_empty() {
        pod.metadata.namespace = Some("default".to_owned());
    }
    let uid = pod::uid(pod).to_owned();
    pod.metadata.annotations.get_or_insert_with(BTreeMap::new).insert(labels::CONFIG_HASH.to_owned(), uid);
    let spec = pod.spec.get_or_insert_with(Default::default);
    spec.node_name = Some(node_name.to_owned());
    if matches!(source, Source::File(_)) {
        tolerate_no_execute(spec.tolerations.get_or_insert_with(Vec::new));
    }
    pod.status.get_or_insert_with(Default::default).phase = Some("Pending".to_owned());
}

/// Adds `{operator: Exists, effect: NoExecute}`, in the place of one with the same key, effect, operator and value.
fn tolerate_no_execute(tolerations: &mut Vec<Toleration>) {
    let wanted =
        Toleration { operator: Some("Exists".to_owned()), effect: Some("NoExecute".to_owned()), ..Default::default() };
    let same = |each: &Toleration| {
        each.key.as_deref().unwrap_or_default().is_empty()
            && each.value.as_deref().unwrap_or_default().is_empty()
            && each.operator == wanted.operator
            && each.effect == wanted.effect
    };
    match tolerations.iter_mut().find(|each| same(each)) {
        Some(each) => *each = wanted,
        None => tolerations.push(wanted),
    }
}

/// `<name>_<namespace>`: only one static pod of a full name runs at a time.
pub fn full_name(pod: &Pod) -> String {
    format!("{}_{}", pod::name(pod), pod::namespace(pod))
}

/// `<name>_<namespace>(<uid>)`: how log lines and events name a pod.
pub fn pod_log_name(pod: &Pod) -> String {
    format!("{}_{}({})", pod::name(pod), pod::namespace(pod), pod::uid(pod))
}

/// `<namespace>_<name>_<uid>`: the pod's directory under the log root.
pub fn log_directory_name(pod: &Pod) -> String {
    format!("{}_{}_{}", pod::namespace(pod), pod::name(pod), pod::uid(pod))
}
