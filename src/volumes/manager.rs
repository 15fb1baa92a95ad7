//! Set-up and tear-down of a pod's directories and volumes, and the removal of what pods left behind.
//!
//! As kubelet 1.36 in what is seen: only volumes that a container mounts count; one that fails is tried again after 500 ms, 1 s, 2 s … up to
//! 2 m 2 s; a sync waits at most 2 m 3 s. Without upstream's 100 ms loops: volumes that can be made at once are made at once.

use std::{io, path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Pod, Volume};
use tokio::time::Instant;
use world::{World, files::FileKind};

use crate::{
    api::pod as api_pod,
    observer::EventKind,
    runtime::{Recorder, RuntimeSettings, naming},
    volumes::{memory, nfs, paths, setup, subpaths},
};

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(122);
const WAIT: Duration = Duration::from_secs(123);

/// Why a pod's volumes or directories are not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A directory of the pod could not be made.
    #[error("error making pod data directories: {0}")]
    PodDirectories(String),
    /// Volumes were not ready in time; the text is upstream's.
    #[error("{0}")]
    NotReady(String),
    /// Volumes are of a kind that nothing mounts; the text is upstream's.
    #[error("{0}")]
    Unknown(String),
    /// Something could not be taken down.
    #[error("{0}")]
    TearDown(String),
}

/// What upstream says of volumes that are not there.
fn unready(missing: &[&Volume], unknown: &[&Volume], why: &str) -> String {
    let names = |volumes: &mut dyn Iterator<Item = &&Volume>| {
        let mut names: Vec<&str> = volumes.map(|volume| volume.name.as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let unmounted = names(&mut missing.iter());
    let unattached = names(&mut missing.iter().filter(|volume| paths::waits_for_attachment(volume)));
    let unknown = names(&mut unknown.iter());
    format!(
        "unmounted volumes=[{unmounted}], unattached volumes=[{unattached}], failed to process volumes=[{unknown}]: {why}"
    )
}

/// Volumes and directories of pods.
#[derive(Debug)]
pub struct VolumeManager {
    world: World,
    settings: RuntimeSettings,
    recorder: Recorder,
}

impl VolumeManager {
    /// A manager of what lies below `settings.root_dir`.
    pub fn new(world: World, settings: RuntimeSettings, recorder: Recorder) -> Arc<Self> {
        Arc::new(Self { world, settings, recorder })
    }

    /// Makes `<root>/pods/<uid>` with `volumes` and `plugins`, each 0750.
    pub fn make_pod_dirs(&self, uid: &str) -> Result<(), VolumeError> {
        let pod = self.settings.pod_dir(uid);
        for dir in [pod.clone(), pod.join("volumes"), pod.join("plugins")] {
            self.world
                .files
                .create_dir_all(&dir, 0o750)
                .map_err(|e| VolumeError::PodDirectories(format!("mkdir {}: {e}", dir.display())))?;
        }
        Ok(())
    }

    /// Makes every volume that a container mounts, side by side; retries what fails, for at most 2 m 3 s. Tells `FailedMount` events.
    /// Returns at once when all are there, and when one of them is of a kind that nothing mounts.
    pub async fn set_up(&self, pod: &Arc<Pod>) -> Result<(), VolumeError> {
        let deadline = Instant::now() + WAIT;
        let used = api_pod::used_volumes(pod);
        let (lost, mut missing): (Vec<&Volume>, Vec<&Volume>) = used.into_iter().partition(|v| paths::has_no_plugin(v));
        let mut retry = FIRST_RETRY;
        loop {
            let made = join_all(missing.iter().map(|volume| self.make(pod, volume, deadline))).await;
            let mut made = made.into_iter();
            missing.retain(|_| !made.next().unwrap_or(false));
            if !lost.is_empty() {
                let why: Vec<String> = lost.iter().map(|volume| setup::no_plugin(volume)).collect();
                missing.extend(&lost);
                return Err(VolumeError::Unknown(unready(&missing, &lost, &why.join("; "))));
            }
            if missing.is_empty() {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left < retry {
                tokio::time::sleep(left).await;
                return Err(VolumeError::NotReady(unready(&missing, &[], "context deadline exceeded")));
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// Makes one volume, if that can be done before the deadline; whether it is there.
    async fn make(&self, pod: &Arc<Pod>, volume: &Volume, deadline: Instant) -> bool {
        if paths::waits_for_attachment(volume) {
            return false;
        }
        let result = match &volume.nfs {
            Some(source) => {
                let dir = paths::volume_dir(&self.settings.root_dir, naming::uid(pod), paths::NFS, &volume.name);
                match tokio::time::timeout_at(deadline, nfs::mount(&self.world, source, &dir)).await {
                    Ok(result) => result,
                    Err(_) => return false,
                }
            }
            None => setup::set_up(&self.world, &self.settings, pod, volume),
        };
        let Err(error) = result else { return true };
        let message = format!("MountVolume.SetUp failed for volume {:?} : {error}", volume.name);
        tracing::error!(pod = naming::format_pod(pod), volume = volume.name, %error, "volume not set up");
        self.recorder.pod(pod, EventKind::Warning, crate::api::reasons::event::FAILED_MOUNT, message);
        false
    }

    /// Takes down every volume of the pod. Containers must have ended. Content of emptyDir and downwardAPI volumes goes; hostPath stays.
    pub async fn tear_down(&self, uid: &str) -> Result<(), VolumeError> {
        let pod = self.settings.pod_dir(uid);
        let files = &self.world.files;
        let text = |e: io::Error| VolumeError::TearDown(format!("volumes of pod {uid} not taken down: {e}"));
        let missing_is_fine = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(text),
        };
        // What shows parts of volumes elsewhere keeps them busy.
        subpaths::clean_up(&self.world, &pod).map_err(text)?;
        // The markers first: a half-removed volume must not look complete.
        let markers = pod.join("plugins").join(paths::EMPTY_DIR);
        missing_is_fine(files.remove_dir_all(&markers))?;
        for plugin in [paths::EMPTY_DIR, paths::DOWNWARD_API, paths::CONFIG_MAP, paths::SECRET, paths::PROJECTED] {
            let dir = pod.join("volumes").join(plugin);
            for entry in files.read_dir(&dir).unwrap_or_default() {
                let path = dir.join(entry.name);
                self.unmount_volume(&path).map_err(text)?;
                missing_is_fine(files.remove_dir_all(&path))?;
            }
        }
        let dir = pod.join("volumes").join(paths::NFS);
        for entry in files.read_dir(&dir).unwrap_or_default() {
            nfs::unmount(&self.world, &dir.join(entry.name)).await.map_err(text)?;
        }
        Ok(())
    }

    /// Takes away what was mounted for a volume in memory. What somebody else mounted there stays, and with it the directory.
    fn unmount_volume(&self, dir: &Path) -> io::Result<()> {
        if !memory::is_mounted(&self.world, dir) {
            return Ok(());
        }
        loop {
            let mounts = self.world.mounts.list()?;
            let top = mounts.iter().rev().find(|mount| mount.at == dir);
            if !top.is_some_and(|mount| matches!(mount.kind.as_str(), "tmpfs" | "hugetlbfs")) {
                return Ok(());
            }
            self.world.mounts.unmount(dir)?;
        }
    }

    /// UIDs that have a directory.
    pub fn pod_dirs(&self) -> Vec<String> {
        let entries = self.world.files.read_dir(&self.settings.root_dir.join("pods")).unwrap_or_default();
        entries.into_iter().filter(|e| e.kind == FileKind::Directory).map(|e| e.name).collect()
    }

    /// Whether the pod still has volumes with content of ours.
    pub fn has_volumes(&self, uid: &str) -> bool {
        let volumes = self.settings.pod_dir(uid).join("volumes");
        let files = &self.world.files;
        files
            .read_dir(&volumes)
            .unwrap_or_default()
            .iter()
            .any(|plugin| files.read_dir(&volumes.join(&plugin.name)).is_ok_and(|v| !v.is_empty()))
    }

    /// Removes the directory of a pod that nobody knows and of which nothing runs, never the content of a volume.
    pub fn remove_pod_dir(&self, uid: &str) -> Result<(), VolumeError> {
        let pod = self.settings.pod_dir(uid);
        let files = &self.world.files;
        let text = |path: &Path, e: io::Error| {
            let e = match e.kind() {
                io::ErrorKind::CrossesDevices => {
                    format!("cannot delete directory {}: it is a mount point", path.display())
                }
                _ => e.to_string(),
            };
            VolumeError::TearDown(format!("orphaned pod {uid:?} found, but failed to remove {}: {e}", path.display()))
        };
        let volumes = pod.join("volumes");
        for plugin in files.read_dir(&volumes).unwrap_or_default() {
            let dir = volumes.join(&plugin.name);
            for volume in files.read_dir(&dir).unwrap_or_default() {
                let path = dir.join(&volume.name);
                files.remove_dir(&path).map_err(|e| text(&path, e))?;
            }
            files.remove_dir(&dir).map_err(|e| text(&dir, e))?;
        }
        for entry in files.read_dir(&pod).unwrap_or_default() {
            let path = pod.join(&entry.name);
            let removed = match entry.kind {
                FileKind::Directory => files.remove_dir_all(&path),
                _ => files.remove_file(&path),
            };
            removed.map_err(|e| text(&path, e))?;
        }
        match files.remove_dir(&pod) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(text(&pod, error)),
            _ => Ok(()),
        }
    }
}
