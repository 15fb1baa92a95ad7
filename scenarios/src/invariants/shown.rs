//! Reads pods as `/pods` shows them: names, states, conditions. Judges nothing.

use std::time::Duration;

use serde_json::Value;

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn uid(pod: &Value) -> &str {
    text(pod, "/metadata/uid")
}

/// Namespace and name.
pub(super) fn full_name(pod: &Value) -> String {
    format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"))
}

pub(super) fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase")
}

pub(super) fn ended(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub(super) fn grace(pod: &Value) -> Duration {
    let seconds = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Every container of the specification but ephemeral ones; the second says whether it is an init container.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let init = list(pod, "/spec/initContainers").iter().map(|c| (c, true));
    init.chain(list(pod, "/spec/containers").iter().map(|c| (c, false)))
}

pub(super) fn container<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    containers(pod).map(|(c, _)| c).find(|c| text(c, "/name") == name)
}

/// Whether a container stands among the init containers.
pub(super) fn is_init(pod: &Value, name: &str) -> bool {
    containers(pod).any(|(c, init)| init && text(c, "/name") == name)
}

/// Whether the manifest says something of a container.
pub(super) fn has(pod: &Value, name: &str, what: &str) -> bool {
    containers(pod).any(|(c, _)| text(c, "/name") == name && c.pointer(what).is_some())
}

/// Init containers that go on beside the others.
pub(super) fn is_sidecar(container: &Value, init: bool) -> bool {
    init && text(container, "/restartPolicy") == "Always"
}

/// The statuses of all containers.
pub(super) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses"))
}

pub(super) fn status<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    statuses(pod).find(|s| text(s, "/name") == name)
}

/// A container's id without the runtime's name.
pub(super) fn container_id(status: &Value) -> &str {
    let id = text(status, "/containerID");
    id.split_once("://").map_or(id, |(_, id)| id)
}

pub(super) fn conditions(pod: &Value) -> &[Value] {
    list(pod, "/status/conditions")
}

pub(super) fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    conditions(pod).iter().find(|c| text(c, "/type") == kind)
}

pub(super) fn restart_count(status: &Value) -> u64 {
    status.pointer("/restartCount").and_then(Value::as_u64).unwrap_or_default()
}

/// Whether a container has a restart rule, which may end others without grace.
pub(super) fn has_restart_rules(pod: &Value) -> bool {
    containers(pod).any(|(c, _)| !list(c, "/restartPolicyRules").is_empty())
}

/// How long grace may be where probes have their own: the least and the most.
pub(super) fn grace_of(pod: &Value, name: &str) -> (Duration, Duration) {
    let pods = grace(pod);
    let Some(container) = container(pod, name) else { return (pods, pods) };
    let own = ["livenessProbe", "startupProbe"].into_iter().filter_map(|probe| {
        container.pointer(&format!("/{probe}/terminationGracePeriodSeconds")).and_then(Value::as_u64)
    });
    let own: Vec<Duration> = own.map(Duration::from_secs).collect();
    let least = own.iter().copied().fold(pods, Duration::min);
    (least, own.into_iter().fold(pods, Duration::max))
}

/// Whether a pod refers to what only an API server holds.
pub(super) fn needs_api_server(pod: &Value) -> bool {
    let volumes = list(pod, "/spec/volumes").iter();
    let bad_volume = volumes
        .into_iter()
        .any(|v| ["configMap", "secret", "persistentVolumeClaim"].iter().any(|kind| v.get(kind).is_some()));
    let bad_env = containers(pod).any(|(c, _)| {
        let from = list(c, "/envFrom").iter().any(|f| f.get("configMapRef").is_some() || f.get("secretRef").is_some());
        let refs = ["/valueFrom/configMapKeyRef", "/valueFrom/secretKeyRef"];
        from || list(c, "/env").iter().any(|e| refs.iter().any(|r| e.pointer(r).is_some()))
    });
    bad_volume || bad_env || !list(pod, "/spec/resourceClaims").is_empty()
}
