//! Containers: create, start, stop, remove, look at.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use cri_proto::v1::{self, ContainerEventType, ContainerState};
use tonic::Status;

use super::Runtime;
use crate::{
    catalogue::Reference,
    config::Personality,
    logs::Log,
    model::{Container, find},
    os::{Exit, Signal, in_go},
    stdio::Stdio,
    truth::Fact,
};

/// What the ledger has open of a container that runs: its first process, its mounts, its log file.
const OF_RUNNING: [&str; 3] = ["process", "mounts", "log file"];

impl Runtime {
    /// CreateContainer.
    pub(crate) async fn create_container(
        self: &Arc<Self>,
        request: v1::CreateContainerRequest,
    ) -> Result<v1::CreateContainerResponse, Status> {
        let config = request.config.ok_or_else(|| Status::invalid_argument("container config is nil"))?;
        let metadata = config
            .metadata
            .clone()
            .ok_or_else(|| Status::invalid_argument("container config must include metadata"))?;
        if metadata.name.is_empty() {
            return Err(Status::invalid_argument("container metadata needs a name"));
        }
        let sandbox = self.sandbox(&request.pod_sandbox_id)?;
        if !sandbox.ready {
            return Err(Status::unknown(format!("sandbox \"{}\" is not ready", sandbox.id)));
        }
        let wanted = config.image.clone().unwrap_or_default().image;
        let present = self.images().find(&wanted).cloned();
        let present = present.ok_or_else(|| self.not_found("image", &wanted))?;
        self.check_container(&config)?;
        self.confinement(&config, "").map_err(Status::unknown)?;
        let name = format!("{}_{}_{}", metadata.name, sandbox.metadata().name, metadata.attempt);
        {
            let state = self.lock();
            let taken =
                state.containers_of(&sandbox.id).into_iter().find(|c| c.config.metadata.as_ref() == Some(&metadata));
            // CRI-O takes the same request for the same container.
            if let Some(taken) = taken.filter(|_| self.config.personality == Personality::Crio) {
                return Ok(v1::CreateContainerResponse { container_id: taken.id.clone() });
            }
            if let Some(taken) = taken {
                return Err(Status::unknown(format!(
                    "failed to reserve container name \"{name}\": name \"{name}\" is reserved for \"{}\"",
                    taken.id
                )));
            }
        }
        let image = present.image;
        if config.command.is_empty() && config.args.is_empty() && image.entrypoint.is_empty() && image.cmd.is_empty() {
            return Err(Status::unknown("failed to generate container spec: no command specified"));
        }
        let shown = Reference::parse(&wanted)
            .and_then(|r| r.tagged())
            .filter(|tag| present.tags.contains(tag))
            .or_else(|| present.tags.first().cloned())
            .or_else(|| present.digests.first().cloned())
            .unwrap_or_else(|| image.id.clone());
        // CRI-O shows the digest, containerd the id.
        let digest = present.digests.first().filter(|_| self.config.personality == Personality::Crio);
        let image_ref = digest.cloned().unwrap_or_else(|| image.id.clone());
        let log_path = (!sandbox.config.log_directory.is_empty() && !config.log_path.is_empty())
            .then(|| PathBuf::from(&sandbox.config.log_directory).join(&config.log_path));
        if log_path.as_ref().is_some_and(|p| p.components().any(|c| c == std::path::Component::ParentDir)) {
            return Err(Status::invalid_argument("the log path leaves the log directory"));
        }
        let id = self.new_id();
        let log = Arc::new(Log::new(self.world.clone(), log_path));
        let linux = config.linux.clone().unwrap_or_default();
        let mounted_images = self.mounted_images(&config);
        let mut container = Container {
            id: id.clone(),
            sandbox: sandbox.id.clone(),
            image,
            state: ContainerState::ContainerCreated,
            created_at: self.now(),
            started_at: 0,
            finished_at: 0,
            started: None,
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
            order: 0,
            stdio: Stdio::new(log.clone()),
            log,
            process: None,
            kernel: None,
            tree: None,
            image_name: shown,
            image_ref,
            behaviour: None,
            resources: linux.resources,
            user: None,
            stopping: false,
            mounted_images,
            config,
        };
        let attempt = container.metadata().attempt;
        let subject = container.subject(&sandbox.metadata().name);
        container.behaviour = self.config.behaviours.iter().find(|b| b.matches(&subject)).cloned().map(Arc::new);
        {
            let mut state = self.lock();
            // The sandbox may have gone while this waited for nothing: the same lock decides.
            if !state.sandboxes.get(&sandbox.id).is_some_and(|s| s.ready) {
                return Err(self.not_found("sandbox", &sandbox.id));
            }
            state.add_container(container);
        }
        self.ledger.opened("container", &id);
        self.truth.tell(|| Fact::ContainerCreated {
            id: id.clone(),
            sandbox: sandbox.id.clone(),
            name: subject.container.clone(),
            attempt,
            image: subject.image.clone(),
        });
        self.announce(&id, ContainerEventType::ContainerCreatedEvent, &sandbox.id);
        Ok(v1::CreateContainerResponse { container_id: id })
    }

    /// What real runtimes refuse of a container's configuration.
    fn check_container(&self, config: &v1::ContainerConfig) -> Result<(), Status> {
        let security = config.linux.as_ref().and_then(|l| l.security_context.clone()).unwrap_or_default();
        if security.run_as_group.is_some() && security.run_as_user.is_none() && security.run_as_username.is_empty() {
            return Err(Status::invalid_argument("user group \"run_as_group\" is specified without user"));
        }
        if let Some(profile) = &security.apparmor
            && profile.profile_type == v1::security_profile::ProfileType::Localhost as i32
        {
            let name = profile.localhost_ref.trim_start_matches("localhost/");
            return Err(Status::unknown(format!(
                "failed to generate apparmor spec opts: apparmor profile not found {name}"
            )));
        }
        for mount in &config.mounts {
            if mount.recursive_read_only {
                if !mount.readonly {
                    return Err(Status::invalid_argument("recursive_read_only needs readonly"));
                }
                if mount.propagation != v1::MountPropagation::PropagationPrivate as i32 {
                    return Err(Status::invalid_argument("recursive_read_only needs private propagation"));
                }
            }
            if let Some(image) = &mount.image {
                if !mount.readonly {
                    return Err(Status::invalid_argument("an image can only be mounted read-only"));
                }
                let found = self.images().find(&image.image).map(|p| p.image.clone());
                let found = found.ok_or_else(|| self.not_found("image", &image.image))?;
                if !mount.image_sub_path.is_empty() {
                    self.check_image_path(&found, &mount.image_sub_path)?;
                }
            }
        }
        Ok(())
    }

    /// The images that mounts mean. Containerd 1.6 did not tell.
    fn mounted_images(&self, config: &v1::ContainerConfig) -> BTreeMap<usize, String> {
        if self.config.personality == Personality::Containerd16 {
            return BTreeMap::new();
        }
        let images = self.images();
        let mounts = config.mounts.iter().enumerate();
        let found = mounts.filter_map(|(i, m)| Some((i, images.find(&m.image.as_ref()?.image)?.image.id.clone())));
        found.collect()
    }

    /// StartContainer.
    pub(crate) async fn start_container(self: &Arc<Self>, id: &str) -> Result<(), Status> {
        let container = self.container(id)?;
        let sandbox = self.sandbox(&container.sandbox)?;
        if container.state != ContainerState::ContainerCreated {
            let state = container.state.as_str_name();
            return Err(Status::unknown(format!(
                "failed to start container \"{}\": container is in {state} state",
                container.id
            )));
        }
        if !sandbox.ready {
            return Err(Status::unknown(format!(
                "failed to start container \"{}\": sandbox container is not running",
                container.id
            )));
        }
        container.log.open().map_err(|e| {
            let path = container.log.path().display();
            Status::unknown(format!("failed to create container log \"{path}\": {}", in_go(&e)))
        })?;
        match self.launch(&container, &sandbox).await {
            Ok(started) => {
                {
                    let mut state = self.lock();
                    let Some(held) = state.containers.get_mut(&container.id) else {
                        started.process.signal(Signal::KILL);
                        return Err(self.not_found("container", &container.id));
                    };
                    held.state = ContainerState::ContainerRunning;
                    held.started_at = self.now();
                    held.started = Some(tokio::time::Instant::now());
                    held.process = Some(started.process.clone());
                    held.kernel = Some(started.kernel);
                    held.tree = Some(started.tree);
                    held.user = (self.config.personality != Personality::Containerd16).then_some(started.user);
                }
                for kind in OF_RUNNING {
                    self.ledger.opened(kind, &container.id);
                }
                self.truth.tell(|| Fact::ContainerStarted { id: container.id.clone() });
                self.announce(&container.id, ContainerEventType::ContainerStartedEvent, &container.sandbox);
                let runtime = self.clone();
                let (id, process, stdio) = (container.id.clone(), started.process, container.stdio.clone());
                drop(self.processes.spawn("watch", async move {
                    let exit = process.wait().await;
                    stdio.close();
                    runtime.exited(&id, exit);
                }));
                Ok(())
            }
            Err(message) => {
                let text = format!(
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
                     container process: {message}: unknown"
                );
                container.log.close();
                {
                    let mut state = self.lock();
                    if let Some(held) = state.containers.get_mut(&container.id) {
                        held.state = ContainerState::ContainerExited;
                        // As containerd: no start time but the epoch's would be truthful.
                        held.started_at = held.created_at;
                        held.finished_at = self.now();
                        held.exit_code = 128;
                        held.reason = "StartError".to_owned();
                        held.message.clone_from(&text);
                    }
                }
                self.truth.tell(|| Fact::ContainerExited { id: container.id.clone(), code: 128 });
                self.announce(&container.id, ContainerEventType::ContainerStoppedEvent, &container.sandbox);
                Err(Status::unknown(text))
            }
        }
    }

    /// The first process of a container has ended.
    fn exited(self: &Arc<Self>, id: &str, exit: Exit) {
        let sandbox = {
            let mut state = self.lock();
            let now = self.now();
            let Some(held) = state.containers.get_mut(id) else { return };
            if held.state != ContainerState::ContainerRunning {
                return;
            }
            held.log.close();
            // Where the pid namespace is not its own, what it started must be ended with it, as runc does.
            if let (Some(kernel), Some(process)) = (&held.kernel, &held.process) {
                for left in kernel.members(&process.confinement().cgroup) {
                    left.signal(Signal::KILL);
                }
            }
            held.state = ContainerState::ContainerExited;
            held.finished_at = now;
            held.exit_code = exit.code();
            // Runtimes hear of the killer from the control group: whichever process it ended, and whatever the first one made of that.
            let ran_out = held.process.as_ref().is_some_and(|process| process.confinement().cgroup.ran_out());
            held.reason = match exit {
                _ if ran_out => "OOMKilled",
                Exit::Code(0) => "Completed",
                _ => "Error",
            }
            .to_owned();
            held.sandbox.clone()
        };
        self.close_books(id);
        self.truth.tell(|| Fact::ContainerExited { id: id.to_owned(), code: exit.code() });
        self.announce(id, ContainerEventType::ContainerStoppedEvent, &sandbox);
    }

    /// Notes that a container does not run any more.
    pub(super) fn close_books(&self, id: &str) {
        for kind in OF_RUNNING {
            self.ledger.closed(kind, id);
        }
    }

    /// Waits until a container does not run any more.
    pub(super) async fn wait_exited(&self, id: &str) {
        let process = self.lock().containers.get(id).and_then(|c| c.process.clone());
        if let Some(process) = process {
            process.wait().await;
            // The watcher notes the exit in a task of its own; let it come first.
            while self.lock().containers.get(id).is_some_and(|c| c.state == ContainerState::ContainerRunning) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// StopContainer: the stop signal, then after `timeout` seconds KILL. Containers that do not run, or do not exist, are fine.
    pub(crate) async fn stop_container(self: &Arc<Self>, id: &str, timeout: i64) -> Result<(), Status> {
        if id.is_empty() {
            return Err(Status::invalid_argument("the id of the container is empty"));
        }
        let Some(container) = find(&self.lock().containers, id).cloned() else { return Ok(()) };
        let (Some(process), ContainerState::ContainerRunning) = (container.process.clone(), container.state) else {
            return Ok(());
        };
        if timeout > 0 {
            self.truth.tell(|| Fact::ContainerSignalled { id: container.id.clone(), kill: false });
            process.signal(self.stop_signal(&container));
            let limit = Duration::from_secs(u64::try_from(timeout).unwrap_or(0));
            if tokio::time::timeout(limit, self.wait_exited(&container.id)).await.is_ok() {
                return Ok(());
            }
        }
        self.truth.tell(|| Fact::ContainerSignalled { id: container.id.clone(), kill: true });
        process.signal(Signal::KILL);
        self.wait_exited(&container.id).await;
        Ok(())
    }

    fn stop_signal(&self, container: &Container) -> Signal {
        let asked =
            v1::Signal::try_from(container.config.stop_signal).ok().filter(|s| *s != v1::Signal::RuntimeDefault);
        let asked = asked.and_then(|s| Signal::parse(&s.as_str_name().replace("PLUS", "+").replace("MINUS", "-")));
        asked.or_else(|| Signal::parse(&container.image.stop_signal)).unwrap_or(Signal::TERM)
    }

    /// RemoveContainer: kills it first if it runs. Unknown ones are fine.
    pub(crate) async fn remove_container(self: &Arc<Self>, id: &str) -> Result<(), Status> {
        if id.is_empty() {
            return Err(Status::invalid_argument("the id of the container is empty"));
        }
        let Some(container) = find(&self.lock().containers, id).cloned() else { return Ok(()) };
        if container.state == ContainerState::ContainerRunning {
            self.stop_container(&container.id, 0).await?;
        }
        if !self.lock().take_container(&container.id) {
            return Ok(());
        }
        self.ledger.closed("container", &container.id);
        self.truth.tell(|| Fact::ContainerRemoved { id: container.id.clone() });
        self.announce(&container.id, ContainerEventType::ContainerDeletedEvent, &container.sandbox);
        Ok(())
    }

    /// ContainerStatus.
    pub(crate) fn container_status(
        &self,
        request: &v1::ContainerStatusRequest,
    ) -> Result<v1::ContainerStatusResponse, Status> {
        let container = self.container(&request.container_id)?;
        let mut response = v1::ContainerStatusResponse { status: Some(container.status()), ..Default::default() };
        if request.verbose {
            let info = serde_json::json!({
                "sandboxID": container.sandbox,
                "pid": container.process.as_ref().map_or(0, |p| p.pid()),
                "removing": false,
                "config": cri_proto::to_json(&container.config),
            });
            response.info.insert("info".to_owned(), info.to_string());
        }
        Ok(response)
    }

    /// ListContainers: newest first.
    pub(crate) fn list_containers(&self, filter: Option<&v1::ContainerFilter>) -> Vec<v1::Container> {
        let state = self.lock();
        let mut found: Vec<&Container> = state.containers.values().collect();
        if let Some(filter) = filter {
            if !filter.id.is_empty() {
                let wanted = find(&state.containers, &filter.id).map(|c| c.id.clone());
                found.retain(|c| Some(&c.id) == wanted.as_ref());
            }
            if !filter.pod_sandbox_id.is_empty() {
                let wanted = find(&state.sandboxes, &filter.pod_sandbox_id).map(|s| s.id.clone());
                found.retain(|c| Some(&c.sandbox) == wanted.as_ref());
            }
            if let Some(wanted) = &filter.state {
                found.retain(|c| c.state as i32 == wanted.state);
            }
            found.retain(|c| filter.label_selector.iter().all(|(k, v)| c.config.labels.get(k) == Some(v)));
        }
        found.sort_by_key(|c| std::cmp::Reverse(c.order));
        found.into_iter().map(Container::listed).collect()
    }

    /// UpdateContainerResources: visible in the status afterwards.
    pub(crate) fn update_container_resources(
        &self,
        request: v1::UpdateContainerResourcesRequest,
    ) -> Result<(), Status> {
        let id = self.container(&request.container_id)?.id;
        let mut state = self.lock();
        let Some(held) = state.containers.get_mut(&id) else { return Err(self.not_found("container", &id)) };
        if !matches!(held.state, ContainerState::ContainerCreated | ContainerState::ContainerRunning) {
            return Err(Status::unknown(format!("container \"{id}\" is neither created nor running")));
        }
        if let Some(new) = request.linux {
            let limit = new.memory_limit_in_bytes;
            held.resources = Some(merged(held.resources.take().unwrap_or_default(), new));
            if let (Some(kernel), Some(process), true) = (&held.kernel, &held.process, limit > 0) {
                kernel.set_memory_limit(&process.confinement().cgroup, u64::try_from(limit).ok());
            }
        }
        held.config.annotations.extend(request.annotations);
        Ok(())
    }

    /// ReopenContainerLog.
    pub(crate) fn reopen_container_log(&self, id: &str) -> Result<(), Status> {
        let container = self.container(id)?;
        if container.state != ContainerState::ContainerRunning {
            return Err(Status::unknown("container is not running"));
        }
        container.log.open().map_err(|e| Status::unknown(format!("failed to reopen container log: {}", in_go(&e))))
    }
}

/// Old resources with what the new ones set.
fn merged(mut old: v1::LinuxContainerResources, new: v1::LinuxContainerResources) -> v1::LinuxContainerResources {
    let set = |old: &mut i64, new: i64| {
        if new != 0 {
            *old = new;
        }
    };
    set(&mut old.cpu_period, new.cpu_period);
    set(&mut old.cpu_quota, new.cpu_quota);
    set(&mut old.cpu_shares, new.cpu_shares);
    set(&mut old.memory_limit_in_bytes, new.memory_limit_in_bytes);
    set(&mut old.memory_swap_limit_in_bytes, new.memory_swap_limit_in_bytes);
    set(&mut old.oom_score_adj, new.oom_score_adj);
    if !new.cpuset_cpus.is_empty() {
        old.cpuset_cpus = new.cpuset_cpus;
    }
    if !new.cpuset_mems.is_empty() {
        old.cpuset_mems = new.cpuset_mems;
    }
    if !new.hugepage_limits.is_empty() {
        old.hugepage_limits = new.hugepage_limits;
    }
    old.unified.extend(new.unified);
    old
}
