//! Kubernetes events about pods, their containers and the node, stamped with the wall clock and told to the observer. Not their texts.

use std::{fmt, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use world::WallClock;

use crate::observer::{EventKind, NodeEvent, Observer, PodEvent};

/// Tells events.
#[derive(Clone)]
pub struct Recorder {
    clock: WallClock,
    observer: Arc<dyn Observer>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Tells `observer`, with times from `clock`.
    pub fn new(clock: WallClock, observer: Arc<dyn Observer>) -> Self {
        Self { clock, observer }
    }

    /// An event about the pod itself.
    pub fn pod(&self, pod: &Pod, kind: EventKind, reason: &str, message: impl Into<String>) {
        self.tell(pod, String::new(), kind, reason, message.into());
    }

    /// An event about a container of the pod.
    pub fn container(&self, pod: &Pod, container: &str, kind: EventKind, reason: &str, message: impl Into<String>) {
        self.tell(pod, field_path(pod, container), kind, reason, message.into());
    }

    /// An event about the node.
    pub fn node(&self, node: &str, kind: EventKind, reason: &str, message: impl Into<String>) {
        self.observer.node_event(&NodeEvent {
            time: self.clock.now(),
            node: node.to_owned(),
            kind,
            reason: reason.to_owned(),
            message: message.into(),
        });
    }

    fn tell(&self, pod: &Pod, field_path: String, kind: EventKind, reason: &str, message: String) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.observer.pod_event(&PodEvent {
            time: self.clock.now(),
            name: text(&pod.metadata.name),
            namespace: text(&pod.metadata.namespace),
            uid: text(&pod.metadata.uid),
            field_path,
            kind,
            reason: reason.to_owned(),
            message,
        });
    }
}

/// `spec.containers{web}` or `spec.initContainers{setup}`; empty for a container that the pod does not have.
pub fn field_path(pod: &Pod, container: &str) -> String {
    let Some(spec) = &pod.spec else { return String::new() };
    if spec.containers.iter().any(|c| c.name == container) {
        return format!("spec.containers{{{container}}}");
    }
    if spec.init_containers.iter().flatten().any(|c| c.name == container) {
        return format!("spec.initContainers{{{container}}}");
    }
    String::new()
}
