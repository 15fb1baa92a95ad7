//! Starting one container: image, configuration, create, start, log link, postStart hook; with the events and waiting reasons of each
//! step. As kubelet 1.36's startContainer.

use k8s_openapi::api::core::v1::{Container, Pod};
use std::path::PathBuf;

use cri_proto::v1;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{pod as api_pod, reasons},
    cri::CriError,
    images::{ImageError, ImageRequest},
    local_objects::LocalObjects,
    observer::EventKind,
    runtime::{
        RuntimeManager, StartFailure,
        container_config::{ContainerInput, ResolvedImage, container_config, env, env::EnvFile, mounts, security},
        hooks::{self, Hook},
        kill::KillRequest,
        logs, naming,
        observed::{ContainerId, ObservedPod},
        plan::KillReason,
        userns,
    },
    volumes::paths::{self, Place},
};

/// What is the same for all containers of one sync.
pub(crate) struct StartContext<'a> {
    pub pod: &'a Pod,
    pub observed: &'a ObservedPod,
    pub sandbox_id: &'a str,
    pub sandbox_config: &'a v1::PodSandboxConfig,
    pub pod_ips: &'a [String],
    /// Outcome for each image volume.
    pub volume_images: &'a std::collections::BTreeMap<String, Result<String, ImageError>>,
    pub terminating: &'a CancellationToken,
}

fn failure(reason: &str, message: impl Into<String>) -> StartFailure {
    StartFailure { reason: reason.to_owned(), message: message.into() }
}

impl RuntimeManager {
    /// Starts a container. The error is what its waiting state shows; its events have been told.
    pub(crate) async fn start_container(
        &self,
        cx: &StartContext<'_>,
        container: &Container,
    ) -> Result<(), StartFailure> {
        let pod = cx.pod;
        let warn = |message: String| {
            let reason = reasons::event::FAILED;
            self.recorder.container(pod, &container.name, EventKind::Warning, reason, message);
        };
        let reference = self.image_of(cx, container).await.map_err(|error| {
            warn(format!("Error: {}", error.reason));
            failure(&error.reason, error.message)
        })?;
        let restart_count = self.restart_count(cx, container);
        let config = self.config_of(cx, container, reference, restart_count).await.map_err(|message| {
            warn(format!("Error: {message}"));
            failure(reasons::waiting::CREATE_CONTAINER_CONFIG_ERROR, message)
        })?;
        self.actuated.set_container(pod, container);
        let created = self.cri.create_container(cx.sandbox_id, config, cx.sandbox_config.clone()).await;
        let id = created.map_err(|error| {
            warn(format!("Error: {}", error.desc()));
            failure(reasons::waiting::CREATE_CONTAINER_ERROR, error.desc())
        })?;
        let normal = |reason: &str, message: &str| {
            self.recorder.container(pod, &container.name, EventKind::Normal, reason, message);
        };
        normal(reasons::event::CREATED, "Container created");
        self.cri.start_container(&id).await.map_err(|error: CriError| {
            // People know the container by its name.
            let message = error.desc().replace(&id, &container.name);
            warn(format!("Error: {message}"));
            failure(reasons::waiting::RUN_CONTAINER_ERROR, message)
        })?;
        normal(reasons::event::STARTED, "Container started");
        self.link_log(pod, container, restart_count, &id);
        self.post_start(cx, container, &id).await
    }

    async fn image_of(&self, cx: &StartContext<'_>, container: &Container) -> Result<String, ImageError> {
        for mount in container.volume_mounts.iter().flatten() {
            if let Some(Err(error)) = cx.volume_images.get(&mount.name) {
                return Err(error.clone());
            }
        }
        let request = ImageRequest {
            pod: cx.pod,
            container: &container.name,
            image: container.image.as_deref().unwrap_or_default(),
            policy: container.image_pull_policy.as_deref().unwrap_or_default(),
            sandbox: cx.sandbox_config,
        };
        tokio::select! {
            biased;
            outcome = self.images.ensure(request) => outcome,
            () = cx.terminating.cancelled() => Err(ImageError {
                reason: reasons::waiting::ERR_IMAGE_PULL.to_owned(),
                message: "rpc error: code = Canceled desc = context canceled".to_owned(),
            }),
        }
    }

    fn restart_count(&self, cx: &StartContext<'_>, container: &Container) -> i32 {
        match cx.observed.container(&container.name) {
            Some(status) => status.restart_count.saturating_add(1),
            None => {
                let dir = PathBuf::from(&cx.sandbox_config.log_directory).join(&container.name);
                logs::restart_count_from_logs(&self.world.files, &dir)
            }
        }
    }

    async fn config_of(
        &self,
        cx: &StartContext<'_>,
        container: &Container,
        reference: String,
        restart_count: i32,
    ) -> Result<v1::ContainerConfig, String> {
        let files = &self.world.files;
        let log_dir = PathBuf::from(&cx.sandbox_config.log_directory).join(&container.name);
        let mut image = ResolvedImage { reference, ..ResolvedImage::default() };
        let input = ContainerInput {
            pod: cx.pod,
            container,
            restart_count,
            image: &image,
            pod_ips: cx.pod_ips,
            settings: &self.settings,
        };
        let objects = LocalObjects::new(files, self.settings.local_objects.clone());
        let envs =
            env::environment(&input, &|volume, path| self.read_env_file(cx.pod, volume, path), &|kind, name| {
                objects.get(kind, naming::namespace(cx.pod), name)
            })?;
        let termination_log = self.termination_log_name();
        let volume_images =
            cx.volume_images.iter().filter_map(|(name, outcome)| Some((name.clone(), outcome.clone().ok()?))).collect();
        let mount_input = mounts::MountInput {
            container: input,
            envs: &envs,
            images: &volume_images,
            termination_log: &termination_log,
        };
        let mut made = mounts::given(&self.world, &mount_input)?;
        // Whom the image runs as; asked by the name as written.
        let spec = v1::ImageSpec { image: container.image.clone().unwrap_or_default(), ..Default::default() };
        let known = self.cri.image_status(spec, false).await.map_err(|error| {
            format!("failed to get image status for {:?}: {error}", container.image.as_deref().unwrap_or_default())
        })?;
        if let Some(known) = known {
            image.uid = known.uid.map(|u| u.value);
            image.username = if image.uid.is_none() { known.username } else { String::new() };
        }
        let input = ContainerInput {
            pod: cx.pod,
            container,
            restart_count,
            image: &image,
            pod_ips: cx.pod_ips,
            settings: &self.settings,
        };
        security::verify_non_root(&input)?;
        files
            .create_dir_all(&log_dir, 0o755)
            .map_err(|e| format!("create container log directory for container {} failed: {e}", container.name))?;
        let mount_input = mounts::MountInput {
            container: input,
            envs: &envs,
            images: &volume_images,
            termination_log: &termination_log,
        };
        made.extend(mounts::termination_log(files, &mount_input));
        let mut config = container_config(&input, envs, made)?;
        userns::apply(&mut config, cx.sandbox_config);
        Ok(config)
    }

    fn read_env_file(&self, pod: &Pod, volume: &str, path: &str) -> Result<EnvFile, String> {
        let volume = api_pod::spec(pod).volumes.iter().flatten().find(|v| v.name == volume);
        let Some(volume) = volume else { return Ok(EnvFile::default()) };
        let Place::Directory { path: root, .. } = paths::place(&self.settings.root_dir, naming::uid(pod), volume)
        else {
            return Ok(EnvFile::default());
        };
        let file = |text| EnvFile { path: root.join(path).display().to_string(), text };
        // A container may have put a link there that leads to a file of the node.
        match self.world.mounts.read_within(&root, std::path::Path::new(path), 64 * 1024) {
            Ok(bytes) => {
                String::from_utf8(bytes).map(|text| file(Some(text))).map_err(|_| "couldn't parse env file".to_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(file(None)),
            Err(_) => Err("couldn't parse env file".to_owned()),
        }
    }

    fn link_log(&self, pod: &Pod, container: &Container, restart_count: i32, id: &str) {
        let (name, namespace) = (naming::name(pod), naming::namespace(pod));
        let dir = naming::pod_log_dir(&self.settings.pod_logs_dir, namespace, name, naming::uid(pod));
        let log = dir.join(naming::log_path(&container.name, restart_count));
        let link = naming::log_link(name, namespace, &container.name, id);
        if let Err(error) = logs::link(&self.world.files, &self.settings.container_log_links_dir, &link, &log) {
            tracing::error!(log = %log.display(), %error, "Failed to create legacy symbolic link");
        }
    }

    async fn post_start(&self, cx: &StartContext<'_>, container: &Container, id: &str) -> Result<(), StartFailure> {
        let handler = container.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
        let Some(handler) = handler else { return Ok(()) };
        let hook = Hook {
            handler: handler.clone(),
            container_id: id.to_owned(),
            container: container.clone(),
            pod: naming::format_pod(cx.pod),
            pod_ip: cx.pod_ips.first().cloned(),
        };
        let outcome = tokio::select! {
            biased;
            outcome = hooks::run(&self.cri, &self.world.net, &hook) => outcome,
            () = cx.terminating.cancelled() => Err("context canceled".to_owned()),
        };
        let pod = cx.pod;
        let message = match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(fallback)) => {
                let reason = reasons::event::LIFECYCLE_HTTP_FALLBACK;
                self.recorder.container(pod, &container.name, EventKind::Warning, reason, fallback.message());
                return Ok(());
            }
            Err(message) => message,
        };
        tracing::error!(pod = hook.pod, container = container.name, error = message, "Failed to execute PostStartHook");
        let reason = reasons::event::FAILED_POST_START_HOOK;
        self.recorder.container(pod, &container.name, EventKind::Warning, reason, "PostStartHook failed");
        let id = ContainerId { runtime: self.cri.runtime_name().to_owned(), id: id.to_owned() };
        let request = KillRequest {
            pod,
            id: &id,
            name: &container.name,
            message: Some(reasons::event::FAILED_POST_START_HOOK),
            reason: KillReason::Other,
            grace_override: None,
            pod_ip: cx.pod_ips.first().map(String::as_str),
        };
        // A pod that is being terminated kills its containers itself, with the grace that it was given.
        if !cx.terminating.is_cancelled()
            && let Err(error) = self.kill_container(request).await
        {
            tracing::error!(container = container.name, %error, "Failed to kill container");
        }
        Err(failure(reasons::waiting::POST_START_HOOK_ERROR, message))
    }
}
