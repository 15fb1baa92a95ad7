//! Makes control groups and writes their values, with the driver that the settings say. Not which groups and what they hold.
//!
//! With the cgroupfs driver, as kubelet 1.36: cgroup v1 in the hierarchies that carry limits (the runtime makes the others), v2 in the
//! unified one. With the systemd driver slices are systemd's to make; what it does not know is written beside it. Where the hierarchy
//! is not ours to write nothing is done: the runtime makes the parents that it is told of.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use world::{World, files::FileKind, machine::CgroupVersion};

use super::{Group, systemd, values::Values};
use crate::{
    api::qos::QosClass,
    runtime::{CgroupDriver, RuntimeSettings},
};

const MOUNT: &str = "/sys/fs/cgroup";
const CLASSES: [QosClass; 3] = [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort];
/// Hierarchies of cgroup v1 in which the kubelet sets limits.
const V1_LIMITS: [&str; 4] = ["cpu", "memory", "pids", "hugetlb"];
/// Controllers of cgroup v2 that containers need.
const V2_CONTROLLERS: [&str; 6] = ["+cpu", "+memory", "+pids", "+cpuset", "+io", "+hugetlb"];
/// How often a group is tried to be removed while the kernel still counts processes in it: on a busy node that takes a second or two.
const REMOVALS: u32 = 9;
/// How often a slice that systemd was asked for is looked for, and how long between.
const LOOKS: (u32, Duration) = (50, Duration::from_millis(20));

/// The hierarchies of this node.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    world: World,
    settings: RuntimeSettings,
}

impl Groups {
    pub(super) fn new(world: World, settings: RuntimeSettings) -> Self {
        Self { world, settings }
    }

    pub(super) fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    /// Whether there are hierarchies in which groups are ours to make.
    pub(super) fn are_ours(&self) -> bool {
        !self.limited().is_empty()
    }

    /// The roots in which groups have limits; none where they are not ours to make.
    fn limited(&self) -> Vec<PathBuf> {
        if !self.settings.cgroups_per_qos || self.settings.facts.euid != 0 {
            return Vec::new();
        }
        let roots: Vec<PathBuf> = match self.settings.facts.cgroups {
            CgroupVersion::V2 => vec![PathBuf::from(MOUNT)],
            CgroupVersion::V1 => V1_LIMITS.iter().map(|c| Path::new(MOUNT).join(c)).collect(),
        };
        let is_group = |root: &PathBuf| self.world.files.exists(&root.join("cgroup.procs"));
        roots.into_iter().filter(is_group).collect()
    }

    /// All roots in which there may be groups.
    fn all(&self) -> Vec<PathBuf> {
        let mount = PathBuf::from(MOUNT);
        if self.settings.facts.cgroups == CgroupVersion::V2 {
            return vec![mount];
        }
        let entries = self.world.files.read_dir(&mount).unwrap_or_default();
        entries.into_iter().filter(|e| e.kind == FileKind::Directory).map(|e| mount.join(e.name)).collect()
    }

    fn path(&self, group: Group<'_>) -> String {
        group.path(self.settings.cgroup_driver, &self.settings.cgroup_root)
    }

    /// Makes a group, where it is ours to make, and gives it its values. With `anew` nothing is written to one that exists.
    ///
    /// # Errors
    /// It cannot be made; the text behind `failed to create container for …`.
    pub(super) async fn put(&self, group: Group<'_>, values: Values, anew: bool) -> Result<(), String> {
        let roots = self.limited();
        if roots.is_empty() {
            return Ok(());
        }
        match self.settings.cgroup_driver {
            CgroupDriver::Cgroupfs => {
                let parts = group.components(&self.settings.cgroup_root);
                for root in roots {
                    match self.make(&root, &parts) {
                        Ok((dir, fresh)) if fresh || !anew => self.write(&dir, &values),
                        Ok(_) => {}
                        // Read-only, as in a container without a hierarchy of its own: the runtime's affair.
                        Err(error) if is_not_ours(&error) => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
                Ok(())
            }
            CgroupDriver::Systemd => {
                self.put_slice(&roots, &self.path(group), &values.rounded_for_systemd(), anew).await
            }
        }
    }

    async fn put_slice(&self, roots: &[PathBuf], path: &str, values: &Values, anew: bool) -> Result<(), String> {
        let dirs: Vec<PathBuf> = roots.iter().map(|root| root.join(path.trim_start_matches('/'))).collect();
        let is_there = |dirs: &[PathBuf]| dirs.iter().any(|dir| self.world.files.exists(dir));
        if anew && is_there(&dirs) {
            return Ok(());
        }
        let mut names = path.rsplit('/').filter(|name| !name.is_empty());
        let slice = names.next().unwrap_or_default();
        let parent = names.next().unwrap_or("-.slice");
        systemd::put(&self.world.programs, slice, parent, values, self.settings.facts.cgroups).await?;
        // systemd answers before it has done it.
        for _ in 0..LOOKS.0 {
            if is_there(&dirs) {
                break;
            }
            tokio::time::sleep(LOOKS.1).await;
        }
        dirs.iter().for_each(|dir| self.write(dir, values));
        Ok(())
    }

    /// The group's directory below `root`, and whether it had to be made.
    fn make(&self, root: &Path, parts: &[String]) -> io::Result<(PathBuf, bool)> {
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
        Ok((dir, fresh))
    }

    fn write(&self, dir: &Path, values: &Values) {
        for (file, value) in values.files() {
            // A controller that is not here has no such file.
            let path = dir.join(file);
            if self.world.files.exists(&path)
                && let Err(error) = self.world.files.write(&path, value.as_bytes(), 0o644)
            {
                tracing::warn!(path = %path.display(), %error, "control group value not written");
            }
        }
    }

    /// Whether a pod has a group, but in another class of service.
    pub(super) fn is_elsewhere(&self, class: QosClass, uid: &str) -> bool {
        let roots = self.limited();
        let is_there = |class: QosClass| {
            let path = self.path(Group::Pod(class, uid));
            roots.iter().any(|root| self.world.files.exists(&root.join(path.trim_start_matches('/'))))
        };
        !is_there(class) && CLASSES.into_iter().any(|other| other != class && is_there(other))
    }

    /// Bytes of memory that a group counts.
    pub(super) fn memory_used(&self, group: Group<'_>) -> Option<u64> {
        let path = self.path(group);
        let read = |root: PathBuf| {
            let dir = root.join(path.trim_start_matches('/'));
            let files = ["memory.current", "memory.usage_in_bytes"].map(|name| dir.join(name));
            let text = files.iter().find_map(|file| self.world.files.read_to_string(file, 64).ok())?;
            text.trim().parse().ok()
        };
        self.limited().into_iter().find_map(read)
    }

    /// Removes a pod's group with what is below it, in whatever class of service it is. Done when there is none.
    ///
    /// # Errors
    /// The kernel keeps it.
    pub(super) async fn remove_pod(&self, uid: &str) -> Result<(), String> {
        if !self.settings.cgroups_per_qos {
            return Ok(());
        }
        let roots = self.all();
        for class in CLASSES {
            let group = Group::Pod(class, uid);
            let path = self.path(group);
            let dirs: Vec<PathBuf> = roots.iter().map(|root| root.join(path.trim_start_matches('/'))).collect();
            if self.settings.cgroup_driver == CgroupDriver::Systemd {
                let Some(slice) = path.rsplit('/').next() else { continue };
                if dirs.iter().any(|dir| self.world.files.exists(dir))
                    && let Err(error) = systemd::stop(&self.world.programs, slice).await
                {
                    tracing::warn!(slice, %error, "slice of a pod not stopped");
                }
                continue;
            }
            for dir in dirs {
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
}

fn is_not_ours(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}
