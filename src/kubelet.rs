//! The kubelet put together: its parts, the loop that passes news between them, and the order of start and end. No rule lives here.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tokio::{sync::Notify, time::Instant};
use world::{Tasks, World, machine::CgroupVersion};

use crate::{
    api::reasons::event,
    config::{CgroupDriver, KubeletConfig},
    cri::{CriClient, CriError, Endpoints},
    housekeeping::Housekeeping,
    images::{
        collector::ImageCollector,
        credentials::{self, ProviderError},
    },
    node::{self, Allocatable, Enforced, ReservationError},
    observer::{EventKind, Observer},
    pleg::Pleg,
    pods::{PodManager, admission::Node},
    prober::{PodStatuses, Prober},
    resources::{NodeCgroups, PodCgroups, allocation::Allocations},
    runtime::{RuntimeManager, log_rotator},
    server::KubeletView,
    sources::{SourceSettings, Sources},
    status::{ReasonCache, StatusManager},
    volumes::VolumeManager,
    worker::{Parts, Workers},
};

mod cgroups;
mod gate;
pub(crate) mod resizes;
mod sync_loop;
mod view;

pub use gate::RuntimeGate;
use sync_loop::SyncLoop;

/// Why the kubelet does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime does not answer as it must.
    #[error("validate CRI v1 runtime API for endpoint {endpoint:?}: {source}")]
    Runtime {
        /// Where it was looked for.
        endpoint: String,
        /// What it said.
        source: CriError,
    },
    /// The node cannot be read.
    #[error("cannot read the node's facts: {0}")]
    Facts(std::io::Error),
    /// More is reserved than there is.
    #[error(transparent)]
    Reservation(#[from] ReservationError),
    /// Credential providers cannot be used as configured.
    #[error(transparent)]
    Providers(#[from] ProviderError),
}

/// What is said at the start on a node whose control groups are of the old kind.
const CGROUP_V1: &str = "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. Please migrate to \
                         cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";

/// A running kubelet. Dropping it changes nothing: it ends with its tasks, and pods run on.
pub struct Kubelet {
    pods: Arc<PodManager>,
    status: Arc<StatusManager>,
    runtime: Arc<RuntimeManager>,
    pulse: Arc<Mutex<Instant>>,
    sync_frequency: Duration,
}

/// Statuses as probes ask for them.
struct Shown(Arc<StatusManager>);

impl PodStatuses for Shown {
    fn pod_status(&self, uid: &str) -> Option<Arc<PodStatus>> {
        self.0.get(uid).map(Arc::new)
    }
}

impl Kubelet {
    /// Starts all parts in `tasks`.
    ///
    /// # Errors
    /// The runtime does not answer, or the node cannot be what the configuration wants.
    pub async fn start(
        world: World,
        config: Arc<KubeletConfig>,
        observer: Arc<dyn Observer>,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        let endpoints = Endpoints {
            runtime: config.container_runtime_endpoint.clone(),
            image: config.image_service_endpoint.clone(),
            timeout: config.runtime_request_timeout,
        };
        let cri = CriClient::new(&world.net, &endpoints, tasks);
        let fail = |source| StartError::Runtime { endpoint: endpoints.runtime.to_string(), source };
        let version = cri.handshake().await.map_err(fail)?;
        tracing::info!(
            containerRuntime = version.runtime_name,
            version = version.runtime_version,
            apiVersion = version.runtime_api_version,
            "Container runtime initialized"
        );
        let driver = driver(&cri, &config).await;
        if !config.pod_cidr.is_empty()
            && let Err(error) = cri.update_runtime_config(&config.pod_cidr).await
        {
            tracing::error!(%error, "Failed to update pod CIDR");
        }
        let facts = world.machine.facts().map_err(StartError::Facts)?;
        let mut settings = node::runtime_settings(&config, facts.clone(), driver)?;
        if let (Some(path), Some(programs)) =
            (&config.image_credential_provider_config, &config.image_credential_provider_bin_dir)
        {
            settings.images.providers = credentials::load(&world.files, path, programs)?;
        }
        let runtime =
            RuntimeManager::new(world.clone(), tasks.clone(), cri.clone(), settings.clone(), observer.clone());
        runtime.images.recover().await;
        let status = Arc::new(StatusManager::new(world.clock.clone(), observer.clone()));
        let recorder = runtime.recorder().clone();
        recorder.node(&config.node_name, EventKind::Normal, event::STARTING, "Starting kubelet.");
        if facts.cgroups == CgroupVersion::V1 {
            recorder.node(&config.node_name, EventKind::Warning, event::CGROUP_V1, CGROUP_V1);
        }
        let (prober, probes) = Prober::new(&world, cri, recorder.clone(), Arc::new(Shown(status.clone())), tasks);
        let gate = Arc::new(RuntimeGate::default());
        drop(tasks.spawn("runtime-status", gate::watch(gate.clone(), runtime.clone())));
        let (pleg, events) = Pleg::start(runtime.clone(), tasks);
        let (sources, changes) = Sources::start(&world, &SourceSettings::of(&config), &recorder, tasks);
        let wake = Arc::new(Notify::new());
        let parts = Parts {
            runtime: runtime.clone(),
            pleg: pleg.clone(),
            status: status.clone(),
            reasons: Arc::new(ReasonCache::default()),
            volumes: VolumeManager::new(world.clone(), settings.clone(), recorder),
            cgroups: PodCgroups::new(world.clone(), settings.clone()),
            prober,
            network: gate.network(),
            sync_frequency: config.sync_frequency,
            ready_to_start: config.feature_gates.enabled("PodReadyToStartContainersCondition"),
            ipv6_first: settings.ipv6_first(),
            world: world.clone(),
        };
        let workers = Workers::new(parts, sources.clone(), wake.clone(), tasks);
        let pods = Arc::new(PodManager::default());
        let groups = NodeCgroups::new(world.clone(), settings, Enforced::of(&config, &facts)?);
        let demand = cgroups::start(groups, &config, &pods, &workers, tasks).await;
        let rejected: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let keeper = Housekeeping {
            pods: pods.clone(),
            rejected: rejected.clone(),
            sources: sources.clone(),
            workers: workers.clone(),
            runtime: runtime.clone(),
            wake: wake.clone(),
            ready: gate.clone(),
        };
        drop(tasks.spawn("housekeeping", keeper.run()));
        let images = ImageCollector::new(runtime.clone(), pods.clone(), &config);
        drop(tasks.spawn("image-gc", images.run()));
        if let Some(policy) = log_rotator::Policy::of(&config) {
            drop(tasks.spawn("log-rotation", log_rotator::run(runtime.clone(), pleg.clone(), policy)));
        }
        let pulse = Arc::new(Mutex::new(Instant::now()));
        let disk = world.files.usage(&config.root_dir).ok().map(|usage| usage.capacity);
        let node = Node {
            name: config.node_name.clone(),
            labels: Node::standard_labels(&config.node_name, &facts.architecture, &config.node_labels),
            allocatable: Allocatable::of(&config, &facts, disk)?,
            apparmor: facts.apparmor,
            supplemental_groups_policy: false,
            allowed_sysctls: config.allowed_unsafe_sysctls.clone(),
        };
        let sync_loop = SyncLoop {
            pods: pods.clone(),
            rejected,
            sources,
            workers,
            status: status.clone(),
            gate: gate.clone(),
            pleg,
            wake,
            demand,
            node,
            allocated: Allocations::open(world.files.clone(), config.root_dir.join("allocated_pods_state")),
            resizes: resizes::Waiting::default(),
            observer,
            pulse: pulse.clone(),
            left_over: Vec::new(),
        };
        drop(tasks.spawn("sync-loop", sync_loop.run(changes, events, probes)));
        Ok(Self { pods, status, runtime, pulse, sync_frequency: config.sync_frequency })
    }
}

/// What the runtime says about control groups, or else the configuration.
async fn driver(cri: &CriClient, config: &KubeletConfig) -> CgroupDriver {
    use cri_proto::v1;
    match cri.runtime_config().await {
        Ok(reply) => match reply.linux.map(|l| v1::CgroupDriver::try_from(l.cgroup_driver)) {
            Some(Ok(v1::CgroupDriver::Systemd)) => CgroupDriver::Systemd,
            Some(Ok(v1::CgroupDriver::Cgroupfs)) => CgroupDriver::Cgroupfs,
            _ => config.cgroup_driver,
        },
        Err(error) => {
            if error.is_unimplemented() {
                tracing::info!(
                    cgroupDriver = config.cgroup_driver.as_str(),
                    "CRI implementation should be updated to support RuntimeConfig. Falling back to using cgroupDriver from kubelet config."
                );
            } else {
                tracing::error!(%error, "Failed to get runtime config from CRI");
            }
            config.cgroup_driver
        }
    }
}

impl KubeletView for Kubelet {
    fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods.pods().iter().map(|pod| self.status.overlay(pod)).collect()
    }

    fn sync_loop_healthy(&self) -> Result<(), String> {
        view::sync_loop_healthy(&self.pulse, self.sync_frequency)
    }

    fn running_pods(&self) -> BoxFuture<'_, Result<Vec<Pod>, String>> {
        Box::pin(view::running_pods(&self.runtime))
    }
}
