//! The calls: one method each, with deadline, translation of errors and the check of the reply. No retries: who calls decides.
//!
//! Deadlines as kubelet 1.36 with `runtimeRequestTimeout` T: RunPodSandbox 2T, StopContainer T + grace, ExecSync T + timeout (none
//! without one), PullImage none, everything else T.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cri_proto::{
    KUBELET_API_VERSION, MAX_MESSAGE_BYTES,
    v1::{self, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient},
};
use futures_util::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, transport::Channel};
use world::{Net, Tasks, net::Address};

use crate::cri::{CriError, checks, connect, status};

/// Where the two CRI services are, and how long calls may take.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The runtime service.
    pub runtime: Address,
    /// The image service; usually the same socket.
    pub image: Address,
    /// `runtimeRequestTimeout`.
    pub timeout: Duration,
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct CriClient {
    runtime: RuntimeServiceClient<Channel>,
    image: ImageServiceClient<Channel>,
    timeout: Duration,
    runtime_name: Arc<OnceLock<String>>,
}

/// What ExecSync brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit code.
    pub code: i32,
}

impl CriClient {
    /// A client that dials when first used.
    pub fn new(net: &Net, endpoints: &Endpoints, tasks: &Tasks) -> Self {
        let runtime = connect::channel(net, &endpoints.runtime, tasks);
        let image = if endpoints.image == endpoints.runtime {
            runtime.clone()
        } else {
            connect::channel(net, &endpoints.image, tasks)
        };
        Self {
            runtime: RuntimeServiceClient::new(runtime)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            image: ImageServiceClient::new(image)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            timeout: endpoints.timeout,
            runtime_name: Arc::default(),
        }
    }

    /// What upstream asks before it starts anything: Version with no version, ImageFsInfo, Version with its own. An error means that
    /// the kubelet does not start.
    pub async fn handshake(&self) -> Result<v1::VersionResponse, CriError> {
        self.version_of("").await?;
        self.image_fs_info().await?;
        let version = self.version_of(KUBELET_API_VERSION).await?;
        if version.version != KUBELET_API_VERSION {
            return Err(CriError::Reply(format!("runtime api version {:?} is not supported", version.version)));
        }
        // Set once: a runtime that changes its name under a running kubelet keeps the old one, as upstream does.
        let _ = self.runtime_name.set(version.runtime_name.clone());
        Ok(version)
    }

    /// `runtime_name` of the handshake, the scheme of container ids; empty before.
    pub fn runtime_name(&self) -> &str {
        self.runtime_name.get().map_or("", String::as_str)
    }

    async fn call<T>(
        &self,
        deadline: Option<Duration>,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CriError> {
        let outcome = match deadline {
            None => call.await,
            Some(limit) => match tokio::time::timeout(limit, call).await {
                Ok(outcome) => outcome,
                Err(_) => return Err(CriError::deadline_exceeded()),
            },
        };
        outcome.map(Response::into_inner).map_err(|s| status::from_tonic(&s))
    }

    async fn version_of(&self, version: &str) -> Result<v1::VersionResponse, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::VersionRequest { version: version.to_owned() };
        let reply = self.call(Some(self.timeout), client.version(request)).await?;
        checks::version(&reply)?;
        Ok(reply)
    }

    /// Version, with the kubelet's own API version.
    pub async fn version(&self) -> Result<v1::VersionResponse, CriError> {
        self.version_of(KUBELET_API_VERSION).await
    }

    /// Status. At least the conditions RuntimeReady and NetworkReady must be there.
    pub async fn status(&self, verbose: bool) -> Result<v1::StatusResponse, CriError> {
        let mut client = self.runtime.clone();
        let reply = self.call(Some(self.timeout), client.status(v1::StatusRequest { verbose })).await?;
        match &reply.status {
            Some(status) if status.conditions.len() >= 2 => Ok(reply),
            _ => Err(CriError::Reply("RuntimeReady or NetworkReady condition are not set".to_owned())),
        }
    }

    /// RuntimeConfig.
    pub async fn runtime_config(&self) -> Result<v1::RuntimeConfigResponse, CriError> {
        let mut client = self.runtime.clone();
        self.call(Some(self.timeout), client.runtime_config(v1::RuntimeConfigRequest {})).await
    }

    /// UpdateRuntimeConfig with a pod CIDR.
    pub async fn update_runtime_config(&self, pod_cidr: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::UpdateRuntimeConfigRequest {
            runtime_config: Some(v1::RuntimeConfig {
                network_config: Some(v1::NetworkConfig { pod_cidr: pod_cidr.to_owned() }),
            }),
        };
        self.call(Some(self.timeout), client.update_runtime_config(request)).await.map(drop)
    }

    /// RunPodSandbox; the sandbox's id.
    pub async fn run_pod_sandbox(
        &self,
        config: v1::PodSandboxConfig,
        runtime_handler: &str,
    ) -> Result<String, CriError> {
        let name = config.metadata.clone().unwrap_or_default().name;
        let mut client = self.runtime.clone();
        let request = v1::RunPodSandboxRequest { config: Some(config), runtime_handler: runtime_handler.to_owned() };
        let reply = self.call(Some(self.timeout * 2), client.run_pod_sandbox(request)).await?;
        if reply.pod_sandbox_id.is_empty() {
            return Err(CriError::Reply(format!("PodSandboxId is not set for sandbox {name:?}")));
        }
        Ok(reply.pod_sandbox_id)
    }

    /// StopPodSandbox.
    pub async fn stop_pod_sandbox(&self, id: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        self.call(Some(self.timeout), client.stop_pod_sandbox(request)).await.map(drop)
    }

    /// RemovePodSandbox.
    pub async fn remove_pod_sandbox(&self, id: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        self.call(Some(self.timeout), client.remove_pod_sandbox(request)).await.map(drop)
    }

    /// PodSandboxStatus. The reply's `status` is there and checked.
    pub async fn pod_sandbox_status(&self, id: &str, verbose: bool) -> Result<v1::PodSandboxStatus, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose };
        let reply = self.call(Some(self.timeout), client.pod_sandbox_status(request)).await?;
        let status = reply.status.ok_or_else(|| CriError::Reply("pod sandbox status is nil".to_owned()))?;
        checks::sandbox_status(&status)?;
        Ok(status)
    }

    /// ListPodSandbox.
    pub async fn list_pod_sandbox(&self, filter: v1::PodSandboxFilter) -> Result<Vec<v1::PodSandbox>, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::ListPodSandboxRequest { filter: Some(filter) };
        Ok(self.call(Some(self.timeout), client.list_pod_sandbox(request)).await?.items)
    }

    /// CreateContainer; the container's id.
    pub async fn create_container(
        &self,
        sandbox: &str,
        config: v1::ContainerConfig,
        sandbox_config: v1::PodSandboxConfig,
    ) -> Result<String, CriError> {
        let name = config.metadata.clone().unwrap_or_default().name;
        let mut client = self.runtime.clone();
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        let reply = self.call(Some(self.timeout), client.create_container(request)).await?;
        if reply.container_id.is_empty() {
            return Err(CriError::Reply(format!("ContainerId is not set for container {name:?}")));
        }
        Ok(reply.container_id)
    }

    /// StartContainer.
    pub async fn start_container(&self, id: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::StartContainerRequest { container_id: id.to_owned() };
        self.call(Some(self.timeout), client.start_container(request)).await.map(drop)
    }

    /// StopContainer with a grace period in seconds.
    pub async fn stop_container(&self, id: &str, grace_seconds: i64) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::StopContainerRequest { container_id: id.to_owned(), timeout: grace_seconds };
        let grace = Duration::from_secs(u64::try_from(grace_seconds).unwrap_or(0));
        self.call(Some(self.timeout.saturating_add(grace)), client.stop_container(request)).await.map(drop)
    }

    /// RemoveContainer.
    pub async fn remove_container(&self, id: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::RemoveContainerRequest { container_id: id.to_owned() };
        self.call(Some(self.timeout), client.remove_container(request)).await.map(drop)
    }

    /// ListContainers.
    pub async fn list_containers(&self, filter: v1::ContainerFilter) -> Result<Vec<v1::Container>, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::ListContainersRequest { filter: Some(filter) };
        Ok(self.call(Some(self.timeout), client.list_containers(request)).await?.containers)
    }

    /// ContainerStatus. The reply's `status` is there and checked.
    pub async fn container_status(&self, id: &str, verbose: bool) -> Result<v1::ContainerStatus, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::ContainerStatusRequest { container_id: id.to_owned(), verbose };
        let reply = self.call(Some(self.timeout), client.container_status(request)).await?;
        let status = reply.status.ok_or_else(|| CriError::Reply("container status is nil".to_owned()))?;
        checks::container_status(&status)?;
        Ok(status)
    }

    /// UpdateContainerResources.
    pub async fn update_container_resources(
        &self,
        id: &str,
        linux: v1::LinuxContainerResources,
    ) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::UpdateContainerResourcesRequest {
            container_id: id.to_owned(),
            linux: Some(linux),
            ..Default::default()
        };
        self.call(Some(self.timeout), client.update_container_resources(request)).await.map(drop)
    }

    /// UpdatePodSandboxResources.
    pub async fn update_pod_sandbox_resources(
        &self,
        request: v1::UpdatePodSandboxResourcesRequest,
    ) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        self.call(Some(self.timeout), client.update_pod_sandbox_resources(request)).await.map(drop)
    }

    /// ReopenContainerLog.
    pub async fn reopen_container_log(&self, id: &str) -> Result<(), CriError> {
        let mut client = self.runtime.clone();
        let request = v1::ReopenContainerLogRequest { container_id: id.to_owned() };
        self.call(Some(self.timeout), client.reopen_container_log(request)).await.map(drop)
    }

    /// ExecSync. `timeout` is rounded up to whole seconds; without one there is no deadline at all. A non-zero exit is no error.
    pub async fn exec_sync(
        &self,
        id: &str,
        command: &[String],
        timeout: Option<Duration>,
    ) -> Result<ExecOutput, CriError> {
        let mut client = self.runtime.clone();
        let seconds = timeout.map_or(0, |t| i64::try_from(t.as_millis().div_ceil(1000)).unwrap_or(i64::MAX));
        let request = v1::ExecSyncRequest { container_id: id.to_owned(), cmd: command.to_vec(), timeout: seconds };
        let deadline = timeout.map(|t| self.timeout.saturating_add(t));
        let reply = self.call(deadline, client.exec_sync(request)).await?;
        Ok(ExecOutput { stdout: reply.stdout, stderr: reply.stderr, code: reply.exit_code })
    }

    /// Exec; the URL to stream from.
    pub async fn exec(&self, request: v1::ExecRequest) -> Result<String, CriError> {
        let mut client = self.runtime.clone();
        let reply = self.call(Some(self.timeout), client.exec(request)).await?;
        url(reply.url)
    }

    /// Attach; the URL to stream from.
    pub async fn attach(&self, request: v1::AttachRequest) -> Result<String, CriError> {
        let mut client = self.runtime.clone();
        let reply = self.call(Some(self.timeout), client.attach(request)).await?;
        url(reply.url)
    }

    /// PortForward; the URL to stream from.
    pub async fn port_forward(&self, request: v1::PortForwardRequest) -> Result<String, CriError> {
        let mut client = self.runtime.clone();
        let reply = self.call(Some(self.timeout), client.port_forward(request)).await?;
        url(reply.url)
    }

    /// ListContainerStats.
    pub async fn list_container_stats(
        &self,
        filter: v1::ContainerStatsFilter,
    ) -> Result<Vec<v1::ContainerStats>, CriError> {
        let mut client = self.runtime.clone();
        let request = v1::ListContainerStatsRequest { filter: Some(filter) };
        Ok(self.call(Some(self.timeout), client.list_container_stats(request)).await?.stats)
    }

    /// GetContainerEvents: a stream without deadline. It ends when the runtime ends it.
    pub async fn container_events(
        &self,
    ) -> Result<impl Stream<Item = Result<v1::ContainerEventResponse, CriError>> + Send + use<>, CriError> {
        let mut client = self.runtime.clone();
        let stream = self.call(None, client.get_container_events(v1::GetEventsRequest {})).await?;
        Ok(stream.map(|item| item.map_err(|s| status::from_tonic(&s))))
    }

    /// ImageStatus; `None` if the runtime does not have the image.
    pub async fn image_status(&self, image: v1::ImageSpec, verbose: bool) -> Result<Option<v1::Image>, CriError> {
        let mut client = self.image.clone();
        let request = v1::ImageStatusRequest { image: Some(image), verbose };
        let reply = self.call(Some(self.timeout), client.image_status(request)).await?;
        if let Some(image) = &reply.image {
            checks::image_status(image)?;
        }
        Ok(reply.image)
    }

    /// ListImages.
    pub async fn list_images(&self) -> Result<Vec<v1::Image>, CriError> {
        let mut client = self.image.clone();
        Ok(self.call(Some(self.timeout), client.list_images(v1::ListImagesRequest { filter: None })).await?.images)
    }

    /// PullImage; the reference to create containers by. No deadline. A failure of code Unknown is told by its message alone, as
    /// upstream does.
    pub async fn pull_image(
        &self,
        image: v1::ImageSpec,
        auth: Option<v1::AuthConfig>,
        sandbox: Option<v1::PodSandboxConfig>,
    ) -> Result<String, CriError> {
        let name = image.image.clone();
        let mut client = self.image.clone();
        let request = v1::PullImageRequest { image: Some(image), auth, sandbox_config: sandbox };
        match self.call(None, client.pull_image(request)).await {
            Ok(reply) if reply.image_ref.is_empty() => {
                Err(CriError::Reply(format!("imageRef of image {name:?} is not set")))
            }
            Ok(reply) => Ok(reply.image_ref),
            Err(CriError::Rpc { code: tonic::Code::Unknown, message }) => Err(CriError::Reply(message)),
            Err(error) => Err(error),
        }
    }

    /// RemoveImage.
    pub async fn remove_image(&self, image: v1::ImageSpec) -> Result<(), CriError> {
        let mut client = self.image.clone();
        self.call(Some(self.timeout), client.remove_image(v1::RemoveImageRequest { image: Some(image) }))
            .await
            .map(drop)
    }

    /// ImageFsInfo.
    pub async fn image_fs_info(&self) -> Result<v1::ImageFsInfoResponse, CriError> {
        let mut client = self.image.clone();
        self.call(Some(self.timeout), client.image_fs_info(Request::new(v1::ImageFsInfoRequest {}))).await
    }
}

fn url(url: String) -> Result<String, CriError> {
    if url.is_empty() { Err(CriError::Reply("URL is not set".to_owned())) } else { Ok(url) }
}
