//! What a fake runtime holds: sandboxes, containers, and how each is described to clients. Pure data, no waiting.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use cri_proto::v1::{self, ContainerConfig, ContainerState, NamespaceMode, PodSandboxConfig, PodSandboxState};
use tokio::time::Instant;

use crate::{
    behaviours::{Behaviour, Subject},
    catalogue::Image,
    logs::Log,
    os::{FileTree, Kernel, Namespaces, Process},
    stdio::Stdio,
};

/// A sandbox.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// 64 hex digits.
    pub id: String,
    /// As the client sent it.
    pub config: PodSandboxConfig,
    /// Runtime handler.
    pub handler: String,
    /// Whether it is READY.
    pub ready: bool,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Number in order of creation: the newest of equal times is listed first.
    pub order: u64,
    /// Pod addresses; empty in the node's network.
    pub ips: Vec<IpAddr>,
    /// Processes that share the pod's pid namespace, where it has one.
    pub shared: Option<Kernel>,
    /// Files that every container gets: host name and resolver.
    pub files: world::Files,
    /// What its containers share beside processes.
    pub namespaces: Namespaces,
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// 64 hex digits.
    pub id: String,
    /// Its sandbox.
    pub sandbox: String,
    /// As the client sent it.
    pub config: ContainerConfig,
    /// Its image.
    pub image: Image,
    /// State.
    pub state: ContainerState,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Nanoseconds since the epoch, or 0.
    pub started_at: i64,
    /// Nanoseconds since the epoch, or 0.
    pub finished_at: i64,
    /// When it started, for stats and rules.
    pub started: Option<Instant>,
    /// Exit status.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`.
    pub reason: String,
    /// Message of a failed start.
    pub message: String,
    /// Number in order of creation.
    pub order: u64,
    /// Its log.
    pub log: Arc<Log>,
    /// What goes in and out of its first process.
    pub stdio: Arc<Stdio>,
    /// Its first process, once started.
    pub process: Option<Process>,
    /// Its processes.
    pub kernel: Option<Kernel>,
    /// Its files, once started.
    pub tree: Option<FileTree>,
    /// Name by which the image is shown.
    pub image_name: String,
    /// Reference by which the kubelet shows the image: its digest or id.
    pub image_ref: String,
    /// What it does instead of its program.
    pub behaviour: Option<Arc<Behaviour>>,
    /// Resources as last set.
    pub resources: Option<v1::LinuxContainerResources>,
    /// Who it runs as, once known.
    pub user: Option<v1::LinuxContainerUser>,
    /// Whether somebody is stopping it.
    pub stopping: bool,
    /// Ids of the images that its mounts mean, by place in `config.mounts`.
    pub mounted_images: BTreeMap<usize, String>,
}

impl Sandbox {
    /// Name, uid, namespace, attempt.
    pub fn metadata(&self) -> v1::PodSandboxMetadata {
        self.config.metadata.clone().unwrap_or_default()
    }

    fn namespace_options(&self) -> v1::NamespaceOption {
        let linux = self.config.linux.as_ref().and_then(|l| l.security_context.as_ref());
        linux.and_then(|s| s.namespace_options.clone()).unwrap_or_default()
    }

    /// Whether it is in the node's network.
    pub fn host_network(&self) -> bool {
        self.namespace_options().network == NamespaceMode::Node as i32
    }

    /// Whether containers share one pid namespace.
    pub fn shares_processes(&self) -> bool {
        self.namespace_options().pid == NamespaceMode::Pod as i32
    }

    fn state(&self) -> PodSandboxState {
        if self.ready { PodSandboxState::SandboxReady } else { PodSandboxState::SandboxNotready }
    }

    /// As lists show it.
    pub fn listed(&self) -> v1::PodSandbox {
        v1::PodSandbox {
            id: self.id.clone(),
            metadata: Some(self.metadata()),
            state: self.state() as i32,
            created_at: self.created_at,
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            runtime_handler: self.handler.clone(),
        }
    }

    /// As its status shows it.
    pub fn status(&self) -> v1::PodSandboxStatus {
        // Once the network is gone its addresses are too, but for the state that clients keep of them.
        let mut ips = self.ips.iter().map(ToString::to_string);
        v1::PodSandboxStatus {
            id: self.id.clone(),
            metadata: Some(self.metadata()),
            state: self.state() as i32,
            created_at: self.created_at,
            network: Some(v1::PodSandboxNetworkStatus {
                ip: ips.next().unwrap_or_default(),
                additional_ips: ips.map(|ip| v1::PodIp { ip }).collect(),
            }),
            linux: Some(v1::LinuxPodSandboxStatus {
                namespaces: Some(v1::Namespace { options: Some(self.namespace_options()) }),
            }),
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            runtime_handler: self.handler.clone(),
        }
    }
}

impl Container {
    /// Name and attempt.
    pub fn metadata(&self) -> v1::ContainerMetadata {
        self.config.metadata.clone().unwrap_or_default()
    }

    /// Its mounts, with the images that were found for them.
    fn mounts(&self) -> Vec<v1::Mount> {
        let mut mounts = self.config.mounts.clone();
        for (index, id) in &self.mounted_images {
            if let Some(image) = mounts.get_mut(*index).and_then(|m| m.image.as_mut()) {
                image.image_ref.clone_from(id);
            }
        }
        mounts
    }

    /// What rules are asked about.
    pub fn subject(&self, pod: &str) -> Subject {
        let spec = self.config.image.clone().unwrap_or_default();
        let named = if spec.user_specified_image.is_empty() { spec.image } else { spec.user_specified_image };
        let mut command =
            if self.config.command.is_empty() { self.image.entrypoint.clone() } else { self.config.command.clone() };
        command.extend(self.config.args.iter().cloned());
        Subject { pod: pod.to_owned(), container: self.metadata().name, image: named, command: command.join(" ") }
    }

    /// As lists show it.
    pub fn listed(&self) -> v1::Container {
        v1::Container {
            id: self.id.clone(),
            pod_sandbox_id: self.sandbox.clone(),
            metadata: Some(self.metadata()),
            image: self.config.image.clone(),
            image_ref: self.image_ref.clone(),
            state: self.state as i32,
            created_at: self.created_at,
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            image_id: self.image.id.clone(),
        }
    }

    /// As its status shows it.
    pub fn status(&self) -> v1::ContainerStatus {
        v1::ContainerStatus {
            id: self.id.clone(),
            metadata: Some(self.metadata()),
            state: self.state as i32,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            exit_code: self.exit_code,
            image: Some(v1::ImageSpec {
                image: self.image_name.clone(),
                user_specified_image: self
                    .config
                    .image
                    .as_ref()
                    .map(|i| i.user_specified_image.clone())
                    .unwrap_or_default(),
                ..Default::default()
            }),
            image_ref: self.image_ref.clone(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            labels: self.config.labels.clone(),
            annotations: self.config.annotations.clone(),
            mounts: self.mounts(),
            log_path: self.log.path().to_string_lossy().into_owned(),
            resources: self.resources.clone().map(|linux| v1::ContainerResources { linux: Some(linux), windows: None }),
            image_id: self.image.id.clone(),
            user: self.user.clone().map(|linux| v1::ContainerUser { linux: Some(linux) }),
            stop_signal: self.config.stop_signal,
        }
    }
}

/// Everything held. One lock guards it; nothing waits under that lock.
#[derive(Debug, Default)]
pub struct State {
    /// Names of sandboxes that are being made, by the id that each will have.
    pub reserved: BTreeMap<String, v1::PodSandboxMetadata>,
    /// Sandboxes by id.
    pub sandboxes: BTreeMap<String, Sandbox>,
    /// Containers by id.
    pub containers: BTreeMap<String, Container>,
    /// Ids of the containers of each sandbox, oldest first.
    pub by_sandbox: BTreeMap<String, Vec<String>>,
    /// Calls since the state was last looked over.
    pub unchecked: usize,
    /// The next number in order of creation.
    pub next: u64,
    /// Conditions that Status answers.
    pub runtime_ready: Option<String>,
    /// Why the network is not ready, if it is not.
    pub network_ready: Option<String>,
    /// Pod CIDR as last set by a client.
    pub pod_cidr: String,
}

/// Finds by id or by the start of one, as real runtimes do. `None` if nothing or more than one thing fits.
pub fn find<'a, T>(all: &'a BTreeMap<String, T>, id: &str) -> Option<&'a T> {
    if id.is_empty() {
        return None;
    }
    if let Some(found) = all.get(id) {
        return Some(found);
    }
    let mut matching = all.range(id.to_owned()..).take_while(|(key, _)| key.starts_with(id));
    match (matching.next(), matching.next()) {
        (Some((_, found)), None) => Some(found),
        _ => None,
    }
}

impl State {
    /// Containers of a sandbox, oldest first.
    pub fn containers_of(&self, sandbox: &str) -> Vec<&Container> {
        let ids = self.by_sandbox.get(sandbox).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.containers.get(id)).collect()
    }

    /// Adds a container, which is the newest.
    pub fn add_container(&mut self, mut container: Container) {
        self.next += 1;
        container.order = self.next;
        self.by_sandbox.entry(container.sandbox.clone()).or_default().push(container.id.clone());
        self.containers.insert(container.id.clone(), container);
    }

    /// Takes a container away; `false` if it was not there.
    pub fn take_container(&mut self, id: &str) -> bool {
        let Some(container) = self.containers.remove(id) else { return false };
        if let Some(ids) = self.by_sandbox.get_mut(&container.sandbox) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_sandbox.remove(&container.sandbox);
            }
        }
        true
    }

    /// What is wrong with the state after one more call. A large state is looked over now and then, so that calls stay cheap.
    ///
    /// `ordered`: whether the clock has never gone back, so that times must be in order.
    pub fn look_over(&mut self, ordered: bool) -> Vec<String> {
        self.unchecked += 1;
        if self.unchecked * 64 < self.containers.len() + self.sandboxes.len() {
            return Vec::new();
        }
        self.unchecked = 0;
        self.inconsistencies(ordered)
    }

    /// What is wrong with the state itself; empty if nothing is.
    pub fn inconsistencies(&self, ordered: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut ips: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for sandbox in self.sandboxes.values() {
            for ip in sandbox.ips.iter().filter(|_| sandbox.ready) {
                if let Some(other) = ips.insert(*ip, &sandbox.id) {
                    wrong.push(format!("sandboxes {other} and {} share {ip}", sandbox.id));
                }
            }
        }
        for container in self.containers.values() {
            let Some(sandbox) = self.sandboxes.get(&container.sandbox) else {
                wrong.push(format!("container {} is in sandbox {}, which is gone", container.id, container.sandbox));
                continue;
            };
            let running = container.state == ContainerState::ContainerRunning;
            if running && !sandbox.ready {
                wrong.push(format!("container {} runs in sandbox {}, which is stopped", container.id, sandbox.id));
            }
            if running && container.process.is_none() {
                wrong.push(format!("container {} runs without a process", container.id));
            }
            let times = (container.created_at, container.started_at, container.finished_at);
            let in_order = (times.1 == 0 || times.0 <= times.1) && (times.2 == 0 || times.1 <= times.2);
            if ordered && !in_order {
                wrong.push(format!("container {} has times out of order: {times:?}", container.id));
            }
        }
        wrong
    }
}
