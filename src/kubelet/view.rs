//! What servers show of the kubelet: its health, and what the runtime runs.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tokio::time::Instant;

use crate::{api::duration::GoDuration, runtime::RuntimeManager};

/// The loop must have turned within this, whatever the sync frequency.
const LEAST: Duration = Duration::from_secs(5 * 60);

/// Whether the sync loop is alive. It rests while the runtime is away; upstream's text counts from its last turn all the same.
pub(super) fn sync_loop_healthy(pulse: &Mutex<Instant>, sync_frequency: Duration) -> Result<(), String> {
    let limit = (sync_frequency * 2).max(LEAST);
    let since = pulse.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
    if since > limit {
        return Err(format!("sync Loop took longer than expected: {}", GoDuration::from_std(since)));
    }
    Ok(())
}

/// The pods that the runtime runs, newest first, with names and images only.
pub(super) async fn running_pods(runtime: &RuntimeManager) -> Result<Vec<Pod>, String> {
    let mut listed = runtime.list_running().await.map_err(|e| e.to_string())?;
    listed.sort_by_key(|p| std::cmp::Reverse(p.sandboxes.first().map(|s| s.created_at)));
    let pods = listed.into_iter().map(|pod| {
        let mut shown = Pod::default();
        shown.metadata.name = Some(pod.name);
        shown.metadata.namespace = Some(pod.namespace);
        shown.metadata.uid = Some(pod.uid);
        let containers = pod.containers.into_iter();
        let containers =
            containers.map(|c| Container { name: c.name, image: Some(c.image_ref), ..Container::default() });
        shown.spec = Some(PodSpec { containers: containers.collect(), ..PodSpec::default() });
        shown
    });
    Ok(pods.collect())
}
