//! Names that the runtime half makes: `name_ns(uid)`, log directories and files, flat log links. Pure.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// `metadata.name`, or empty.
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// `metadata.namespace`, or empty.
pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

/// `metadata.uid`, or empty.
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// `<name>_<namespace>(<uid>)`, as messages name a pod.
pub fn format_pod(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

/// The text as one component of a path: itself if it is one. What else a manifest or a runtime comes up with (nothing, `..`, slashes)
/// becomes a name that leads nowhere.
pub fn component(text: &str) -> Cow<'_, str> {
    match text {
        "" | "." | ".." => Cow::Owned("_".repeat(text.len().max(1))),
        _ if text.contains(['/', '\0']) => Cow::Owned(text.replace(['/', '\0'], "_")),
        _ => Cow::Borrowed(text),
    }
}

/// `<podLogsDir>/<namespace>_<name>_<uid>`.
pub fn pod_log_dir(pod_logs_dir: &Path, namespace: &str, name: &str, uid: &str) -> PathBuf {
    pod_logs_dir.join(&*component(&format!("{namespace}_{name}_{uid}")))
}

/// `<container>/<restart count>.log`, relative to the pod's log directory.
pub fn log_path(container: &str, restart_count: i32) -> String {
    format!("{container}/{restart_count}.log")
}

/// File name of the flat link: `<pod>_<namespace>_<container>-<id>.log`, cut before `.log` to 255 bytes in all.
pub fn log_link(pod: &str, namespace: &str, container: &str, id: &str) -> String {
    const LONGEST: usize = 255 - 4;
    let mut stem = format!("{pod}_{namespace}_{container}-{id}");
    while stem.len() > LONGEST {
        stem.pop();
    }
    component(&(stem + ".log")).into_owned()
}

/// The regular container of that name, or the init container.
pub fn container<'a>(spec: &'a PodSpec, name: &str) -> Option<&'a Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_never_longer_than_a_file_name_may_be() {
        assert_eq!(log_link("web", "default", "main", "abc"), "web_default_main-abc.log");
        let long = log_link(&"p".repeat(200), "default", &"c".repeat(63), &"f".repeat(64));
        assert_eq!(long.len(), 255);
        assert!(long.ends_with(".log"));
    }
}
