//! The pod-level control group: made with its limits before the first sandbox, removed after the last container.
//!
//! With the cgroupfs driver, as kubelet 1.36: cgroup v1 in the hierarchies that carry limits (the runtime makes the others), v2 in the
//! unified one. With the systemd driver the runtime has systemd make the slice, without pod-level limits; it is stopped in the end.
//! Where the hierarchy is not ours to write nothing is done: the runtime makes the parents that it is told of.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use world::{World, files::FileKind, machine::CgroupVersion, programs::Invocation};

use crate::{
    api::qos::{self, QosClass},
    resources::{
        cgroups::{components, pod_cgroup_parent},
        linux::{cpu_quota, cpu_shares, cpu_weight},
        totals::{Side, all_limited, of_pod},
    },
    runtime::{CgroupDriver, RuntimeSettings, naming},
};

const MOUNT: &str = "/sys/fs/cgroup";
const CLASSES: [QosClass; 3] = [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort];
/// Hierarchies of cgroup v1 in which a pod has limits.
const V1_LIMITS: [&str; 3] = ["cpu", "memory", "pids"];
/// Controllers of cgroup v2 that containers need.
const V2_CONTROLLERS: [&str; 6] = ["+cpu", "+memory", "+pids", "+cpuset", "+io", "+hugetlb"];
/// How often a group is tried to be removed while the kernel still counts processes in it.
const REMOVALS: u32 = 5;

/// Pod-level control groups, with the driver and below the root that the settings say.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    world: World,
    settings: RuntimeSettings,
}

impl PodCgroups {
    /// Groups on this node.
    pub fn new(world: World, settings: RuntimeSettings) -> Self {
        Self { world, settings }
    }

    /// The roots in which the pod's group has limits; none where it is not ours to make.
    fn limited(&self) -> Vec<PathBuf> {
        let ours = self.settings.cgroups_per_qos
            && self.settings.cgroup_driver == CgroupDriver::Cgroupfs
            && self.settings.facts.euid == 0;
        if !ours {
            return Vec::new();
        }
        let roots: Vec<PathBuf> = match self.settings.facts.cgroups {
            CgroupVersion::V2 => vec![PathBuf::from(MOUNT)],
            CgroupVersion::V1 => V1_LIMITS.iter().map(|c| Path::new(MOUNT).join(c)).collect(),
        };
        let is_group = |root: &PathBuf| self.world.files.exists(&root.join("cgroup.procs"));
        roots.into_iter().filter(is_group).collect()
    }

    /// All roots in which there may be a group of the pod.
    fn all(&self) -> Vec<PathBuf> {
        let mount = PathBuf::from(MOUNT);
        if self.settings.facts.cgroups == CgroupVersion::V2 {
            return vec![mount];
        }
        let entries = self.world.files.read_dir(&mount).unwrap_or_default();
        entries.into_iter().filter(|e| e.kind == FileKind::Directory).map(|e| mount.join(e.name)).collect()
    }

    /// Makes the pod's group with its limits, where it is ours to make. Nothing is written to one that exists. The error is the text
    /// behind `unable to ensure pod container exists: ` in the event `FailedCreatePodContainer`.
    pub fn ensure(&self, pod: &Pod) -> Result<(), String> {
        let parts = components(&self.settings.cgroup_root, qos::class(pod), naming::uid(pod));
        for root in self.limited() {
            match self.make(&root, &parts) {
                Ok(Some(dir)) => self.write_limits(&dir, pod),
                Ok(None) => {}
                // Read-only, as in a container without a hierarchy of its own: the runtime's affair.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {}
                Err(error) => return Err(format!("failed to create container for [{}] : {error}", parts.join(" "))),
            }
        }
        Ok(())
    }

    /// The pod's directory below `root` if it had to be made.
    fn make(&self, root: &Path, parts: &[String]) -> io::Result<Option<PathBuf>> {
        let files = &self.world.files;
        let mut dir = root.to_path_buf();
        let mut fresh = false;
        for part in parts {
            // On v2 children get the controllers only if every level above hands them down; one that cannot is left as it is.
            let hand_down = dir.join("cgroup.subtree_control");
            if files.exists(&hand_down) {
                for controller in V2_CONTROLLERS {
                    let _ = files.write(&hand_down, controller.as_bytes(), 0o644);
                }
            }
            dir.push(part);
            fresh = match files.create_dir(&dir, 0o755) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            };
        }
        Ok(fresh.then_some(dir))
    }

    fn write_limits(&self, dir: &Path, pod: &Pod) {
        for (file, value) in limits(pod, &self.settings) {
            // A controller that is not here has no such file.
            let path = dir.join(file);
            if self.world.files.exists(&path)
                && let Err(error) = self.world.files.write(&path, value.as_bytes(), 0o644)
            {
                tracing::warn!(path = %path.display(), %error, "control group value not written");
            }
        }
    }

    /// Removes the pod's group with what is below it, in whatever class of service it is. Done when there is none.
    pub async fn destroy(&self, uid: &str) -> Result<(), String> {
        if !self.settings.cgroups_per_qos {
            return Ok(());
        }
        if self.settings.cgroup_driver == CgroupDriver::Systemd {
            self.stop_slice(uid).await;
            return Ok(());
        }
        for root in self.all() {
            for class in CLASSES {
                let mut dir = root.clone();
                dir.extend(components(&self.settings.cgroup_root, class, uid));
                self.remove_patiently(&dir)
                    .await
                    .map_err(|e| format!("failed to remove control group {}: {e}", dir.display()))?;
            }
        }
        Ok(())
    }

    async fn remove_patiently(&self, dir: &Path) -> io::Result<()> {
        let mut wait = Duration::from_millis(10);
        for _ in 1..REMOVALS {
            match self.remove(dir) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => tokio::time::sleep(wait).await,
                done => return done,
            }
            wait *= 2;
        }
        self.remove(dir)
    }

    /// Groups go from the leaves up; their files are not files to delete.
    fn remove(&self, dir: &Path) -> io::Result<()> {
        let entries = match self.world.files.read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries.into_iter().filter(|e| e.kind == FileKind::Directory) {
            self.remove(&dir.join(entry.name))?;
        }
        match self.world.files.remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Has systemd stop the pod's slice, if there is one: nobody else does.
    async fn stop_slice(&self, uid: &str) {
        for class in CLASSES {
            let path = pod_cgroup_parent(CgroupDriver::Systemd, &self.settings.cgroup_root, class, uid);
            let there = self.all().iter().any(|root| self.world.files.exists(&root.join(path.trim_start_matches('/'))));
            let Some(slice) = path.rsplit('/').next().filter(|_| there) else { continue };
            let invocation = Invocation {
                program: "/usr/bin/systemctl".into(),
                args: vec!["stop".to_owned(), slice.to_owned()],
                timeout: Some(Duration::from_secs(30)),
                output_limit: 64 * 1024,
                ..Invocation::default()
            };
            if let Err(error) = self.world.programs.run(invocation).await {
                tracing::warn!(slice, %error, "slice of a pod not stopped");
            }
        }
    }
}

/// Files and values of a pod's group, for both versions of the hierarchy: those that are not there are skipped.
fn limits(pod: &Pod, settings: &RuntimeSettings) -> Vec<(&'static str, String)> {
    let class = qos::class(pod);
    let cpu = of_pod(pod, Side::Requests, "cpu").unwrap_or(0);
    let shares = if class == QosClass::BestEffort { 2 } else { cpu_shares(cpu) };
    let mut values = vec![("cpu.weight", cpu_weight(shares).to_string()), ("cpu.shares", shares.to_string())];
    let limit = |resource: &str| {
        let all = class == QosClass::Guaranteed || (class == QosClass::Burstable && all_limited(pod, resource));
        of_pod(pod, Side::Limits, resource).filter(|_| all)
    };
    if let Some(cpu) = limit("cpu") {
        let period = settings.cpu_cfs_quota_period;
        let quota = if settings.cpu_cfs_quota { cpu_quota(cpu, period) } else { -1 };
        let text = if quota < 0 { "max".to_owned() } else { quota.to_string() };
        values.push(("cpu.max", format!("{text} {}", period.as_micros())));
        values.push(("cpu.cfs_period_us", period.as_micros().to_string()));
        values.push(("cpu.cfs_quota_us", quota.to_string()));
    }
    if let Some(memory) = limit("memory") {
        values.push(("memory.max", memory.to_string()));
        values.push(("memory.limit_in_bytes", memory.to_string()));
    }
    if let Some(pids) = settings.pod_pids_limit {
        values.push(("pids.max", pids.to_string()));
    }
    values
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};
    use world::{Tasks, machine::Facts, sim::SimWorld};

    use super::*;

    fn pod(resources: &[Value]) -> Pod {
        let containers: Vec<Value> =
            resources.iter().enumerate().map(|(i, r)| json!({"name": format!("c{i}"), "resources": r})).collect();
        serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {"containers": containers}})).unwrap()
    }

    /// The worked values of upstream's documents: weight, quota and memory.
    #[rstest]
    #[case(&[json!({"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "500m", "memory": "128Mi"}})], "20", Some("50000 100000"), Some("134217728"))]
    #[case(&[json!({"requests": {"cpu": "250m"}})], "10", None, None)]
    #[case(&[json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}), json!({})], "39", None, None)]
    #[case(&[json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), json!({"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "250m"}})], "30", Some("150000 100000"), Some("1610612736"))]
    #[case(&[json!({})], "1", None, None)]
    fn values(
        #[case] resources: &[Value],
        #[case] weight: &str,
        #[case] cpu: Option<&str>,
        #[case] memory: Option<&str>,
    ) {
        let settings = RuntimeSettings::new("n", Facts::simulated());
        let values = limits(&pod(resources), &settings);
        let get = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!((get("cpu.weight"), get("cpu.max"), get("memory.max")), (Some(weight), cpu, memory));
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_comes_and_goes() {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        let root = Path::new(MOUNT);
        world.files.create_dir_all(root, 0o755).unwrap();
        world.files.write(&root.join("cgroup.procs"), b"", 0o644).unwrap();
        let cgroups = PodCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()));
        cgroups.ensure(&pod(&[json!({})])).unwrap();
        let dir = root.join("kubepods/besteffort/podu");
        assert!(world.files.exists(&dir));
        world.files.create_dir(&dir.join("container"), 0o755).unwrap();
        cgroups.ensure(&pod(&[json!({})])).unwrap();
        cgroups.destroy("u").await.unwrap();
        assert!(!world.files.exists(&dir) && world.files.exists(&root.join("kubepods/besteffort")));
        cgroups.destroy("u").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_made_where_there_is_no_hierarchy() {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        let cgroups = PodCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()));
        cgroups.ensure(&pod(&[json!({})])).unwrap();
        assert!(!world.files.exists(Path::new("/sys/fs/cgroup/kubepods")));
        cgroups.destroy("u").await.unwrap();
    }
}
