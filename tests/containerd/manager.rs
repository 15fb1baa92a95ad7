//! The tutorial's pod through the runtime half alone: synced, observed, killed and collected on a real containerd. No worker and no sources.

use std::{fs, path::Path, sync::Arc, time::Instant};

use k8s_openapi::api::core::v1::Pod;
use kubelet::{
    api::{decode, identity},
    cri::CriClient,
    observer::Unobserved,
    resources::PodCgroups,
    runtime::{
        GarbageOracle, NoProbes, Recorder, RuntimeManager, RuntimeSettings, SyncContext, observed::ContainerState,
    },
    volumes::VolumeManager,
};
use tokio_util::sync::CancellationToken;
use world::{Tasks, World};

use crate::{daemon::Containerd, image, leftovers, raw};

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: static-web}
spec:
  terminationGracePeriodSeconds: 3
  dnsPolicy: Default
  securityContext: {fsGroup: 3000}
  volumes: [{name: scratch, emptyDir: {}}, {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]
  initContainers: [{name: setup, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, 'echo made > /scratch/x; grep -E " /(fast|scratch) " /proc/mounts > /scratch/mounts; stat -c "%a %g" /fast /scratch >> /scratch/mounts; id -G >> /scratch/mounts; echo word > /dev/termination-log'],
    volumeMounts: [{name: scratch, mountPath: /scratch, subPath: a/b}, {name: fast, mountPath: /fast, readOnly: true}]}]
  containers: [{name: web, image: nginx, imagePullPolicy: IfNotPresent, ports: [{name: web, containerPort: 80, protocol: TCP}]}]
"#;

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

/// Runs the pod to the end.
pub fn comes_and_goes(daemon: &Containerd) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let tasks = Tasks::root("test");
        let client = daemon.client(&tasks);
        let outcome = scenario(daemon, client, &tasks).await;
        tasks.shutdown().await;
        outcome
    })
}

async fn scenario(daemon: &Containerd, client: CriClient, tasks: &Tasks) -> Result<(), String> {
    client.handshake().await.map_err(|e| e.to_string())?;
    let world = World::real(1);
    let base = daemon.directory().to_path_buf();
    let mut settings = RuntimeSettings::new("node1", world.machine.facts().map_err(|e| e.to_string())?);
    settings.root_dir = base.join("kubelet");
    settings.pod_logs_dir = base.join("pod-logs");
    settings.container_log_links_dir = base.join("links");
    let mut pod = decode::manifest(MANIFEST.as_bytes()).map_err(|e| e.to_string())?;
    identity::apply_static_defaults(&mut pod, identity::Source::File("/m/pod.yaml"), "node1");
    let pod = Arc::new(pod);
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let recorder = Recorder::new(world.clock.clone(), Arc::new(Unobserved));
    let volumes = VolumeManager::new(world.clone(), settings.clone(), recorder);
    let cgroups = PodCgroups::new(world.clone(), settings.clone());
    cgroups.ensure(&pod)?;
    let manager = RuntimeManager::new(world, tasks.clone(), client, settings, Arc::new(Unobserved));
    volumes.make_pod_dirs(&uid).map_err(|e| e.to_string())?;
    volumes.set_up(&pod).await.map_err(|e| e.to_string())?;
    until_running(&manager, &pod, &uid).await?;
    let made = base.join(format!("kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/scratch/a/b/x"));
    if fs::read_to_string(&made).unwrap_or_default() != "made\n" {
        return Err("the init container did not write into its volume".into());
    }
    seen_by_the_container(&made.with_file_name("mounts"))?;
    let observed = observe(&manager, &uid).await?;
    if observed.container("setup").map(|c| (c.exit_code, c.message.as_str())) != Some((0, "word\n")) {
        return Err(format!("the init container left {:?}", observed.container("setup")));
    }
    let ip = observed.ips.first().ok_or("no address")?;
    if !raw::get(ip).await?.ends_with(image::WELCOME) {
        return Err("the web server answers something else".into());
    }
    if leftovers::entries(&base.join("links")).len() != 2 {
        return Err(format!("log links: {:?}", leftovers::entries(&base.join("links"))));
    }
    manager.kill_pod(&pod, &observed, Some(3)).await.map_err(|e| e.to_string())?;
    manager.collect_garbage(&All).await.map_err(|e| e.to_string())?;
    volumes.tear_down(&uid).await.map_err(|e| e.to_string())?;
    volumes.remove_pod_dir(&uid).map_err(|e| e.to_string())?;
    cgroups.destroy(&uid).await?;
    let mut left = leftovers::find(daemon, manager.cri()).await?;
    for directory in ["links", "pod-logs", "kubelet/pods"] {
        left.extend(leftovers::entries(&base.join(directory)).into_iter().map(|n| format!("{directory}/{n}")));
    }
    left.extend(control_groups(Path::new("/sys/fs/cgroup"), &uid, 5));
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
}

/// What the init container saw of its volumes: kinds, options, modes and groups.
fn seen_by_the_container(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let fast = text.lines().find(|l| l.contains(" /fast ")).unwrap_or_default();
    let wanted = fast.contains(" tmpfs ro,") && fast.contains("size=1024k");
    let scratch = text.lines().any(|l| l.contains(" /scratch ") && !l.contains(" tmpfs ") && l.contains(" rw,"));
    let ids = text.contains("\n3777 3000\n2777 3000\n") && text.lines().last().is_some_and(|l| l.contains("3000"));
    if wanted && scratch && ids { Ok(()) } else { Err(format!("the container saw of its volumes:\n{text}")) }
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

async fn observe(manager: &RuntimeManager, uid: &str) -> Result<kubelet::runtime::observed::ObservedPod, String> {
    let listed = manager.list(Some(uid)).await.map_err(|e| e.to_string())?;
    match listed.first() {
        Some(listed) => manager.observe(listed).await.map_err(|e| e.to_string()),
        None => Ok(Default::default()),
    }
}

/// Syncs as a worker would, whenever something has changed; twenty seconds at most.
async fn until_running(manager: &RuntimeManager, pod: &Pod, uid: &str) -> Result<(), String> {
    let terminating = CancellationToken::new();
    let started = Instant::now();
    while started.elapsed().as_secs() < 20 {
        let observed = observe(manager, uid).await?;
        if observed.container("web").is_some_and(|c| c.state == ContainerState::Running) {
            return Ok(());
        }
        let context = SyncContext { probes: &NoProbes, terminating: &terminating, sandbox_ready: &|| {} };
        if let Some(error) = manager.sync_pod(pod, &observed, context).await.error() {
            return Err(error);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err("the web server did not start".into())
}
