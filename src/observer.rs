//! What the kubelet tells about itself to whoever embeds it: Kubernetes events and status changes. Not logging, and nothing that the
//! kubelet's own behaviour depends on. Upstream records events at an API server; a standalone kubelet only logs them.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// How serious an event is, in the two words that Kubernetes knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// What happens in the usual course.
    Normal,
    /// Something the owner of the pod should look at.
    Warning,
}

impl EventKind {
    /// The word as it stands in an Event object's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event about a pod or about one of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Name of the pod, with the node's name behind it for a static pod.
    pub name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Identity of the pod.
    pub uid: String,
    /// Which part of the pod: `spec.containers{web}`, or empty for the pod itself.
    pub field_path: String,
    /// How serious it is.
    pub kind: EventKind,
    /// The reason in one word: `Pulled`, `Created`, `Started`, `Killing`, `BackOff` …
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

/// An event about the node itself: `Starting`, `InvalidDiskCapacity`, `NodeShutdown` …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Name of the node.
    pub node: String,
    /// How serious it is.
    pub kind: EventKind,
    /// The reason in one word.
    pub reason: String,
    /// The message, for people.
    pub message: String,
}

/// Somebody who is told. Every method does nothing by default and must return at once.
pub trait Observer: Send + Sync {
    /// An event about a pod.
    fn pod_event(&self, _event: &PodEvent) {}

    /// An event about the node.
    fn node_event(&self, _event: &NodeEvent) {}

    /// `/pods` shows a pod from now on. Its first status, to who does not care for the difference.
    fn pod_shown(&self, pod: &Arc<Pod>) {
        self.pod_status(pod);
    }

    /// A pod's status has changed: as `/pods` shows it, if it shows the pod; one that is gone from there has a status until it has ended.
    fn pod_status(&self, _pod: &Arc<Pod>) {}

    /// `/pods` no longer shows a pod.
    fn pod_gone(&self, _pod: &Arc<Pod>) {}

    /// The kubelet runs and its servers listen.
    fn started(&self) {}
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Writes each event to the log, as upstream does without an API server, and passes everything on.
pub struct LogEvents {
    next: Arc<dyn Observer>,
}

impl LogEvents {
    /// Logs, then tells `next`.
    pub fn new(next: Arc<dyn Observer>) -> Self {
        Self { next }
    }
}

impl Observer for LogEvents {
    fn pod_event(&self, event: &PodEvent) {
        tracing::info!(
            object = format!("{}/{}", event.namespace, event.name),
            fieldPath = event.field_path,
            kind = "Pod",
            apiVersion = "v1",
            r#type = event.kind.as_str(),
            reason = event.reason,
            message_ = event.message,
            "Event occurred"
        );
        self.next.pod_event(event);
    }

    fn node_event(&self, event: &NodeEvent) {
        tracing::info!(
            object = event.node,
            fieldPath = "",
            kind = "Node",
            apiVersion = "",
            r#type = event.kind.as_str(),
            reason = event.reason,
            message_ = event.message,
            "Event occurred"
        );
        self.next.node_event(event);
    }

    fn pod_shown(&self, pod: &Arc<Pod>) {
        self.next.pod_shown(pod);
    }

    fn pod_status(&self, pod: &Arc<Pod>) {
        self.next.pod_status(pod);
    }

    fn pod_gone(&self, pod: &Arc<Pod>) {
        self.next.pod_gone(pod);
    }

    fn started(&self) {
        self.next.started();
    }
}
