//! Collects images every five minutes: looks at what is there and what is in use, removes what is too old, then what stands in the way
//! when the file system is too full. Which those are is `gc`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cri_proto::v1;
use jiff::Timestamp;

use crate::{
    api::{image::Reference, pod as api_pod, reasons::event},
    config::KubeletConfig,
    cri::CriError,
    images::gc::{self, Policy, Records, Seen},
    observer::EventKind,
    pods::PodManager,
    runtime::RuntimeManager,
};

/// Between two collections.
const PERIOD: Duration = Duration::from_secs(5 * 60);

/// Why images could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The runtime does not answer.
    #[error(transparent)]
    Runtime(#[from] CriError),
    /// The file system of images cannot be read.
    #[error("failed to get image stats: {0}")]
    FileSystem(std::io::Error),
    /// The runtime names none.
    #[error("failed to get image stats: the runtime names no image filesystem")]
    NoFileSystem,
    /// It has no size.
    #[error("invalid capacity 0 on image filesystem")]
    NoCapacity,
    /// Not enough could be freed; the text is upstream's.
    #[error("{0}")]
    Shortfall(String),
}

/// Collects images. One per kubelet.
pub struct ImageCollector {
    runtime: Arc<RuntimeManager>,
    pods: Arc<PodManager>,
    policy: Policy,
    node: String,
    started: Timestamp,
    records: Records,
}

impl ImageCollector {
    /// As configured. Images in use are those of `runtime`'s containers and of the image volumes of `pods`.
    pub fn new(runtime: Arc<RuntimeManager>, pods: Arc<PodManager>, config: &KubeletConfig) -> Self {
        let policy = Policy {
            high: config.image_gc_high_threshold_percent,
            low: config.image_gc_low_threshold_percent,
            minimum_age: config.image_minimum_gc_age,
            maximum_age: config.image_maximum_gc_age,
        };
        let started = runtime.steady.now();
        Self { runtime, pods, policy, node: config.node_name.clone(), started, records: Records::new() }
    }

    /// Collects until its task ends; returns at once if the configuration says never.
    pub async fn run(mut self) {
        if self.policy.is_off() {
            tracing::info!("ImageGCHighThresholdPercent is set 100 and ImageMaximumGCAge is 0, Disable image GC");
            return;
        }
        let mut failed = false;
        loop {
            match self.collect().await {
                Ok(()) => failed = false,
                Err(error) if failed => {
                    tracing::error!(%error, "Image garbage collection failed multiple times in a row");
                    self.event(event::IMAGE_GC_FAILED, error.to_string());
                }
                Err(error) => {
                    tracing::error!(%error, "Image garbage collection failed once. Stats initialization may not have completed yet");
                    failed = true;
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn event(&self, reason: &str, message: String) {
        self.runtime.recorder().node(&self.node, EventKind::Warning, reason, message);
    }

    /// Collects once.
    ///
    /// # Errors
    /// [`CollectError`]; images that could be removed have been.
    pub async fn collect(&mut self) -> Result<(), CollectError> {
        let (now, began) = (self.runtime.steady.now(), self.runtime.world.clock.now());
        let used = self.detect(now).await?;
        let mut free = Vec::new();
        for id in gc::candidates(&self.records, &used) {
            let Some(record) = self.records.get(&id) else { continue };
            if gc::is_old(record, &self.policy, self.started, now) {
                self.remove(&id).await?;
            } else {
                free.push(id);
            }
        }
        let (capacity, available) = self.room().await?;
        let Some(wanted) = gc::bytes_to_free(capacity, available, &self.policy) else { return Ok(()) };
        tracing::info!(
            usage = gc::percent_used(capacity, available),
            highThreshold = self.policy.high,
            lowThreshold = self.policy.low,
            amountToFree = wanted,
            "Disk usage on image filesystem is over the high threshold, trying to free bytes down to the low threshold"
        );
        let mut freed = 0;
        let mut failure = None;
        for id in free {
            if freed >= wanted {
                break;
            }
            let Some(record) = self.records.get(&id) else { continue };
            if !gc::may_make_room(record, &self.policy, now) {
                continue;
            }
            let size = record.size;
            match self.remove(&id).await {
                Ok(()) => freed += size,
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        let left: BTreeSet<String> = self.records.keys().cloned().collect();
        self.runtime.images.prune_records(&left, began);
        if freed >= wanted {
            return Ok(());
        }
        // What is in use now is told: what was freed counts.
        let text = gc::shortfall(capacity, available.saturating_add(freed), freed);
        self.event(event::FREE_DISK_SPACE_FAILED, text.clone());
        Err(CollectError::Shortfall(text))
    }

    /// Brings the records up to date; the ids in use.
    async fn detect(&mut self, now: Timestamp) -> Result<BTreeSet<String>, CriError> {
        let images = self.runtime.cri().list_images().await?;
        let containers = self.runtime.cri().list_containers(v1::ContainerFilter::default()).await?;
        let mut named: BTreeSet<String> = BTreeSet::new();
        for container in containers {
            named.insert(if container.image_id.is_empty() { container.image_ref } else { container.image_id });
        }
        for pod in self.pods.pods() {
            for volume in api_pod::spec(&pod).volumes.iter().flatten() {
                let reference = volume.image.as_ref().and_then(|image| image.reference.as_deref());
                named.extend(reference.and_then(full_name));
            }
        }
        let is_used = |image: &v1::Image| {
            let names = image.repo_tags.iter().chain(&image.repo_digests);
            std::iter::once(&image.id).chain(names).any(|name| named.contains(name))
        };
        let used = images.iter().filter(|image| is_used(image)).map(|image| image.id.clone()).collect();
        let seen: Vec<Seen> =
            images.into_iter().map(|image| Seen { id: image.id, size: image.size, pinned: image.pinned }).collect();
        gc::detect(&mut self.records, &seen, &used, now);
        Ok(used)
    }

    async fn remove(&mut self, id: &str) -> Result<(), CriError> {
        tracing::info!(imageID = id, "Removing image to free bytes");
        let image = v1::ImageSpec { image: id.to_owned(), ..Default::default() };
        self.runtime.cri().remove_image(image).await?;
        self.records.remove(id);
        Ok(())
    }

    /// Size and room of the file system that the runtime keeps images on, in bytes.
    async fn room(&self) -> Result<(u64, u64), CollectError> {
        let info = self.runtime.cri().image_fs_info().await?;
        let id = info.image_filesystems.into_iter().next().and_then(|usage| usage.fs_id);
        let mountpoint = id.ok_or(CollectError::NoFileSystem)?.mountpoint;
        let usage = self.runtime.world.files.usage(mountpoint.as_ref()).map_err(CollectError::FileSystem)?;
        if usage.capacity == 0 {
            let error = CollectError::NoCapacity;
            self.event(event::INVALID_DISK_CAPACITY, error.to_string());
            return Err(error);
        }
        // Not all that is free is available; never more than the capacity.
        Ok((usage.capacity, usage.available.min(usage.capacity)))
    }
}

/// A reference with everything that is implied.
fn full_name(reference: &str) -> Option<String> {
    let reference = Reference::parse(reference).ok()?;
    match reference.effective_tag() {
        Some(tag) if reference.tag.is_none() => Some(format!("{reference}:{tag}")),
        _ => Some(reference.to_string()),
    }
}

#[cfg(test)]
mod tests;
