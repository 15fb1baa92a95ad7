//! Images: list, look at, pull, remove, and the room they take.

use std::{sync::Arc, time::Duration};

use cri_proto::v1;
use tonic::Status;

use super::Runtime;
use crate::catalogue::{Present, Reference};

/// Shortest time a pull takes.
const SHORTEST_PULL: Duration = Duration::from_millis(5);

fn described(present: &Present) -> v1::Image {
    let user = present.image.user.split(':').next().unwrap_or_default();
    let uid = user.parse::<i64>().ok();
    v1::Image {
        id: present.image.id.clone(),
        repo_tags: present.tags.iter().cloned().collect(),
        repo_digests: present.digests.iter().cloned().collect(),
        size: present.image.size,
        uid: uid.map(|value| v1::Int64Value { value }),
        username: if uid.is_none() { user.to_owned() } else { String::new() },
        spec: None,
        pinned: present.image.pinned,
    }
}

impl Runtime {
    /// ListImages.
    pub(crate) fn list_images(&self, filter: Option<&v1::ImageFilter>) -> Vec<v1::Image> {
        let images = self.images();
        match filter.and_then(|f| f.image.as_ref()).filter(|i| !i.image.is_empty()) {
            Some(wanted) => images.find(&wanted.image).map(described).into_iter().collect(),
            None => images.present().map(described).collect(),
        }
    }

    /// ImageStatus: nothing, and no error, for an image that is not there.
    pub(crate) fn image_status(&self, request: &v1::ImageStatusRequest) -> Result<v1::ImageStatusResponse, Status> {
        let wanted = request.image.clone().unwrap_or_default().image;
        if wanted.is_empty() {
            return Err(Status::invalid_argument("the image is not named"));
        }
        let images = self.images();
        let found = images.find(&wanted);
        let mut response = v1::ImageStatusResponse { image: found.map(described), ..Default::default() };
        if let (true, Some(found)) = (request.verbose, found) {
            let spec = serde_json::json!({ "imageSpec": { "config": {
                "User": found.image.user, "Env": found.image.env, "Entrypoint": found.image.entrypoint, "Cmd": found.image.cmd,
                "WorkingDir": found.image.working_dir } } });
            response.info.insert("info".to_owned(), spec.to_string());
        }
        Ok(response)
    }

    /// PullImage: takes its time; a client that gives up leaves nothing behind.
    pub(crate) async fn pull_image(
        self: &Arc<Self>,
        request: &v1::PullImageRequest,
    ) -> Result<v1::PullImageResponse, Status> {
        let wanted = request.image.clone().unwrap_or_default().image;
        if Reference::parse(&wanted).is_none() {
            return Err(Status::unknown(format!(
                "failed to parse image reference \"{wanted}\": invalid reference format"
            )));
        }
        tokio::time::sleep(self.config.pull_latency.max(SHORTEST_PULL)).await;
        let mut images = self.images();
        let Some((image, reference)) = images.offer(&wanted) else {
            let name = Reference::parse(&wanted).and_then(|r| r.tagged()).unwrap_or(wanted);
            return Err(Status::not_found(format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {name}: not found"
            )));
        };
        images.commit(&image, &reference);
        Ok(v1::PullImageResponse { image_ref: image.id })
    }

    /// A pull that fails on the way, with what came of it left on the disk. The error is what containerd says.
    pub(crate) async fn spoil_pull(self: &Arc<Self>, full: bool, wanted: String) -> Status {
        let latency = self.config.pull_latency.max(SHORTEST_PULL);
        tokio::time::sleep(if full { latency } else { latency / 2 }).await;
        let size = self.images().offer(&wanted).map_or(0, |(image, _)| image.size);
        let came = if full { size } else { size / 2 };
        self.partial.fetch_add(came, std::sync::atomic::Ordering::Relaxed);
        let name = Reference::parse(&wanted).and_then(|r| r.tagged()).unwrap_or(wanted);
        let why = if full {
            "failed to extract layer: write: no space left on device"
        } else {
            "failed to copy: httpReadSeeker: failed open: unexpected EOF"
        };
        Status::unknown(format!("failed to pull and unpack image \"{name}\": {why}"))
    }

    /// RemoveImage: whatever is not there is removed already.
    pub(crate) fn remove_image(&self, request: &v1::RemoveImageRequest) -> Result<(), Status> {
        let wanted = request.image.clone().unwrap_or_default().image;
        if wanted.is_empty() {
            return Err(Status::invalid_argument("the image is not named"));
        }
        if self.config.personality == crate::config::Personality::Crio {
            let id = self.images().find(&wanted).map(|p| p.image.id.clone());
            let state = self.lock();
            if let Some(user) = state.containers.values().find(|c| Some(&c.image.id) == id.as_ref()) {
                return Err(Status::unknown(format!(
                    "delete image: image used by {}: image is in use by a container",
                    user.id
                )));
            }
        }
        self.images().remove(&wanted);
        Ok(())
    }

    /// ImageFsInfo.
    pub(crate) fn image_fs_info(&self) -> v1::ImageFsInfoResponse {
        let images = self.images();
        let whole: u64 = images.present().map(|p| p.image.size).sum();
        let used = whole.saturating_add(self.partial.load(std::sync::atomic::Ordering::Relaxed));
        let usage = v1::FilesystemUsage {
            timestamp: self.now(),
            fs_id: Some(v1::FilesystemIdentifier { mountpoint: self.config.image_mountpoint.clone() }),
            used_bytes: Some(v1::UInt64Value { value: used }),
            inodes_used: Some(v1::UInt64Value { value: images.present().count() as u64 * 100 }),
        };
        v1::ImageFsInfoResponse { image_filesystems: vec![usage.clone()], container_filesystems: vec![usage] }
    }
}
