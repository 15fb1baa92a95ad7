//! The runtime half of the kubelet behind one value: its parts and what is remembered between syncs. What each call does is in the modules
//! `listing`, `execute`, `start`, `kill` and `gc`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use cri_proto::v1;
use futures_util::Stream;
use world::{Rng, SteadyClock, Tasks, World, random};

use crate::{
    cri::{CriClient, CriError},
    images::ImageManager,
    observer::Observer,
    resources::{allocation::Allocations, swap},
    runtime::{Recorder, RuntimeSettings, backoff::Backoff, userns::UserNamespaces},
};

/// State of the runtime, as its Status call tells.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RuntimeStatus {
    /// `None` if ready, else `RuntimeReady=false reason:… message:…` or what is missing.
    pub runtime_not_ready: Option<String>,
    /// The same for the network.
    pub network_not_ready: Option<String>,
    /// Whether the default handler can map user ids.
    pub user_namespaces: bool,
    /// Whether the runtime honours `supplementalGroupsPolicy`.
    pub supplemental_groups_policy: bool,
}

/// The runtime half. One per kubelet, shared.
pub struct RuntimeManager {
    pub(crate) world: World,
    pub(crate) tasks: Tasks,
    pub(crate) cri: CriClient,
    pub(crate) settings: RuntimeSettings,
    pub(crate) recorder: Recorder,
    pub(crate) images: ImageManager,
    backoff: Mutex<Backoff>,
    /// By which back-offs and ages are counted.
    pub(crate) steady: SteadyClock,
    user_namespaces: UserNamespaces,
    /// What containers were made with.
    pub(crate) actuated: Allocations,
    /// Whether the runtime said last that it can map ids.
    maps_ids: AtomicBool,
    /// Containers that somebody is removing.
    pub(crate) removing: Mutex<BTreeSet<String>>,
    termination_logs: Mutex<Rng>,
}

impl RuntimeManager {
    /// Puts the parts together. `cri` must have done its handshake: container ids carry the runtime's name.
    pub fn new(
        world: World,
        tasks: Tasks,
        cri: CriClient,
        mut settings: RuntimeSettings,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        settings.swap_controller |= swap::controller_available(&world.files, settings.facts.cgroups);
        let recorder = Recorder::new(world.clock.clone(), observer);
        let images = ImageManager::new(world.clone(), cri.clone(), recorder.clone(), &settings);
        let backoff = Mutex::new(Backoff::new(settings.crash_loop_initial, settings.crash_loop_max));
        let termination_logs = Mutex::new(world.random.fork("termination-log"));
        let user_namespaces = UserNamespaces::recover(world.clone(), settings.clone());
        let actuated = Allocations::open(world.files.clone(), settings.root_dir.join("actuated_pods_state"));
        Arc::new(Self {
            steady: world.clock.steady(),
            world,
            tasks,
            cri,
            settings,
            recorder,
            images,
            backoff,
            user_namespaces,
            actuated,
            maps_ids: AtomicBool::new(false),
            removing: Mutex::default(),
            termination_logs,
        })
    }

    /// The CRI client, for what is not pods: streaming, statistics, image collection.
    pub fn cri(&self) -> &CriClient {
        &self.cri
    }

    /// What it was configured by.
    pub fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    /// The recorder of events, for others that tell events about pods.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ranges of ids of pods with `hostUsers: false`.
    pub fn user_namespaces(&self) -> &UserNamespaces {
        &self.user_namespaces
    }

    /// What the runtime is told about the pod's ids. The error is upstream's text.
    pub(crate) fn id_mappings(&self, uid: &str, host_users: bool) -> Result<v1::UserNamespace, String> {
        self.user_namespaces.options(uid, host_users, self.maps_ids.load(Ordering::Relaxed))
    }

    /// Remembers what the runtime said about mapping ids.
    pub(crate) fn note_id_mapping(&self, able: bool) {
        self.maps_ids.store(able, Ordering::Relaxed);
    }

    pub(crate) fn lock_backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Name of a new termination log: eight hex digits.
    pub(crate) fn termination_log_name(&self) -> String {
        random::hex(&mut self.termination_logs.lock().unwrap_or_else(PoisonError::into_inner), 8)
    }

    /// Forgets back-offs that have run out, as housekeeping does.
    pub fn forget_old(&self) {
        self.lock_backoff().forget_old(self.steady.now());
        self.images.forget_old();
    }

    /// Name and versions of the runtime.
    pub async fn version(&self) -> Result<v1::VersionResponse, CriError> {
        self.cri.version().await
    }

    /// Events of containers; the end of the stream or `Unimplemented` means that the runtime has none.
    pub async fn events(
        &self,
    ) -> Result<impl Stream<Item = Result<v1::ContainerEventResponse, CriError>> + Send + use<>, CriError> {
        self.cri.container_events().await
    }
}
