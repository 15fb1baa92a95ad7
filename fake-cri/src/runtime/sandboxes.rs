//! Sandboxes: run, stop, remove, look at.

use std::{sync::Arc, time::Duration};

use cri_proto::v1::{self, ContainerEventType, ContainerState, NamespaceMode};
use tonic::Status;

use super::Runtime;
use crate::{
    config::Personality,
    model::{Sandbox, find},
    os::Signal,
    truth::Fact,
};

/// How long CRI-O waits for a sandbox that another request makes.
const LONGEST_WAIT: Duration = Duration::from_secs(360);

impl Runtime {
    /// RunPodSandbox.
    pub(crate) async fn run_pod_sandbox(
        self: &Arc<Self>,
        request: v1::RunPodSandboxRequest,
    ) -> Result<v1::RunPodSandboxResponse, Status> {
        let config = request.config.ok_or_else(|| Status::invalid_argument("sandbox config is nil"))?;
        let metadata =
            config.metadata.clone().ok_or_else(|| Status::invalid_argument("sandbox config must include metadata"))?;
        if metadata.name.is_empty() || metadata.uid.is_empty() || metadata.namespace.is_empty() {
            return Err(Status::invalid_argument("sandbox metadata needs a name, a uid and a namespace"));
        }
        if !matches!(request.runtime_handler.as_str(), "" | "runc" | "crun") {
            return Err(Status::unknown(format!("no runtime for \"{}\" is configured", request.runtime_handler)));
        }
        let security = config.linux.as_ref().and_then(|l| l.security_context.clone()).unwrap_or_default();
        if security.run_as_group.is_some() && security.run_as_user.is_none() {
            return Err(Status::invalid_argument("run_as_group is specified without run_as_user"));
        }
        check_user_namespace(security.namespace_options.as_ref().and_then(|n| n.userns_options.as_ref()))?;
        if self.config.personality == Personality::Crio
            && let Some(same) = self.same_sandbox(&metadata).await
        {
            return Ok(v1::RunPodSandboxResponse { pod_sandbox_id: same });
        }
        let id = self.new_id();
        let _reserved = self.reserve(&id, &metadata)?;
        let host_network = security.namespace_options.as_ref().is_some_and(|n| n.network == NamespaceMode::Node as i32);
        let mut undo = Undo { runtime: self.clone(), id: id.clone(), config: Some(config.clone()), host_network };
        let attached = if host_network { Ok(Vec::new()) } else { self.attach(&id, &config).await };
        let ips = attached.inspect_err(|_| undo.config = None)?;
        let node = self.world.machine.facts().map(|f| f.hostname).unwrap_or_default();
        let hostname = if config.hostname.is_empty() { node } else { config.hostname.clone() };
        let namespaces = self.namespaces(&config, &hostname);
        let opened = match (&namespaces, ips.first()) {
            (Ok(_), Some(ip)) => self.open_ports(&id, &ip.to_string(), &config.port_mappings).await,
            _ => Ok(()),
        };
        let namespaces = match (namespaces, opened) {
            (Ok(namespaces), Ok(())) => namespaces,
            (Err(error), _) | (_, Err(error)) => {
                if !host_network {
                    let _ = self.detach(&id, &config, true).await;
                }
                undo.config = None;
                return Err(Status::unknown(format!(
                    "failed to start sandbox \"{id}\": failed to create containerd task: failed to create shim task: OCI runtime create failed: runc \
                     create failed: unable to start container process: error during container init: {error}: unknown"
                )));
            }
        };
        undo.config = None;
        let files = self.pod_files(&hostname, config.dns_config.as_ref());
        let mut sandbox = Sandbox {
            id: id.clone(),
            handler: request.runtime_handler,
            ready: true,
            created_at: self.now(),
            order: 0,
            ips,
            shared: None,
            files,
            namespaces,
            config,
        };
        if sandbox.shares_processes() {
            let kernel = self.new_kernel(&sandbox);
            self.start_pause(&kernel);
            sandbox.shared = Some(kernel);
        }
        let fact = ready(&sandbox);
        {
            let mut state = self.lock();
            state.next += 1;
            sandbox.order = state.next;
            state.sandboxes.insert(id.clone(), sandbox);
        }
        self.ledger.opened("sandbox", &id);
        self.truth.tell(|| fact);
        self.announce(&id, ContainerEventType::ContainerCreatedEvent, &id);
        self.announce(&id, ContainerEventType::ContainerStartedEvent, &id);
        Ok(v1::RunPodSandboxResponse { pod_sandbox_id: id })
    }

    /// The sandbox of that metadata, waited for while a request that was given up still makes it: CRI-O answers the same request with the
    /// same sandbox.
    async fn same_sandbox(&self, metadata: &v1::PodSandboxMetadata) -> Option<String> {
        let began = tokio::time::Instant::now();
        loop {
            {
                let state = self.lock();
                let held = state.sandboxes.values().find(|s| s.config.metadata.as_ref() == Some(metadata));
                if let Some(held) = held {
                    return Some(held.id.clone());
                }
                if !state.reserved.values().any(|m| m == metadata) || began.elapsed() > LONGEST_WAIT {
                    return None;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a sandbox's name for one request while it runs.
    fn reserve(self: &Arc<Self>, id: &str, metadata: &v1::PodSandboxMetadata) -> Result<Reserved, Status> {
        let mut state = self.lock();
        let held = state.sandboxes.values().find(|s| s.config.metadata.as_ref() == Some(metadata)).map(|s| &s.id);
        let coming = state.reserved.iter().find(|(_, m)| *m == metadata).map(|(id, _)| id);
        if let Some(holder) = held.or(coming) {
            let name = format!("{}_{}_{}_{}", metadata.name, metadata.namespace, metadata.uid, metadata.attempt);
            return Err(Status::unknown(format!(
                "failed to reserve sandbox name \"{name}\": name \"{name}\" is reserved for \"{holder}\""
            )));
        }
        state.reserved.insert(id.to_owned(), metadata.clone());
        Ok(Reserved { runtime: self.clone(), id: id.to_owned() })
    }

    /// StopPodSandbox: kills what runs in it, frees its network. Unknown and stopped ones are fine.
    pub(crate) async fn stop_pod_sandbox(self: &Arc<Self>, id: &str) -> Result<(), Status> {
        if id.is_empty() {
            return Err(Status::invalid_argument("the id of the sandbox is empty"));
        }
        let Some(sandbox) = find(&self.lock().sandboxes, id).cloned() else { return Ok(()) };
        let running: Vec<_> = {
            let state = self.lock();
            let of = state.containers_of(&sandbox.id);
            of.into_iter().filter(|c| c.state == ContainerState::ContainerRunning).cloned().collect()
        };
        for container in &running {
            if let Some(process) = &container.process {
                process.signal(Signal::KILL);
            }
        }
        for container in &running {
            self.wait_exited(&container.id).await;
        }
        let was_ready = {
            let mut state = self.lock();
            match state.sandboxes.get_mut(&sandbox.id) {
                Some(held) => {
                    held.ips.clear();
                    std::mem::replace(&mut held.ready, false)
                }
                None => false,
            }
        };
        self.close_ports(&sandbox.id);
        if let Some(kernel) = &sandbox.shared {
            kernel.signal_all(Signal::KILL);
        }
        if was_ready {
            self.truth.tell(|| Fact::SandboxNotReady { id: sandbox.id.clone() });
            self.announce(&sandbox.id, ContainerEventType::ContainerStoppedEvent, &sandbox.id);
        }
        // Last, as in containerd: when it fails the sandbox is not ready any more, and stopping it again tries again.
        if sandbox.host_network() { Ok(()) } else { self.detach(&sandbox.id, &sandbox.config, was_ready).await }
    }

    /// RemovePodSandbox: with all its containers. Unknown ones are fine.
    pub(crate) async fn remove_pod_sandbox(self: &Arc<Self>, id: &str) -> Result<(), Status> {
        if id.is_empty() {
            return Err(Status::invalid_argument("the id of the sandbox is empty"));
        }
        let Some(sandbox) = find(&self.lock().sandboxes, id).cloned() else { return Ok(()) };
        self.stop_pod_sandbox(&sandbox.id).await?;
        let containers: Vec<String> =
            self.lock().containers_of(&sandbox.id).into_iter().map(|c| c.id.clone()).collect();
        for container in containers {
            self.remove_container(&container).await?;
        }
        self.lock().sandboxes.remove(&sandbox.id);
        self.ledger.closed("sandbox", &sandbox.id);
        self.truth.tell(|| Fact::SandboxRemoved { id: sandbox.id.clone() });
        self.announce(&sandbox.id, ContainerEventType::ContainerDeletedEvent, &sandbox.id);
        Ok(())
    }

    /// PodSandboxStatus.
    pub(crate) fn pod_sandbox_status(
        &self,
        request: &v1::PodSandboxStatusRequest,
    ) -> Result<v1::PodSandboxStatusResponse, Status> {
        let sandbox = self.sandbox(&request.pod_sandbox_id)?;
        let mut response = v1::PodSandboxStatusResponse { status: Some(sandbox.status()), ..Default::default() };
        if self.config.events {
            let state = self.lock();
            response.containers_statuses = state.containers_of(&sandbox.id).into_iter().map(|c| c.status()).collect();
            response.timestamp = self.now();
        }
        if request.verbose {
            let info = serde_json::json!({
                "runtimeType": "io.podlab.fake",
                "config": cri_proto::to_json(&sandbox.config),
                "pid": 1,
            });
            response.info.insert("info".to_owned(), info.to_string());
        }
        Ok(response)
    }

    /// ListPodSandbox: newest first.
    pub(crate) fn list_pod_sandbox(&self, filter: Option<&v1::PodSandboxFilter>) -> Vec<v1::PodSandbox> {
        let state = self.lock();
        let mut found: Vec<&Sandbox> = state.sandboxes.values().collect();
        if let Some(filter) = filter {
            if !filter.id.is_empty() {
                let wanted = find(&state.sandboxes, &filter.id).map(|s| s.id.clone());
                found.retain(|s| Some(&s.id) == wanted.as_ref());
            }
            if let Some(wanted) = &filter.state {
                found.retain(|s| s.ready == (wanted.state == v1::PodSandboxState::SandboxReady as i32));
            }
            found.retain(|s| filter.label_selector.iter().all(|(k, v)| s.config.labels.get(k) == Some(v)));
        }
        found.sort_by_key(|s| std::cmp::Reverse(s.order));
        found.into_iter().map(Sandbox::listed).collect()
    }
}

/// A name that is kept until this is dropped.
struct Reserved {
    runtime: Arc<Runtime>,
    id: String,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.runtime.lock().reserved.remove(&self.id);
    }
}

/// Detaches a sandbox whose request was given up in the middle.
struct Undo {
    runtime: Arc<Runtime>,
    id: String,
    /// `None` once there is nothing to undo.
    config: Option<v1::PodSandboxConfig>,
    host_network: bool,
}

impl Drop for Undo {
    fn drop(&mut self) {
        let Some(config) = self.config.take().filter(|_| !self.host_network) else { return };
        let (runtime, id) = (self.runtime.clone(), self.id.clone());
        self.runtime.close_ports(&id);
        drop(self.runtime.processes.spawn("undo", async move {
            let _ = runtime.detach(&id, &config, true).await;
        }));
    }
}

/// What real runtimes refuse of user namespaces.
fn check_user_namespace(options: Option<&v1::UserNamespace>) -> Result<(), Status> {
    let Some(options) = options else { return Ok(()) };
    let bad = |text: &str| Err(Status::invalid_argument(format!("user namespaces: {text}")));
    match NamespaceMode::try_from(options.mode) {
        Ok(NamespaceMode::Node) if options.uids.is_empty() && options.gids.is_empty() => Ok(()),
        Ok(NamespaceMode::Node) => bad("mode NODE takes no mappings"),
        Ok(NamespaceMode::Pod) => {
            for maps in [&options.uids, &options.gids] {
                match maps.as_slice() {
                    [] => {}
                    [one] if one.container_id == 0 => {}
                    [_] => return bad("the mapping must begin at container id 0"),
                    _ => return bad("only one mapping is supported"),
                }
            }
            Ok(())
        }
        _ => bad("only the modes POD and NODE are supported"),
    }
}

/// The fact that a sandbox is ready.
fn ready(sandbox: &Sandbox) -> Fact {
    let metadata = sandbox.metadata();
    let port = |mapping: &v1::PortMapping| {
        let protocol = v1::Protocol::try_from(mapping.protocol).unwrap_or_default().as_str_name();
        let host = if mapping.host_ip.is_empty() { "0.0.0.0" } else { mapping.host_ip.as_str() };
        format!("{protocol} {host}:{}", mapping.host_port)
    };
    Fact::SandboxReady {
        id: sandbox.id.clone(),
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        attempt: metadata.attempt,
        addresses: sandbox.ips.iter().map(ToString::to_string).collect(),
        host_ports: sandbox.config.port_mappings.iter().filter(|m| m.host_port > 0).map(port).collect(),
    }
}
