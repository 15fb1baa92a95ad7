//! Looks at the logs of running containers and rotates those that have grown too large. Which files that means is `logs::rotation`.
//!
//! As kubelet 1.36's container log manager, but for its listing: what runs, and where it logs, is known here without asking the runtime.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};

use crate::{
    config::KubeletConfig,
    pleg::Pleg,
    runtime::{RuntimeManager, logs::rotation, observed::ContainerState},
};

/// When and how logs are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From this many bytes on.
    pub max_size: u64,
    /// Files kept for each container, the current one included. At least two.
    pub max_files: usize,
    /// Rotations at a time.
    pub workers: usize,
    /// Between two looks.
    pub interval: Duration,
}

impl Policy {
    /// As configured; nothing if logs are never rotated.
    pub fn of(config: &KubeletConfig) -> Option<Self> {
        Some(Self {
            max_size: config.container_log_max_size?,
            max_files: usize::try_from(config.container_log_max_files).unwrap_or(usize::MAX).max(2),
            workers: usize::try_from(config.container_log_max_workers).unwrap_or(usize::MAX).max(1),
            interval: config.container_log_monitor_interval,
        })
    }
}

/// Rotates until its task ends.
pub async fn run(runtime: Arc<RuntimeManager>, pleg: Arc<Pleg>, policy: Policy) {
    loop {
        tokio::time::sleep(policy.interval).await;
        round(&runtime, &pleg, policy).await;
    }
}

async fn round(runtime: &RuntimeManager, pleg: &Pleg, policy: Policy) {
    let pods = pleg.cache().pods();
    let running = pods.iter().flat_map(|pod| &pod.containers).filter(|c| c.state == ContainerState::Running);
    let logs: Vec<(&str, &Path)> =
        running.filter(|c| !c.log_path.is_empty()).map(|c| (c.id.id.as_str(), Path::new(&c.log_path))).collect();
    stream::iter(logs)
        .for_each_concurrent(policy.workers, |(id, log)| async move {
            if let Err(error) = look(runtime, policy, id, log).await {
                tracing::error!(containerID = id, path = %log.display(), err = error, "Failed to rotate log for container");
            }
        })
        .await;
}

/// One log: opened anew if it is missing, rotated if it is too large.
async fn look(runtime: &RuntimeManager, policy: Policy, id: &str, log: &Path) -> Result<(), String> {
    let files = &runtime.world.files;
    let size = match files.metadata(log) {
        Ok(facts) => facts.size,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // A rotation may have been cut off between the two steps.
            runtime
                .cri
                .reopen_container_log(id)
                .await
                .map_err(|e| format!("container is not running and log {:?} is not there: {e}", log.display()))?;
            files.metadata(log).map_err(|e| format!("failed to stat container log after reopen: {e}"))?.size
        }
        Err(error) => return Err(format!("failed to stat container log: {error}")),
    };
    if size < policy.max_size {
        return Ok(());
    }
    rotation::tidy(files, log, policy.max_files).await?;
    let rotated = rotation::rotated(log, runtime.world.clock.now());
    files.rename(log, &rotated).map_err(|e| format!("failed to rotate log {:?}: {e}", log.display()))?;
    if let Err(error) = runtime.cri.reopen_container_log(id).await {
        // The container writes on into the file that it has: it must be found under its name.
        if !files.exists(log)
            && let Err(error) = files.rename(&rotated, log)
        {
            tracing::error!(path = %log.display(), %error, "Failed to rename rotated log");
        }
        return Err(format!("failed to reopen container log {id:?}: {error}"));
    }
    Ok(())
}
