//! `runtime.v1.RuntimeService` over the fake runtime: one line a call.

use std::pin::Pin;

use cri_proto::v1::{self, runtime_service_server::RuntimeService};
use futures_util::{Stream, StreamExt as _, stream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use super::Service;
use crate::config::Personality;

type Reply<T> = Result<Response<T>, Status>;
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Most items in one message of a stream.
const BATCH: usize = 256;

/// Most bytes of items in one message of a stream, unless one item alone is longer: gRPC clients take 4 MiB unless told otherwise.
const BATCH_BYTES: usize = 1024 * 1024;

/// A list as a stream of batches, made as they are asked for; an empty list is an empty stream.
fn batches<T, M>(items: Vec<T>, wrap: impl Fn(Vec<T>) -> M + Send + 'static) -> Streamed<M>
where
    T: prost::Message + 'static,
    M: Send + 'static,
{
    let mut items = items.into_iter().peekable();
    Box::pin(stream::iter(std::iter::from_fn(move || {
        let mut batch = vec![items.next()?];
        let mut bytes = batch[0].encoded_len();
        while let Some(item) = items.next_if(|item| batch.len() < BATCH && bytes + item.encoded_len() <= BATCH_BYTES) {
            bytes += item.encoded_len();
            batch.push(item);
        }
        Some(Ok(wrap(batch)))
    })))
}

fn unimplemented(rpc: &str) -> Status {
    Status::unimplemented(format!("unknown method {rpc} for service runtime.v1.RuntimeService"))
}

#[async_trait]
impl RuntimeService for Service {
    type StreamPodSandboxesStream = Streamed<v1::StreamPodSandboxesResponse>;
    type StreamContainersStream = Streamed<v1::StreamContainersResponse>;
    type StreamContainerStatsStream = Streamed<v1::StreamContainerStatsResponse>;
    type StreamPodSandboxStatsStream = Streamed<v1::StreamPodSandboxStatsResponse>;
    type StreamPodSandboxMetricsStream = Streamed<v1::StreamPodSandboxMetricsResponse>;
    type GetContainerEventsStream = Streamed<v1::ContainerEventResponse>;

    async fn version(&self, request: Request<v1::VersionRequest>) -> Reply<v1::VersionResponse> {
        self.call("Version", request, |runtime, _| async move {
            let personality = runtime.config.personality;
            Ok(v1::VersionResponse {
                version: cri_proto::KUBELET_API_VERSION.to_owned(),
                runtime_name: personality.name().to_owned(),
                runtime_version: personality.version().to_owned(),
                runtime_api_version: "v1".to_owned(),
            })
        })
        .await
    }

    async fn run_pod_sandbox(&self, request: Request<v1::RunPodSandboxRequest>) -> Reply<v1::RunPodSandboxResponse> {
        self.call("RunPodSandbox", request, |runtime, request| async move { runtime.run_pod_sandbox(request).await })
            .await
    }

    async fn stop_pod_sandbox(&self, request: Request<v1::StopPodSandboxRequest>) -> Reply<v1::StopPodSandboxResponse> {
        self.call("StopPodSandbox", request, |runtime, request| async move {
            if runtime.config.personality == Personality::Containerd16 {
                runtime.sandbox(&request.pod_sandbox_id)?;
            }
            runtime.stop_pod_sandbox(&request.pod_sandbox_id).await.map(|()| v1::StopPodSandboxResponse {})
        })
        .await
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<v1::RemovePodSandboxRequest>,
    ) -> Reply<v1::RemovePodSandboxResponse> {
        self.call("RemovePodSandbox", request, |runtime, request| async move {
            runtime.remove_pod_sandbox(&request.pod_sandbox_id).await.map(|()| v1::RemovePodSandboxResponse {})
        })
        .await
    }

    async fn pod_sandbox_status(
        &self,
        request: Request<v1::PodSandboxStatusRequest>,
    ) -> Reply<v1::PodSandboxStatusResponse> {
        self.call("PodSandboxStatus", request, |runtime, request| async move { runtime.pod_sandbox_status(&request) })
            .await
    }

    async fn list_pod_sandbox(&self, request: Request<v1::ListPodSandboxRequest>) -> Reply<v1::ListPodSandboxResponse> {
        self.call("ListPodSandbox", request, |runtime, request| async move {
            Ok(v1::ListPodSandboxResponse { items: runtime.list_pod_sandbox(request.filter.as_ref()) })
        })
        .await
    }

    async fn stream_pod_sandboxes(
        &self,
        request: Request<v1::StreamPodSandboxesRequest>,
    ) -> Reply<Self::StreamPodSandboxesStream> {
        self.stream("StreamPodSandboxes", request, |runtime, request| {
            let items = runtime.list_pod_sandbox(request.filter.as_ref());
            Ok(batches(items, |pod_sandboxes| v1::StreamPodSandboxesResponse { pod_sandboxes }))
        })
        .await
    }

    async fn create_container(
        &self,
        request: Request<v1::CreateContainerRequest>,
    ) -> Reply<v1::CreateContainerResponse> {
        self.call("CreateContainer", request, |runtime, request| async move { runtime.create_container(request).await })
            .await
    }

    async fn start_container(&self, request: Request<v1::StartContainerRequest>) -> Reply<v1::StartContainerResponse> {
        self.call("StartContainer", request, |runtime, request| async move {
            runtime.start_container(&request.container_id).await.map(|()| v1::StartContainerResponse {})
        })
        .await
    }

    async fn stop_container(&self, request: Request<v1::StopContainerRequest>) -> Reply<v1::StopContainerResponse> {
        self.call("StopContainer", request, |runtime, request| async move {
            if runtime.config.personality == Personality::Containerd16 {
                runtime.container(&request.container_id)?;
            }
            runtime.stop_container(&request.container_id, request.timeout).await.map(|()| v1::StopContainerResponse {})
        })
        .await
    }

    async fn remove_container(
        &self,
        request: Request<v1::RemoveContainerRequest>,
    ) -> Reply<v1::RemoveContainerResponse> {
        self.call("RemoveContainer", request, |runtime, request| async move {
            runtime.remove_container(&request.container_id).await.map(|()| v1::RemoveContainerResponse {})
        })
        .await
    }

    async fn list_containers(&self, request: Request<v1::ListContainersRequest>) -> Reply<v1::ListContainersResponse> {
        self.call("ListContainers", request, |runtime, request| async move {
            Ok(v1::ListContainersResponse { containers: runtime.list_containers(request.filter.as_ref()) })
        })
        .await
    }

    async fn stream_containers(
        &self,
        request: Request<v1::StreamContainersRequest>,
    ) -> Reply<Self::StreamContainersStream> {
        self.stream("StreamContainers", request, |runtime, request| {
            let items = runtime.list_containers(request.filter.as_ref());
            Ok(batches(items, |containers| v1::StreamContainersResponse { containers }))
        })
        .await
    }

    async fn container_status(
        &self,
        request: Request<v1::ContainerStatusRequest>,
    ) -> Reply<v1::ContainerStatusResponse> {
        self.call("ContainerStatus", request, |runtime, request| async move { runtime.container_status(&request) })
            .await
    }

    async fn update_container_resources(
        &self,
        request: Request<v1::UpdateContainerResourcesRequest>,
    ) -> Reply<v1::UpdateContainerResourcesResponse> {
        self.call("UpdateContainerResources", request, |runtime, request| async move {
            runtime.update_container_resources(request).map(|()| v1::UpdateContainerResourcesResponse {})
        })
        .await
    }

    async fn reopen_container_log(
        &self,
        request: Request<v1::ReopenContainerLogRequest>,
    ) -> Reply<v1::ReopenContainerLogResponse> {
        self.call("ReopenContainerLog", request, |runtime, request| async move {
            runtime.reopen_container_log(&request.container_id).map(|()| v1::ReopenContainerLogResponse {})
        })
        .await
    }

    async fn exec_sync(&self, request: Request<v1::ExecSyncRequest>) -> Reply<v1::ExecSyncResponse> {
        self.call("ExecSync", request, |runtime, request| async move { runtime.exec_sync(request).await }).await
    }

    async fn exec(&self, request: Request<v1::ExecRequest>) -> Reply<v1::ExecResponse> {
        self.call("Exec", request, |runtime, request| async move { runtime.exec_url(request) }).await
    }

    async fn attach(&self, request: Request<v1::AttachRequest>) -> Reply<v1::AttachResponse> {
        self.call("Attach", request, |runtime, request| async move { runtime.attach_url(request) }).await
    }

    async fn port_forward(&self, request: Request<v1::PortForwardRequest>) -> Reply<v1::PortForwardResponse> {
        self.call("PortForward", request, |runtime, request| async move { runtime.port_forward_url(request) }).await
    }

    async fn container_stats(&self, request: Request<v1::ContainerStatsRequest>) -> Reply<v1::ContainerStatsResponse> {
        self.call("ContainerStats", request, |runtime, request| async move {
            runtime
                .container_stats(&request.container_id)
                .map(|stats| v1::ContainerStatsResponse { stats: Some(stats) })
        })
        .await
    }

    async fn list_container_stats(
        &self,
        request: Request<v1::ListContainerStatsRequest>,
    ) -> Reply<v1::ListContainerStatsResponse> {
        self.call("ListContainerStats", request, |runtime, request| async move {
            Ok(v1::ListContainerStatsResponse { stats: runtime.list_container_stats(request.filter.as_ref()) })
        })
        .await
    }

    async fn stream_container_stats(
        &self,
        request: Request<v1::StreamContainerStatsRequest>,
    ) -> Reply<Self::StreamContainerStatsStream> {
        self.stream("StreamContainerStats", request, |runtime, request| {
            let items = runtime.list_container_stats(request.filter.as_ref());
            Ok(batches(items, |container_stats| v1::StreamContainerStatsResponse { container_stats }))
        })
        .await
    }

    async fn pod_sandbox_stats(
        &self,
        request: Request<v1::PodSandboxStatsRequest>,
    ) -> Reply<v1::PodSandboxStatsResponse> {
        self.call("PodSandboxStats", request, |runtime, request| async move {
            runtime
                .pod_sandbox_stats(&request.pod_sandbox_id)
                .map(|stats| v1::PodSandboxStatsResponse { stats: Some(stats) })
        })
        .await
    }

    async fn list_pod_sandbox_stats(
        &self,
        request: Request<v1::ListPodSandboxStatsRequest>,
    ) -> Reply<v1::ListPodSandboxStatsResponse> {
        self.call("ListPodSandboxStats", request, |runtime, request| async move {
            Ok(v1::ListPodSandboxStatsResponse { stats: runtime.list_pod_sandbox_stats(request.filter.as_ref()) })
        })
        .await
    }

    async fn stream_pod_sandbox_stats(
        &self,
        request: Request<v1::StreamPodSandboxStatsRequest>,
    ) -> Reply<Self::StreamPodSandboxStatsStream> {
        self.stream("StreamPodSandboxStats", request, |runtime, request| {
            let items = runtime.list_pod_sandbox_stats(request.filter.as_ref());
            Ok(batches(items, |pod_sandbox_stats| v1::StreamPodSandboxStatsResponse { pod_sandbox_stats }))
        })
        .await
    }

    async fn update_runtime_config(
        &self,
        request: Request<v1::UpdateRuntimeConfigRequest>,
    ) -> Reply<v1::UpdateRuntimeConfigResponse> {
        self.call("UpdateRuntimeConfig", request, |runtime, request| async move {
            let network = request.runtime_config.and_then(|c| c.network_config).unwrap_or_default();
            runtime.lock().pod_cidr = network.pod_cidr;
            Ok(v1::UpdateRuntimeConfigResponse {})
        })
        .await
    }

    async fn status(&self, request: Request<v1::StatusRequest>) -> Reply<v1::StatusResponse> {
        self.call("Status", request, |runtime, request| async move {
            let (runtime_down, network_down) = {
                let state = runtime.lock();
                (state.runtime_ready.clone(), state.network_ready.clone())
            };
            let condition = |kind: &str, down: Option<String>, reason: &str| v1::RuntimeCondition {
                r#type: kind.to_owned(),
                status: down.is_none(),
                reason: if down.is_some() { reason.to_owned() } else { String::new() },
                message: down.unwrap_or_default(),
            };
            let mut response = v1::StatusResponse {
                status: Some(v1::RuntimeStatus {
                    conditions: vec![
                        condition("RuntimeReady", runtime_down, "RuntimeNotReady"),
                        condition("NetworkReady", network_down, "NetworkPluginNotReady"),
                    ],
                }),
                ..Default::default()
            };
            if runtime.config.personality != Personality::Containerd16 {
                let features = v1::RuntimeHandlerFeatures { recursive_read_only_mounts: true, user_namespaces: true };
                response.runtime_handlers = ["", "runc"]
                    .iter()
                    .map(|name| v1::RuntimeHandler { name: (*name).to_owned(), features: Some(features) })
                    .collect();
                response.features =
                    Some(v1::RuntimeFeatures { supplemental_groups_policy: true, ..Default::default() });
            }
            if request.verbose {
                response.info.insert("config".to_owned(), serde_json::json!({ "runtime": "fake-cri" }).to_string());
            }
            Ok(response)
        })
        .await
    }

    async fn checkpoint_container(
        &self,
        request: Request<v1::CheckpointContainerRequest>,
    ) -> Reply<v1::CheckpointContainerResponse> {
        self.call("CheckpointContainer", request, |runtime, request| async move {
            let container = runtime.container(&request.container_id)?;
            if container.state != v1::ContainerState::ContainerRunning {
                return Err(Status::unknown(format!("container {} is not running", container.id)));
            }
            let content = cri_proto::to_json(&container.status()).to_string();
            let path = std::path::Path::new(&request.location);
            if !path.is_absolute() {
                return Err(Status::invalid_argument("the location is not an absolute path"));
            }
            runtime
                .world
                .files
                .write(path, content.as_bytes(), 0o600)
                .map_err(|e| Status::unknown(format!("{}: {e}", path.display())))?;
            Ok(v1::CheckpointContainerResponse {})
        })
        .await
    }

    async fn get_container_events(
        &self,
        request: Request<v1::GetEventsRequest>,
    ) -> Reply<Self::GetContainerEventsStream> {
        self.stream("GetContainerEvents", request, |runtime, _| {
            if !runtime.config.events {
                return Err(unimplemented("GetContainerEvents"));
            }
            let events = ReceiverStream::new(runtime.events.subscribe());
            Ok(Box::pin(events.map(Ok)) as Self::GetContainerEventsStream)
        })
        .await
    }

    async fn list_metric_descriptors(
        &self,
        request: Request<v1::ListMetricDescriptorsRequest>,
    ) -> Reply<v1::ListMetricDescriptorsResponse> {
        self.call("ListMetricDescriptors", request, |runtime, _| async move {
            Ok(v1::ListMetricDescriptorsResponse { descriptors: runtime.list_metric_descriptors() })
        })
        .await
    }

    async fn list_pod_sandbox_metrics(
        &self,
        request: Request<v1::ListPodSandboxMetricsRequest>,
    ) -> Reply<v1::ListPodSandboxMetricsResponse> {
        self.call("ListPodSandboxMetrics", request, |runtime, _| async move {
            Ok(v1::ListPodSandboxMetricsResponse { pod_metrics: runtime.list_pod_sandbox_metrics() })
        })
        .await
    }

    async fn stream_pod_sandbox_metrics(
        &self,
        request: Request<v1::StreamPodSandboxMetricsRequest>,
    ) -> Reply<Self::StreamPodSandboxMetricsStream> {
        self.stream("StreamPodSandboxMetrics", request, |runtime, _| {
            let items = runtime.list_pod_sandbox_metrics();
            Ok(batches(items, |pod_sandbox_metrics| v1::StreamPodSandboxMetricsResponse { pod_sandbox_metrics }))
        })
        .await
    }

    async fn runtime_config(&self, request: Request<v1::RuntimeConfigRequest>) -> Reply<v1::RuntimeConfigResponse> {
        self.call("RuntimeConfig", request, |runtime, _| async move {
            if runtime.config.personality == Personality::Containerd16 {
                return Err(unimplemented("RuntimeConfig"));
            }
            let cgroup_driver = runtime.config.cgroup_driver as i32;
            Ok(v1::RuntimeConfigResponse { linux: Some(v1::LinuxRuntimeConfiguration { cgroup_driver }) })
        })
        .await
    }

    async fn update_pod_sandbox_resources(
        &self,
        request: Request<v1::UpdatePodSandboxResourcesRequest>,
    ) -> Reply<v1::UpdatePodSandboxResourcesResponse> {
        self.call("UpdatePodSandboxResources", request, |runtime, request| async move {
            runtime.sandbox(&request.pod_sandbox_id)?;
            Ok(v1::UpdatePodSandboxResourcesResponse {})
        })
        .await
    }
}
