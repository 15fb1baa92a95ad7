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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::decode;

    const MANIFEST: &str =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: nginx}]}\n";

    fn identified(manifest: &str, source: Source<'_>, node: &str) -> Pod {
        let mut pod = decode::manifest(manifest.as_bytes()).expect("good");
        apply_static_defaults(&mut pod, source, node);
        pod
    }

    #[test]
    fn a_static_pod_gets_its_identity() {
        let pod = identified(MANIFEST, Source::File("/m/web.yaml"), "Node1");
        assert_eq!(full_name(&pod), "web-node1_default");
        let uid = pod::uid(&pod);
        assert_eq!(pod_log_name(&pod), format!("web-node1_default({uid})"));
        assert_eq!(log_directory_name(&pod), format!("default_web-node1_{uid}"));
        assert!(uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
        assert_eq!(pod::annotations(&pod)[labels::CONFIG_HASH], uid);
        assert_eq!(pod::spec(&pod).node_name.as_deref(), Some("Node1"));
        assert_eq!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Pending"));
        let tolerations = pod::spec(&pod).tolerations.as_ref().expect("one");
        assert_eq!((tolerations.len(), tolerations[0].effect.as_deref()), (1, Some("NoExecute")));
    }

    #[test]
    fn the_uid_follows_content_file_and_node_only() {
        let base = identified(MANIFEST, Source::File("/m/a"), "n");
        let same = identified(&format!("# a comment\n{MANIFEST}"), Source::File("/m/a"), "n");
        assert_eq!(base, same);
        let uid = |pod: &Pod| pod::uid(pod).to_owned();
        let reordered =
            "kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - image: nginx\n    name: c\nmetadata:\n  name: web\n";
        assert_eq!(uid(&base), uid(&identified(reordered, Source::File("/m/a"), "n")));
        for other in [
            identified(MANIFEST, Source::File("/m/b"), "n"),
            identified(MANIFEST, Source::File("/m/a"), "m"),
            identified(MANIFEST, Source::Url("/m/a"), "n"),
            identified(&MANIFEST.replace("nginx", "nginx:1"), Source::File("/m/a"), "n"),
        ] {
            assert_ne!(uid(&base), uid(&other));
        }
    }

    /// A new release must not take running pods for changed ones.
    #[test]
    fn the_uid_of_a_manifest_stays_from_release_to_release() {
        let pod = identified(MANIFEST, Source::File("/etc/kubernetes/manifests/web.yaml"), "node1");
        assert_eq!(pod::uid(&pod), "5afe2b06a58f5c755da101fcce67c71b");
    }

    #[test]
    fn a_written_uid_is_kept_and_a_url_adds_no_toleration() {
        let pod = identified(
            &MANIFEST.replace("name: web", "name: web, uid: mine, namespace: x"),
            Source::Url("http://h/"),
            "n",
        );
        assert_eq!((pod::uid(&pod), pod::namespace(&pod)), ("mine", "x"));
        assert_eq!(pod::annotations(&pod)[labels::CONFIG_HASH], "mine");
        assert_eq!(pod::spec(&pod).tolerations, None);
        assert_eq!(Source::Url("http://h/").word(), "http");
    }

    #[test]
    fn a_toleration_of_the_same_kind_is_replaced() {
        let spec = "spec: {tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 5}, {key: a, operator: Exists}], containers";
        let pod = identified(&MANIFEST.replace("spec: {containers", spec), Source::File("f"), "n");
        let tolerations = pod::spec(&pod).tolerations.as_ref().expect("two");
        assert_eq!((tolerations.len(), tolerations[0].toleration_seconds), (2, None));
    }
}
