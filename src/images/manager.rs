//! Makes sure that an image is there before a container is made of it. As kubelet 1.36's image manager: policies, back-off, events.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cri_proto::v1;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;
use world::{SteadyClock, World};

use crate::{
    api::{duration::GoDuration, pod as api_pod, reasons},
    cri::{CriClient, CriError},
    images::{credentials::Credentials, names, pulls::PullGate, records::PullRecords, verification::Verification},
    observer::EventKind,
    runtime::{Recorder, RuntimeSettings, backoff::Backoff, naming},
};

/// Why an image is not there: the waiting reason and message of the container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct ImageError {
    /// `ErrImagePull`, `ImagePullBackOff`, `ErrImageNeverPull`, `InvalidImageName`, `ImageInspectError`, …
    pub reason: String,
    /// Message.
    pub message: String,
}

impl ImageError {
    fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }
}

/// One image to have ready.
#[derive(Clone, Copy)]
pub struct ImageRequest<'a> {
    /// For whom; its annotations go with the request.
    pub pod: &'a Pod,
    /// Container that the events are about; empty for an image volume (events are then about the pod).
    pub container: &'a str,
    /// As written in the spec.
    pub image: &'a str,
    /// `Always`, `IfNotPresent`, `Never`; empty is `IfNotPresent`.
    pub policy: &'a str,
    /// Goes with PullImage.
    pub sandbox: &'a v1::PodSandboxConfig,
}

/// Pulls images. One per kubelet.
#[derive(Debug)]
pub struct ImageManager {
    cri: CriClient,
    recorder: Recorder,
    /// Records of pulls; none with the gate off.
    records: Option<PullRecords>,
    verification: Verification,
    credentials: Credentials,
    gate: PullGate,
    backoff: Mutex<Backoff>,
    /// By which back-offs are counted.
    steady: SteadyClock,
    /// The last pull error by back-off key, shown while its back-off runs.
    previous: Mutex<BTreeMap<String, ImageError>>,
}

impl ImageManager {
    /// A manager over this client.
    pub fn new(world: World, cri: CriClient, recorder: Recorder, settings: &RuntimeSettings) -> Self {
        let images = &settings.images;
        let records = images.ensure_secret_pulled.then(|| PullRecords::open(world.clone(), &settings.root_dir));
        Self {
            steady: world.clock.steady(),
            cri,
            recorder,
            records,
            verification: images.verification.clone(),
            credentials: Credentials::new(world, settings.root_dir.clone(), &images.providers),
            gate: PullGate::new(images),
            backoff: Mutex::new(Backoff::default()),
            previous: Mutex::default(),
        }
    }

    /// Forgets back-offs of images that have not been asked for in ten minutes.
    pub fn forget_old(&self) {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner).forget_old(self.steady.now());
    }

    fn event(&self, request: &ImageRequest<'_>, kind: EventKind, reason: &str, message: String) {
        if request.container.is_empty() {
            self.recorder.pod(request.pod, kind, reason, message);
        } else {
            self.recorder.container(request.pod, request.container, kind, reason, message);
        }
    }

    /// Has the image ready; what CreateContainer is to be told.
    pub async fn ensure(&self, request: ImageRequest<'_>) -> Result<String, ImageError> {
        let image = request.image;
        let name = names::with_default_tag(image).map_err(|error| {
            let message = format!("Failed to apply default image tag {image:?}: {error}");
            self.event(&request, EventKind::Warning, reasons::event::INSPECT_FAILED, message.clone());
            ImageError::new(reasons::waiting::INVALID_IMAGE_NAME, message)
        })?;
        let spec =
            v1::ImageSpec { image: name, annotations: api_pod::annotations(request.pod).clone(), ..Default::default() };
        if request.policy != "Always" {
            let present = self.cri.image_status(spec.clone(), false).await.map_err(|error| {
                // Upstream prints the reference that it does not have yet.
                let message = format!("Failed to inspect image \"\": {error}");
                self.event(&request, EventKind::Warning, reasons::event::INSPECT_FAILED, message.clone());
                ImageError::new(reasons::waiting::IMAGE_INSPECT_ERROR, message)
            })?;
            if let Some(present) = present {
                let must_pull =
                    self.records.as_ref().is_some_and(|r| r.must_pull(image, &present.id, &self.verification));
                if !must_pull {
                    let tail = if self.records.is_some() { " and can be accessed by the pod" } else { "" };
                    let message = format!("Container image {image:?} already present on machine{tail}");
                    self.event(&request, EventKind::Normal, reasons::event::PULLED, message);
                    return Ok(present.id);
                }
            }
            // Nor is it told that an image is there which the pod may not have.
            if request.policy == "Never" {
                let message = format!("Container image {image:?} is not present with pull policy of Never");
                self.event(&request, EventKind::Warning, reasons::event::ERR_IMAGE_NEVER_PULL, message.clone());
                return Err(ImageError::new(reasons::waiting::ERR_IMAGE_NEVER_PULL, message));
            }
        }
        let Some(records) = &self.records else { return self.pull(&request, spec).await };
        records.intend(image).map_err(|error| {
            let why = format!("failed to record image pull intent: {error}");
            ImageError::new(&why, format!("Failed to record image pull intent for container image {image:?}: {why}"))
        })?;
        let intent = Intended { records, image };
        let reference = self.pull(&request, spec).await?;
        std::mem::forget(intent);
        records.pulled(image, &reference);
        Ok(reference)
    }

    /// Makes good what a stopped kubelet was pulling.
    pub async fn recover(&self) {
        let Some(records) = self.records.as_ref().filter(|records| records.has_intents()) else { return };
        match self.cri.list_images().await {
            Ok(images) => records.recover(&images),
            Err(error) => tracing::error!(%error, "failed to list images"),
        }
    }

    /// Forgets records, last changed before `since`, of images that are no more.
    pub fn prune_records(&self, there: &BTreeSet<String>, since: jiff::Timestamp) {
        if let Some(records) = &self.records {
            records.prune(there, since);
        }
    }

    /// Asks with each of the credentials until one does.
    async fn pull_with_credentials(
        &self,
        request: &ImageRequest<'_>,
        spec: &v1::ImageSpec,
    ) -> Result<String, CriError> {
        let found = self.credentials.of(&spec.image).await;
        let tries = if found.is_empty() { vec![None] } else { found.into_iter().map(Some).collect() };
        let mut errors: Vec<CriError> = Vec::new();
        for auth in tries {
            match self.cri.pull_image(spec.clone(), auth, Some(request.sandbox.clone())).await {
                Ok(reference) => return Ok(reference),
                Err(error) => errors.push(error),
            }
        }
        // As Go prints several: once each.
        let mut texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut seen = BTreeSet::new();
        texts.retain(|text| seen.insert(text.clone()));
        Err(match errors.pop() {
            Some(error) if texts.len() == 1 => error,
            _ => CriError::Reply(format!("[{}]", texts.join(", "))),
        })
    }

    async fn pull(&self, request: &ImageRequest<'_>, spec: v1::ImageSpec) -> Result<String, ImageError> {
        let image = request.image;
        let key = format!("{}_{image}", naming::uid(request.pod));
        if self.lock_backoff().held_since_update(&key, self.steady.now()).is_some() {
            let mut message = format!("Back-off pulling image {image:?}");
            self.event(request, EventKind::Normal, reasons::event::BACK_OFF, message.clone());
            if let Some(previous) = self.previous.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
                message.push_str(&format!(": {previous}"));
            }
            return Err(ImageError::new(reasons::waiting::IMAGE_PULL_BACK_OFF, message));
        }
        self.previous.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        self.event(request, EventKind::Normal, reasons::event::PULLING, format!("Pulling image {image:?}"));
        let asked = Instant::now();
        let slot = self.gate.enter().await;
        let began = Instant::now();
        let outcome = if self.gate.allow() {
            self.pull_with_credentials(request, &spec).await
        } else {
            Err(CriError::Reply("pull QPS exceeded".to_owned()))
        };
        let (took, waited) = (began.elapsed(), asked.elapsed());
        drop(slot);
        match outcome {
            Ok(reference) => {
                let pulled = v1::ImageSpec { image: reference.clone(), ..spec };
                let size = self.cri.image_status(pulled, false).await.ok().flatten().map_or(0, |i| i.size);
                let message = format!(
                    "Successfully pulled image {image:?} in {} ({} including waiting). Image size: {size} bytes.",
                    milliseconds(took),
                    milliseconds(waited)
                );
                self.event(request, EventKind::Normal, reasons::event::PULLED, message);
                Ok(reference)
            }
            Err(error) => {
                let message = format!("Failed to pull image {image:?}: {error}");
                self.event(request, EventKind::Warning, reasons::event::FAILED, message);
                let now = self.steady.now();
                self.lock_backoff().next(&key, now, now);
                let error = pull_error(image, &error.to_string());
                self.previous.lock().unwrap_or_else(PoisonError::into_inner).insert(key, error.clone());
                Err(error)
            }
        }
    }

    /// What is left of the wait before the image is pulled again for the pod; nothing if it may be pulled now.
    pub fn held_back(&self, pod: &Pod, image: &str) -> Option<Duration> {
        let key = format!("{}_{image}", naming::uid(pod));
        self.lock_backoff().held_since_update(&key, self.steady.now()).map(|held| held.left)
    }

    fn lock_backoff(&self) -> std::sync::MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pull that has been announced. Dropped, be it for an error or because nobody waits for it any more, it has come to nothing.
struct Intended<'a> {
    records: &'a PullRecords,
    image: &'a str,
}

impl Drop for Intended<'_> {
    fn drop(&mut self) {
        self.records.failed(self.image);
    }
}

/// Two kinds of pull errors are told apart by how the runtime's text begins.
fn pull_error(image: &str, text: &str) -> ImageError {
    for (prefix, why) in [
        ("RegistryUnavailable", "because the registry is unavailable"),
        ("SignatureValidationFailed", "because the signature validation failed"),
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return ImageError::new(prefix, format!("image pull failed for {image} {why}{rest}"));
        }
    }
    ImageError::new(reasons::waiting::ERR_IMAGE_PULL, text)
}

fn milliseconds(duration: Duration) -> GoDuration {
    GoDuration::from_std(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}
