//! Small questions about a pod object that many parts ask. Reads only; defaults are assumed to be applied, and where one
//! is missing the default's value is answered.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};

/// Which list of the spec a container stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKind {
    /// `spec.initContainers`, sidecars included.
    Init,
    /// `spec.containers`.
    App,
}

/// A container with its place in the spec.
#[derive(Debug, Clone, Copy)]
pub struct ContainerRef<'a> {
    /// The list it stands in.
    pub kind: ContainerKind,
    /// Its index in that list.
    pub index: usize,
    /// The container.
    pub container: &'a Container,
}

impl ContainerRef<'_> {
    /// The field path that events about it carry: `spec.containers{web}`, `spec.initContainers{setup}`.
    pub fn field_path(&self) -> String {
        field_path(self.kind, &self.container.name)
    }
}

/// The field path of a container by name: `spec.containers{web}`.
pub fn field_path(kind: ContainerKind, name: &str) -> String {
    match kind {
        ContainerKind::Init => format!("spec.initContainers{{{name}}}"),
        ContainerKind::App => format!("spec.containers{{{name}}}"),
    }
}

/// The pod's spec; an empty one when it has none (a decoded manifest always has one after validation).
pub fn spec(pod: &Pod) -> &PodSpec {
    static NONE: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    pod.spec.as_ref().unwrap_or(&NONE)
}

/// Init containers then app containers, in spec order.
pub fn containers(pod: &Pod) -> impl Iterator<Item = ContainerRef<'_>> {
    init_containers(pod).chain(app_containers(pod))
}

/// `spec.initContainers` in order.
pub fn init_containers(pod: &Pod) -> impl Iterator<Item = ContainerRef<'_>> {
    spec(pod).init_containers.iter().flatten().enumerate().map(|(index, container)| ContainerRef {
        kind: ContainerKind::Init,
        index,
        container,
    })
}

/// `spec.containers` in order.
pub fn app_containers(pod: &Pod) -> impl Iterator<Item = ContainerRef<'_>> {
    spec(pod).containers.iter().enumerate().map(|(index, container)| ContainerRef {
        kind: ContainerKind::App,
        index,
        container,
    })
}

/// The container of that name, init containers included.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<ContainerRef<'a>> {
    containers(pod).find(|each| each.container.name == name)
}

/// Whether an init container is a sidecar: its own `restartPolicy` is `Always`.
pub fn is_restartable_init(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The pod's name; empty when unset.
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// The pod's namespace; empty when unset.
pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

/// The pod's UID; empty when unset.
pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// The pod's labels; empty when unset.
pub fn labels(pod: &Pod) -> &BTreeMap<String, String> {
    pod.metadata.labels.as_ref().unwrap_or(&EMPTY)
}

/// The pod's annotations; empty when unset.
pub fn annotations(pod: &Pod) -> &BTreeMap<String, String> {
    pod.metadata.annotations.as_ref().unwrap_or(&EMPTY)
}

static EMPTY: BTreeMap<String, String> = BTreeMap::new();

/// `spec.restartPolicy` as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Restart after any exit (the default).
    Always,
    /// Restart after a non-zero exit.
    OnFailure,
    /// Never restart.
    Never,
}

impl RestartPolicy {
    /// Reads the word in a spec; unknown words and nothing count as `Always` (validation has refused unknown ones).
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            _ => Self::Always,
        }
    }

    /// The word in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

/// The pod's restart policy.
pub fn restart_policy(pod: &Pod) -> RestartPolicy {
    RestartPolicy::parse(spec(pod).restart_policy.as_deref())
}

/// The grace period of a normal stop, in seconds: `spec.terminationGracePeriodSeconds`, 30 when unset.
pub fn termination_grace_seconds(pod: &Pod) -> i64 {
    spec(pod).termination_grace_period_seconds.unwrap_or(30)
}

/// Whether the pod shares the node's network.
pub fn host_network(pod: &Pod) -> bool {
    spec(pod).host_network.unwrap_or(false)
}

/// Whether the pod shares the node's process ids.
pub fn host_pid(pod: &Pod) -> bool {
    spec(pod).host_pid.unwrap_or(false)
}

/// Whether the pod shares the node's IPC namespace.
pub fn host_ipc(pod: &Pod) -> bool {
    spec(pod).host_ipc.unwrap_or(false)
}

/// Whether the pod's containers share one process namespace.
pub fn share_process_namespace(pod: &Pod) -> bool {
    spec(pod).share_process_namespace.unwrap_or(false)
}

/// Whether the container asks for all privileges.
pub fn privileged(container: &Container) -> bool {
    container.security_context.as_ref().and_then(|context| context.privileged).unwrap_or(false)
}

/// Volumes that some container mounts, in the pod's order.
pub fn used_volumes(pod: &Pod) -> Vec<&Volume> {
    let spec = spec(pod);
    let used: BTreeSet<&str> = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .flat_map(|c| c.volume_mounts.iter().flatten())
        .map(|m| m.name.as_str())
        .collect();
    spec.volumes.iter().flatten().filter(|v| used.contains(v.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_come_in_order_with_their_paths() {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
            "containers": [{"name": "a"}, {"name": "b", "securityContext": {"privileged": true}}],
        }}))
        .expect("pod");
        let paths: Vec<String> = containers(&pod).map(|each| each.field_path()).collect();
        let want = ["spec.initContainers{i}", "spec.initContainers{s}", "spec.containers{a}", "spec.containers{b}"];
        assert_eq!(paths, want);
        let sidecars: Vec<bool> = init_containers(&pod).map(|each| is_restartable_init(each.container)).collect();
        assert_eq!(sidecars, [false, true]);
        let b = container(&pod, "b").expect("there");
        assert!((b.kind, b.index) == (ContainerKind::App, 1) && privileged(b.container));
        assert!(container(&pod, "x").is_none());
    }

    #[test]
    fn what_is_missing_reads_as_its_default() {
        let pod = Pod::default();
        assert_eq!(restart_policy(&pod), RestartPolicy::Always);
        assert_eq!(termination_grace_seconds(&pod), 30);
        assert!(!host_network(&pod) && !host_pid(&pod) && !host_ipc(&pod) && !share_process_namespace(&pod));
        assert!(name(&pod).is_empty() && labels(&pod).is_empty() && containers(&pod).next().is_none());
        for policy in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
            assert_eq!(RestartPolicy::parse(Some(policy.as_str())), policy);
        }
    }
}
