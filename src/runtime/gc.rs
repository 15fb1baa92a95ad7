//! Removal of what is dead: containers, sandboxes, log directories, links that lead nowhere. As kubelet 1.36's container collector.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use jiff::SignedDuration;
use world::files::FileKind;

use crate::{
    cri::CriError,
    runtime::{
        GarbageOracle, RuntimeManager, logs, naming,
        observed::{ContainerId, ContainerState, ListedContainer, ListedPod, ObservedPod},
    },
    volumes::paths,
};

const UNKNOWN_BEFORE_REMOVAL: &str = "Container is in unknown state, try killing it before removal";

impl RuntimeManager {
    /// Removes dead containers, sandboxes without containers, log directories and dead links. Does all it can; the first error is told.
    pub async fn collect_garbage(&self, oracle: &dyn GarbageOracle) -> Result<(), CriError> {
        let ready = oracle.sources_ready();
        for uid in self.actuated.uids() {
            if ready && oracle.remove_content(&uid) {
                self.actuated.forget(&uid);
            }
        }
        let mut first_error = None;
        let mut note = |result: Result<(), CriError>| {
            if let Err(error) = result {
                first_error.get_or_insert(error);
            }
        };
        note(self.collect_containers(oracle, ready).await);
        note(self.collect_sandboxes(oracle, ready).await);
        note(self.collect_logs(oracle, ready).await);
        first_error.map_or(Ok(()), Err)
    }

    async fn collect_containers(&self, oracle: &dyn GarbageOracle, ready: bool) -> Result<(), CriError> {
        let policy = self.settings.gc;
        let oldest = SignedDuration::try_from(policy.min_age).unwrap_or(SignedDuration::MAX);
        // A clock that went back makes containers younger than nothing: what may be of any age goes all the same.
        let born_before = match policy.min_age.is_zero() {
            true => jiff::Timestamp::MAX,
            false => self.world.clock.now().saturating_sub(oldest).unwrap_or(jiff::Timestamp::MIN),
        };
        // By pod and name, newest first, as listed.
        let mut units: BTreeMap<(String, String), Vec<ListedContainer>> = BTreeMap::new();
        for pod in self.list(None).await? {
            for container in pod.containers {
                if container.state != ContainerState::Running && container.created_at <= born_before {
                    units.entry((pod.uid.clone(), container.name.clone())).or_default().push(container);
                }
            }
        }
        if ready {
            for ((uid, _), dead) in &mut units {
                if oracle.remove_content(uid) {
                    self.remove_all(std::mem::take(dead)).await;
                }
            }
        }
        if let Some(keep) = policy.max_per_container {
            for dead in units.values_mut() {
                let old = dead.split_off(keep.min(dead.len()));
                self.remove_all(old).await;
            }
        }
        if let Some(most) = policy.max_containers {
            self.enforce_total(&mut units, most).await;
        }
        Ok(())
    }

    /// Keeps at most `most` dead containers: first fewer per name, at least one, then the oldest of all.
    async fn enforce_total(&self, units: &mut BTreeMap<(String, String), Vec<ListedContainer>>, most: usize) {
        let total = |units: &BTreeMap<_, Vec<ListedContainer>>| units.values().map(Vec::len).sum::<usize>();
        if total(units) <= most {
            return;
        }
        let each = (most / units.len().max(1)).max(1);
        for dead in units.values_mut() {
            let old = dead.split_off(each.min(dead.len()));
            self.remove_all(old).await;
        }
        let left = total(units);
        if left > most {
            let mut all: Vec<ListedContainer> = std::mem::take(units).into_values().flatten().collect();
            all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
            all.truncate(left - most);
            all.reverse();
            self.remove_all(all).await;
        }
    }

    /// Removes containers that are given newest first, oldest first.
    async fn remove_all(&self, containers: Vec<ListedContainer>) {
        for container in containers.into_iter().rev() {
            if container.state == ContainerState::Unknown
                && let Err(error) = self.kill_by_annotations(&container.id, UNKNOWN_BEFORE_REMOVAL).await
            {
                tracing::error!(id = %container.id, %error, "Failed to stop container");
                continue;
            }
            if let Err(error) = self.remove_container(&container.id).await {
                tracing::error!(id = %container.id, %error, "Failed to remove container");
            }
        }
    }

    /// Removes a container with its log files and its link; nothing if somebody else is at it.
    pub(crate) async fn remove_container(&self, id: &ContainerId) -> Result<(), CriError> {
        let removing = || self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        if !removing().insert(id.id.clone()) {
            return Ok(());
        }
        // However it ends, and if it is given up.
        let done = scopeguard(|| {
            removing().remove(&id.id);
        });
        let removed = self.remove_container_alone(id).await;
        drop(done);
        removed
    }

    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), CriError> {
        let status = match self.cri.container_status(&id.id, false).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        let files = &self.world.files;
        let io = |what: &str, error: std::io::Error| {
            CriError::Reply(format!("failed to remove {what} of container {:?}: {error}", id.id))
        };
        // The runtime says where the log is; only where the kubelet put it is anything removed. Upstream removes whatever it is told.
        let log = paths::clean(status.log_path.as_ref());
        if log.starts_with(&self.settings.pod_logs_dir) {
            logs::remove_logs(files, &log).map_err(|e| io("logs", e))?;
        } else if !status.log_path.is_empty() {
            tracing::error!(id = id.id, log_path = status.log_path, "Log of a removed container lies elsewhere: kept");
        }
        let label = |key: &str| status.labels.get(key).map(String::as_str).unwrap_or_default();
        let link = naming::log_link(
            label(crate::api::labels::POD_NAME),
            label(crate::api::labels::POD_NAMESPACE),
            label(crate::api::labels::CONTAINER_NAME),
            &id.id,
        );
        match files.remove_file(&self.settings.container_log_links_dir.join(link)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("log link", error)),
            _ => {}
        }
        self.cri.remove_container(&id.id).await
    }

    async fn collect_sandboxes(&self, oracle: &dyn GarbageOracle, ready: bool) -> Result<(), CriError> {
        for pod in self.list(None).await? {
            let used: BTreeSet<&str> = pod.containers.iter().map(|c| c.sandbox_id.as_str()).collect();
            let all = ready && oracle.remove_content(&pod.uid);
            let doomed: Vec<&str> = doomed_sandboxes(&pod, &used, all);
            for id in doomed {
                // Stopped once more first: its network may not have been taken down.
                let removed = match self.cri.stop_pod_sandbox(id).await {
                    Ok(()) => self.cri.remove_pod_sandbox(id).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = removed {
                    tracing::error!(id, %error, "Failed to remove sandbox");
                }
            }
        }
        Ok(())
    }

    async fn collect_logs(&self, oracle: &dyn GarbageOracle, ready: bool) -> Result<(), CriError> {
        let files = &self.world.files;
        if ready {
            for entry in files.read_dir(&self.settings.pod_logs_dir).unwrap_or_default() {
                let uid = entry.name.rsplit('_').next().unwrap_or_default();
                if !oracle.remove_content(uid) {
                    continue;
                }
                let path = self.settings.pod_logs_dir.join(&entry.name);
                let removed = match entry.kind {
                    FileKind::Directory => files.remove_dir_all(&path),
                    _ => files.remove_file(&path),
                };
                if let Err(error) = removed {
                    tracing::error!(path = %path.display(), %error, "Failed to remove pod logs directory");
                }
            }
        }
        let links = &self.settings.container_log_links_dir;
        for entry in files.read_dir(links).unwrap_or_default() {
            let path = links.join(&entry.name);
            if !entry.name.ends_with(".log") || files.exists(&path) {
                continue;
            }
            // The file of a container that runs may only be missing for the moment of a rotation.
            let id = entry.name.trim_end_matches(".log").rsplit('-').next().unwrap_or_default();
            let running = match self.cri.container_status(id, false).await {
                Ok(status) => status.state != i32::from(cri_proto::v1::ContainerState::ContainerExited),
                Err(_) => false,
            };
            if !running && let Err(error) = files.remove_file(&path) {
                tracing::error!(path = %path.display(), %error, "Failed to remove container log dead symlink");
            }
        }
        Ok(())
    }

    /// Removes exited containers of one pod at once: all, or all but the newest of the name that `died` (a container id) has.
    pub async fn remove_dead_containers(&self, observed: &ObservedPod, died: Option<&str>, all: bool) {
        let exited = observed.containers.iter().filter(|c| c.state == ContainerState::Exited);
        let doomed: Vec<ContainerId> = if all {
            exited.map(|c| c.id.clone()).collect()
        } else {
            let name = observed.containers.iter().find(|c| Some(c.id.id.as_str()) == died).map(|c| c.name.as_str());
            let keep = self.settings.gc.max_per_container.unwrap_or(usize::MAX).max(1);
            exited.filter(|c| Some(c.name.as_str()) == name).skip(keep).map(|c| c.id.clone()).collect()
        };
        for id in doomed {
            if let Err(error) = self.remove_container(&id).await {
                tracing::error!(id = %id, %error, "DeleteContainer returned error");
            }
        }
    }
}

/// Does something when it is dropped.
fn scopeguard<F: FnMut()>(done: F) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(done)
}

/// Sandboxes to remove: neither READY nor used; the newest stays unless all must go.
fn doomed_sandboxes<'a>(pod: &'a ListedPod, used: &BTreeSet<&str>, all: bool) -> Vec<&'a str> {
    let mut doomed: Vec<&str> = Vec::new();
    for (index, sandbox) in pod.sandboxes.iter().enumerate() {
        let inactive = !sandbox.ready && !used.contains(sandbox.id.as_str());
        if inactive && (all || index > 0) {
            doomed.push(&sandbox.id);
        }
    }
    // Oldest first.
    doomed.reverse();
    doomed
}
