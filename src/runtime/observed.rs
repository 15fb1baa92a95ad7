//! What the runtime says of a pod: its sandboxes and containers as last read. Not the API status, which is computed from this.
//!
//! Mirrors the part of upstream's `kubecontainer.PodStatus` that decisions and the API status read.

use jiff::Timestamp;

/// A container id with the runtime's name before it: `containerd://0123…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    /// `VersionResponse.runtime_name`.
    pub runtime: String,
    /// The runtime's own id.
    pub id: String,
}

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.runtime, self.id)
    }
}

/// State of a container, in the kubelet's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime cannot tell.
    Unknown,
}

/// One container as the runtime describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedContainer {
    /// Id with the runtime's name.
    pub id: ContainerId,
    /// Sandbox it belongs to, where known.
    pub sandbox_id: String,
    /// Name in the pod's spec, from the label `io.kubernetes.container.name`.
    pub name: String,
    /// State.
    pub state: ContainerState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was started; `None` if never.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` if it has not.
    pub finished_at: Option<Timestamp>,
    /// Exit code; meaningful when exited.
    pub exit_code: i32,
    /// The runtime's reason: `Completed`, `Error`, `OOMKilled`, …
    pub reason: String,
    /// The runtime's message, with the termination message already joined to it.
    pub message: String,
    /// `ContainerStatus.image.image`.
    pub image: String,
    /// `ContainerStatus.image_ref`, shown as `imageID`.
    pub image_ref: String,
    /// `ContainerStatus.image_id`, or empty.
    pub image_id: String,
    /// The annotation `io.kubernetes.container.hash`, or empty.
    pub hash: String,
    /// The annotation `io.kubernetes.container.restartCount`.
    pub restart_count: i32,
    /// Absolute path of its log.
    pub log_path: String,
    /// `ContainerStatus.resources`, as the runtime has it.
    pub resources: Option<cri_proto::v1::ContainerResources>,
    /// `ContainerStatus.user`.
    pub user: Option<cri_proto::v1::ContainerUser>,
    /// `ContainerStatus.mounts`.
    pub mounts: Vec<cri_proto::v1::Mount>,
    /// `ContainerStatus.stop_signal`.
    pub stop_signal: i32,
}

/// One sandbox as the runtime describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSandbox {
    /// The runtime's id.
    pub id: String,
    /// `metadata.attempt`.
    pub attempt: u32,
    /// Whether it is READY.
    pub ready: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it runs in the node's network namespace.
    pub host_network: bool,
    /// `network.ip` then `network.additional_ips`; `None` if the status had no network.
    pub ips: Option<Vec<String>>,
}

/// Everything the runtime holds of one pod.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ObservedPod {
    /// `metadata.uid` of its sandboxes.
    pub uid: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// Addresses of the newest READY sandbox, or those known before it stopped.
    pub ips: Vec<String>,
    /// Sandboxes, newest first: attempt descending, then creation descending, then id ascending.
    pub sandboxes: Vec<ObservedSandbox>,
    /// Containers, newest creation first.
    pub containers: Vec<ObservedContainer>,
}

impl ObservedPod {
    /// The newest container of that name.
    pub fn container(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// All running containers.
    pub fn running(&self) -> impl Iterator<Item = &ObservedContainer> {
        self.containers.iter().filter(|c| c.state == ContainerState::Running)
    }

    /// The newest sandbox.
    pub fn sandbox(&self) -> Option<&ObservedSandbox> {
        self.sandboxes.first()
    }
}

/// One sandbox as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSandbox {
    /// The runtime's id.
    pub id: String,
    /// `metadata.attempt`.
    pub attempt: u32,
    /// Whether it is READY.
    pub ready: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// One container as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedContainer {
    /// Id with the runtime's name.
    pub id: ContainerId,
    /// `pod_sandbox_id`.
    pub sandbox_id: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.attempt`.
    pub attempt: u32,
    /// State.
    pub state: ContainerState,
    /// When it was created.
    pub created_at: Timestamp,
    /// `image.image`.
    pub image: String,
    /// `image_ref`.
    pub image_ref: String,
}

/// What listings show of one pod.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListedPod {
    /// Identity.
    pub uid: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Sandboxes, newest first.
    pub sandboxes: Vec<ListedSandbox>,
    /// Containers, newest first.
    pub containers: Vec<ListedContainer>,
}

impl ListedPod {
    /// Whether anything of it runs.
    pub fn is_running(&self) -> bool {
        self.sandboxes.iter().any(|s| s.ready) || self.containers.iter().any(|c| c.state == ContainerState::Running)
    }
}
