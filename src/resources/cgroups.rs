//! The pod-level control group: its name with either driver, and the seam by which it is made and removed.
//!
//! Names as kubelet 1.36. Making is the least that keeps a drop-in working: the runtime creates the parents it is told of (runc with
//! cgroupfs, systemd with slices), so without write access, or with the systemd driver, nothing is written here.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use world::{World, machine::CgroupVersion};

use crate::{
    api::qos::{self, QosClass},
    resources::{
        linux::{cpu_quota, cpu_shares, cpu_weight},
        totals::{Side, all_limited, of_pod},
    },
    runtime::{CgroupDriver, RuntimeSettings, naming},
};

/// Components below the root group.
fn components(root: &str, class: Option<QosClass>, uid: &str) -> Vec<String> {
    let mut parts: Vec<String> = root.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    parts.push("kubepods".to_owned());
    match class {
        Some(QosClass::Burstable) => parts.push("burstable".to_owned()),
        Some(QosClass::BestEffort) => parts.push("besteffort".to_owned()),
        Some(QosClass::Guaranteed) | None => {}
    }
    parts.push(format!("pod{uid}"));
    parts
}

/// `cgroup_parent` of a pod of this class: a path with the cgroupfs driver, the full path of a slice with systemd's.
pub fn pod_cgroup_parent(driver: CgroupDriver, root: &str, class: QosClass, uid: &str) -> String {
    let parts = components(root, Some(class), uid);
    match driver {
        CgroupDriver::Cgroupfs => format!("/{}", parts.join("/")),
        CgroupDriver::Systemd => {
            let mut path = String::new();
            let mut stem = String::new();
            for part in parts {
                // A dash is systemd's separator between levels.
                let part = part.replace('-', "_");
                if !stem.is_empty() {
                    stem.push('-');
                }
                stem.push_str(&part);
                path.push_str(&format!("/{stem}.slice"));
            }
            path
        }
    }
}

/// Pod-level control groups, with the driver and below the root that the settings say.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    world: World,
    settings: RuntimeSettings,
}

const MOUNT: &str = "/sys/fs/cgroup";

impl PodCgroups {
    /// Groups on this node.
    pub fn new(world: World, settings: RuntimeSettings) -> Self {
        Self { world, settings }
    }

    /// Whether the hierarchy is ours to write: cgroup v2, cgroupfs driver, and a group of ours can be made in it.
    fn base(&self) -> Option<&'static Path> {
        let ours = self.settings.cgroups_per_qos
            && self.settings.cgroup_driver == CgroupDriver::Cgroupfs
            && self.settings.facts.cgroups == CgroupVersion::V2
            && self.settings.facts.euid == 0
            && self.world.files.exists(&Path::new(MOUNT).join("cgroup.subtree_control"));
        ours.then_some(Path::new(MOUNT))
    }

    /// Makes the pod's group and writes its limits, if the hierarchy is ours to write. The error is the text of the event
    /// `FailedCreatePodContainer`.
    pub fn ensure(&self, pod: &Pod) -> Result<(), String> {
        let Some(base) = self.base() else { return Ok(()) };
        let parts = components(&self.settings.cgroup_root, Some(qos::class(pod)), naming::uid(pod));
        let mut dir = base.to_path_buf();
        let mut fresh = false;
        for part in &parts {
            // Children get the controllers only if every level above hands them down; a level that cannot is left as it is.
            for controller in ["+cpu", "+memory", "+pids", "+cpuset", "+io", "+hugetlb"] {
                let _ = self.world.files.write(&dir.join("cgroup.subtree_control"), controller.as_bytes(), 0o644);
            }
            dir.push(part);
            fresh = !self.world.files.exists(&dir);
            if fresh && let Err(error) = self.world.files.create_dir(&dir, 0o755) {
                return match error.kind() {
                    // Read-only, as in a container without its own hierarchy: the runtime's affair.
                    std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => Ok(()),
                    _ => Err(format!("failed to create container for {:?} : {error}", parts)),
                };
            }
        }
        if fresh {
            self.write_limits(&dir, pod);
        }
        Ok(())
    }

    fn write_limits(&self, dir: &Path, pod: &Pod) {
        let set = |file: &str, value: String| {
            // A controller that is not handed down has no file.
            let path = dir.join(file);
            if self.world.files.exists(&path)
                && let Err(error) = self.world.files.write(&path, value.as_bytes(), 0o644)
            {
                tracing::debug!(path = %path.display(), %error, "control group value not written");
            }
        };
        let class = qos::class(pod);
        let cpu = of_pod(pod, Side::Requests, "cpu").unwrap_or(0);
        let shares = if class == QosClass::BestEffort { 2 } else { cpu_shares(cpu) };
        set("cpu.weight", cpu_weight(shares).to_string());
        if class == QosClass::BestEffort {
            return;
        }
        let limit = |resource: &str| {
            let all = class == QosClass::Guaranteed || all_limited(pod, resource);
            of_pod(pod, Side::Limits, resource).filter(|_| all)
        };
        if let Some(cpu) = limit("cpu")
            && self.settings.cpu_cfs_quota
        {
            let period = self.settings.cpu_cfs_quota_period;
            set("cpu.max", format!("{} {}", cpu_quota(cpu, period), period.as_micros()));
        }
        if let Some(memory) = limit("memory") {
            set("memory.max", memory.to_string());
        }
        if let Some(pids) = self.settings.pod_pids_limit {
            set("pids.max", pids.to_string());
        }
    }

    /// Removes the pod's group with what is below it, in whatever class of service it is. Done when there is none.
    pub fn destroy(&self, uid: &str) -> Result<(), String> {
        let Some(base) = self.base() else { return Ok(()) };
        for class in [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort] {
            let mut dir: PathBuf = base.to_path_buf();
            dir.extend(components(&self.settings.cgroup_root, Some(class), uid));
            if self.world.files.exists(&dir) {
                self.remove(&dir).map_err(|e| format!("failed to remove control group {}: {e}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// Groups go from the leaves up; their files are not files to delete.
    fn remove(&self, dir: &Path) -> std::io::Result<()> {
        for entry in self.world.files.read_dir(dir)? {
            if entry.kind == world::files::FileKind::Directory {
                self.remove(&dir.join(entry.name))?;
            }
        }
        self.world.files.remove_dir(dir)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(CgroupDriver::Cgroupfs, "", QosClass::Burstable, "a-b", "/kubepods/burstable/poda-b")]
    #[case(CgroupDriver::Cgroupfs, "/", QosClass::Guaranteed, "ab", "/kubepods/podab")]
    #[case(CgroupDriver::Cgroupfs, "/top", QosClass::BestEffort, "ab", "/top/kubepods/besteffort/podab")]
    #[case(
        CgroupDriver::Systemd,
        "",
        QosClass::Burstable,
        "a-b",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice"
    )]
    #[case(CgroupDriver::Systemd, "", QosClass::Guaranteed, "ab", "/kubepods.slice/kubepods-podab.slice")]
    fn parents(
        #[case] driver: CgroupDriver,
        #[case] root: &str,
        #[case] class: QosClass,
        #[case] uid: &str,
        #[case] parent: &str,
    ) {
        assert_eq!(pod_cgroup_parent(driver, root, class, uid), parent);
    }
}
