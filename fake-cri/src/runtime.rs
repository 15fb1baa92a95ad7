//! The fake runtime itself: its parts, and what all operations share. The operations are in the files below.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use cri_proto::v1::{ContainerEventResponse, ContainerEventType};
use tonic::Status;
use world::{Tasks, World, net::Address, random, sim::MemoryFiles};

use crate::{
    catalogue::{Catalogue, ImageKind},
    config::{Config, Personality},
    events::Events,
    faults::Faults,
    journal::Journal,
    ledger::Ledger,
    model::{Container, Sandbox, State, find},
    os::{Kernel, Namespaces, Surroundings, namespaces::Beginning},
    rootfs,
    streaming::Tokens,
    truth::{Fact, Truth},
};

mod containers;
mod exec;
mod forward;
mod images;
mod launch;
mod metrics;
mod mounts;
mod network;
mod ports;
mod sandboxes;
mod security;
mod stats;

pub(crate) use exec::KillOnDrop;

/// A fake runtime. Shared by all connections.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) world: World,
    pub(crate) config: Config,
    /// Processes live here; they outlive connections and a crash of the server.
    pub(crate) processes: Tasks,
    state: Mutex<State>,
    images: Mutex<Catalogue>,
    trees: Mutex<BTreeMap<String, Arc<MemoryFiles>>>,
    ids: Mutex<world::Rng>,
    /// The node's processes: those of all pods.
    node: Kernel,
    /// What covers masked paths.
    blank: world::Files,
    forwarders: Mutex<ports::Forwarders>,
    /// Bytes that failed pulls left on the disk.
    partial: AtomicU64,
    network: network::Network,
    pub(crate) events: Events,
    pub(crate) faults: Arc<Faults>,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) truth: Truth,
    pub(crate) tokens: Tokens,
    /// Where the streaming server listens, while it does.
    streaming: Mutex<Option<Address>>,
}

impl Runtime {
    /// A runtime with nothing in it.
    pub(crate) fn new(world: World, config: Config, processes: Tasks) -> Result<Self, String> {
        let faults = Arc::new(Faults::new(world.random.fork("fake-cri/faults")));
        faults.set(config.faults.clone())?;
        Ok(Self {
            state: Mutex::default(),
            images: Mutex::new(match config.personality {
                Personality::Crio => config.images.clone().with_bare_ids(),
                _ => config.images.clone(),
            }),
            trees: Mutex::default(),
            ids: Mutex::new(world.random.fork("fake-cri/ids")),
            node: node(&world, &processes),
            blank: mounts::blank(&world.clock),
            forwarders: Mutex::default(),
            partial: AtomicU64::new(0),
            network: network::Network::new(&world, &config, faults.clone())?,
            events: Events::default(),
            faults,
            journal: Journal::new(config.journal_limit),
            ledger: Ledger::default(),
            truth: Truth::default(),
            tokens: Tokens::new(world.random.fork("fake-cri/tokens")),
            streaming: Mutex::default(),
            processes,
            config,
            world,
        })
    }

    /// `NotFound`, in the runtime's own words.
    fn not_found(&self, kind: &str, id: &str) -> Status {
        Status::not_found(match (self.config.personality, kind) {
            (Personality::Crio, "container") => {
                format!(
                    "could not find container \"{id}\": container with ID starting with {id} not found: ID does not exist"
                )
            }
            (Personality::Crio, "sandbox") => {
                format!(
                    "could not find pod \"{id}\": PodSandbox with ID starting with {id} not found: ID does not exist"
                )
            }
            _ => format!("an error occurred when try to find {kind} \"{id}\": not found"),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn images(&self) -> MutexGuard<'_, Catalogue> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forwarders(&self) -> MutexGuard<'_, ports::Forwarders> {
        self.forwarders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the streaming server listens; `None` while it does not.
    pub(crate) fn streaming_address(&self) -> Option<Address> {
        self.streaming.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_streaming_address(&self, address: Option<Address>) {
        *self.streaming.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn new_id(&self) -> String {
        random::hex(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), 64)
    }

    /// Wall-clock time in nanoseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.world.clock.now().as_nanosecond()).unwrap_or(i64::MAX)
    }

    /// The shared files of a kind of image.
    fn tree(&self, kind: ImageKind) -> Arc<MemoryFiles> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.entry(format!("{kind:?}")).or_insert_with(|| rootfs::build(kind, &self.world.clock)).clone()
    }

    /// A sandbox by id or the start of one.
    pub(crate) fn sandbox(&self, id: &str) -> Result<Sandbox, Status> {
        find(&self.lock().sandboxes, id).cloned().ok_or_else(|| self.not_found("sandbox", id))
    }

    /// A container by id or the start of one.
    pub(crate) fn container(&self, id: &str) -> Result<Container, Status> {
        find(&self.lock().containers, id).cloned().ok_or_else(|| self.not_found("container", id))
    }

    /// Tells subscribers what became of a container or a sandbox, with the pod as it is now.
    fn announce(self: &Arc<Self>, id: &str, kind: ContainerEventType, sandbox: &str) {
        if !self.config.events {
            return;
        }
        let event = {
            let state = self.lock();
            let held = state.sandboxes.get(sandbox);
            ContainerEventResponse {
                container_id: id.to_owned(),
                container_event_type: kind as i32,
                created_at: self.now(),
                pod_sandbox_status: held.map(Sandbox::status),
                containers_statuses: state.containers_of(sandbox).into_iter().map(Container::status).collect(),
            }
        };
        let delay = self.events.delay();
        if delay.is_zero() {
            self.events.send(event);
            return;
        }
        let runtime = self.clone();
        drop(self.processes.spawn("late event", async move {
            tokio::time::sleep(delay).await;
            runtime.events.send(event);
        }));
    }

    /// Makes a directory for what the runtime keeps on the node, as far as that can be done.
    pub(crate) fn prepare_directories(&self) {
        {
            let path = self.config.image_mountpoint.as_str();
            let _ = self.world.files.create_dir_all(Path::new(path), 0o755);
        }
    }

    /// Kills every process and forgets everything: what a reboot of the node leaves.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        for container in state.containers.values() {
            if let Some(kernel) = &container.kernel {
                kernel.signal_all(crate::os::Signal::KILL);
            }
        }
        for id in state.sandboxes.keys() {
            self.close_ports(id);
        }
        state.containers.clear();
        state.by_sandbox.clear();
        state.sandboxes.clear();
        self.forget_networks();
        drop(state);
        self.truth.tell(|| Fact::PowerLost { containers_forgotten: true, sandboxes_forgotten: true });
    }

    /// Kills every process and forgets the containers, not the sandboxes: a store that was half written.
    pub(crate) fn half_forget(self: &Arc<Self>) {
        self.power_off();
        let gone: Vec<String> = {
            let mut state = self.lock();
            std::mem::take(&mut state.containers).into_keys().collect()
        };
        for id in gone {
            self.close_books(&id);
            self.ledger.closed("container", &id);
        }
        self.truth.tell(|| Fact::PowerLost { containers_forgotten: true, sandboxes_forgotten: false });
    }

    /// Kills every process but remembers what there was: what a restart of the node leaves of a runtime that keeps its state.
    pub(crate) fn power_off(self: &Arc<Self>) {
        let now = self.now();
        let mut state = self.lock();
        for container in state.containers.values_mut() {
            if let Some(kernel) = container.kernel.take() {
                kernel.signal_all(crate::os::Signal::KILL);
            }
            if container.state == cri_proto::v1::ContainerState::ContainerRunning {
                container.state = cri_proto::v1::ContainerState::ContainerExited;
                container.exit_code = 255;
                container.reason = "Unknown".to_owned();
                container.finished_at = now;
                self.close_books(&container.id);
            }
            container.log.close();
        }
        for sandbox in state.sandboxes.values_mut() {
            sandbox.ready = false;
            sandbox.ips.clear();
            self.close_ports(&sandbox.id);
        }
        drop(state);
        self.truth.tell(|| Fact::PowerLost { containers_forgotten: false, sandboxes_forgotten: false });
    }
}

/// The pid namespace of the node.
fn node(world: &World, processes: &Tasks) -> Kernel {
    let hostname = world.machine.facts().map(|f| f.hostname).unwrap_or_default();
    let namespaces =
        Namespaces::new(Beginning { hostname, host_ipc: true, host_network: true, ..Beginning::default() });
    let surroundings = Surroundings { world: world.clone(), namespaces, addresses: Vec::new() };
    Kernel::new(processes.child("node"), surroundings, None)
}
