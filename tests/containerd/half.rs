//! The runtime half of the kubelet on a real containerd, one pod at a time: volumes, control groups, syncs, and taking all of it away. No
//! worker and no sources; asserts nothing about what containers see.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kubelet::{
    api::{decode, identity},
    observer::Unobserved,
    resources::PodCgroups,
    runtime::{GarbageOracle, NoProbes, Recorder, RuntimeManager, RuntimeSettings, SyncContext, observed::ObservedPod},
    volumes::VolumeManager,
};
use tokio_util::sync::CancellationToken;
use world::{Tasks, World};

use crate::{daemon::Containerd, leftovers};

/// Everything may go.
struct All;

impl GarbageOracle for All {
    fn sources_ready(&self) -> bool {
        true
    }

    fn remove_content(&self, _: &str) -> bool {
        true
    }
}

/// The parts put together.
pub struct Half {
    /// What syncs and kills.
    pub manager: Arc<RuntimeManager>,
    /// Where its directories are.
    pub base: PathBuf,
    volumes: Arc<VolumeManager>,
    cgroups: PodCgroups,
}

/// A pod that is set up.
pub struct Running {
    /// As decoded and defaulted.
    pub pod: Arc<Pod>,
    /// Its UID.
    pub uid: String,
}

impl Half {
    /// Runs `body` with one, in a runtime of its own.
    pub fn with<B>(daemon: &Containerd, body: B) -> Result<(), String>
    where
        B: AsyncFnOnce(&Half) -> Result<(), String>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let tasks = Tasks::root("test");
            let outcome = match Self::new(daemon, &tasks).await {
                Ok(half) => body(&half).await,
                Err(error) => Err(error),
            };
            tasks.shutdown().await;
            outcome
        })
    }

    async fn new(daemon: &Containerd, tasks: &Tasks) -> Result<Self, String> {
        let client = daemon.client(tasks);
        client.handshake().await.map_err(|e| e.to_string())?;
        let world = World::real(1);
        let base = daemon.directory().to_path_buf();
        let mut settings = RuntimeSettings::new("node1", world.machine.facts().map_err(|e| e.to_string())?);
        settings.root_dir = base.join("kubelet");
        settings.pod_logs_dir = base.join("pod-logs");
        settings.container_log_links_dir = base.join("links");
        let recorder = Recorder::new(world.clock.clone(), Arc::new(Unobserved));
        let volumes = VolumeManager::new(world.clone(), settings.clone(), recorder);
        let cgroups = PodCgroups::new(world.clone(), settings.clone());
        let manager = RuntimeManager::new(world, tasks.clone(), client, settings, Arc::new(Unobserved));
        Ok(Self { manager, base, volumes, cgroups })
    }

    /// Makes a pod's groups, directories and volumes.
    pub async fn set_up(&self, manifest: &str) -> Result<Running, String> {
        let mut pod = decode::manifest(manifest.as_bytes()).map_err(|e| e.to_string())?;
        identity::apply_static_defaults(&mut pod, identity::Source::File("/m/pod.yaml"), "node1");
        let pod = Arc::new(pod);
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        self.cgroups.ensure(&pod).await?;
        self.volumes.make_pod_dirs(&uid).map_err(|e| e.to_string())?;
        self.volumes.set_up(&pod).await.map_err(|e| e.to_string())?;
        Ok(Running { pod, uid })
    }

    /// What the runtime has of a pod.
    pub async fn observe(&self, uid: &str) -> Result<ObservedPod, String> {
        let listed = self.manager.list(Some(uid)).await.map_err(|e| e.to_string())?;
        match listed.first() {
            Some(listed) => self.manager.observe(listed).await.map_err(|e| e.to_string()),
            None => Ok(Default::default()),
        }
    }

    /// Syncs as a worker would until `done`; twenty seconds at most. Failures to start are kept for the end: some pods have them.
    pub async fn sync_until(
        &self,
        running: &Running,
        done: impl Fn(&ObservedPod) -> bool,
    ) -> Result<ObservedPod, String> {
        let terminating = CancellationToken::new();
        let started = Instant::now();
        let mut last = None;
        while started.elapsed().as_secs() < 20 {
            let observed = self.observe(&running.uid).await?;
            if done(&observed) {
                return Ok(observed);
            }
            let context = SyncContext { probes: &NoProbes, terminating: &terminating, sandbox_ready: &|| {} };
            last = self.manager.sync_pod(&running.pod, &observed, context).await.error().or(last);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(last.unwrap_or_else(|| "the pod is not as wanted in time".to_owned()))
    }

    /// Kills the pod and takes everything of it away; what is left is an error.
    pub async fn take_away(&self, daemon: &Containerd, running: &Running) -> Result<(), String> {
        let uid = &running.uid;
        let observed = self.observe(uid).await?;
        self.manager.kill_pod(&running.pod, &observed, Some(3)).await.map_err(|e| e.to_string())?;
        self.manager.collect_garbage(&All).await.map_err(|e| e.to_string())?;
        self.volumes.tear_down(uid).await.map_err(|e| e.to_string())?;
        self.volumes.remove_pod_dir(uid).map_err(|e| e.to_string())?;
        self.cgroups.destroy(uid).await?;
        let mut left = leftovers::find(daemon, self.manager.cri()).await?;
        for directory in ["links", "pod-logs", "kubelet/pods"] {
            let names = leftovers::entries(&self.base.join(directory));
            left.extend(names.into_iter().map(|n| format!("{directory}/{n}")));
        }
        left.extend(control_groups(Path::new("/sys/fs/cgroup"), uid, 5));
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
    }
}

/// Control groups with the pod's name, a few levels down.
fn control_groups(directory: &Path, uid: &str, levels: usize) -> Vec<String> {
    let mut found = Vec::new();
    let names = leftovers::entries(directory).into_iter().filter(|n| directory.join(n).is_dir());
    for name in names {
        if name.contains(uid) {
            found.push(format!("control group {}", directory.join(&name).display()));
        } else if levels > 0 {
            found.extend(control_groups(&directory.join(name), uid, levels - 1));
        }
    }
    found
}
