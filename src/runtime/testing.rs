//! A very small CRI server for tests of the runtime half: keeps sandboxes and containers, logs calls with their virtual time, fails on
//! demand. Not the fake CRI of scenarios.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use cri_proto::v1;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use world::{Tasks, net::Address, sim::SimWorld};

use crate::{
    cri::{CriClient, Endpoints},
    observer::{Observer, PodEvent},
    runtime::{
        GarbageOracle, NoProbes, RuntimeManager, RuntimeSettings, SyncContext, SyncResult, observed::ObservedPod,
    },
};

/// State of the server; tests reach in.
#[derive(Default)]
pub(crate) struct Runtime {
    pub log: Vec<String>,
    pub sandboxes: BTreeMap<String, v1::PodSandboxStatus>,
    pub containers: BTreeMap<String, (String, v1::ContainerStatus)>,
    pub images: Vec<String>,
    /// Failures by call, or by call and container name: `CreateContainer web`.
    pub fail: BTreeMap<String, Status>,
    /// How long StopContainer takes, by container name.
    pub stop_takes: BTreeMap<String, u64>,
    /// Exit code and duration of execs, by the command's last word.
    pub execs: BTreeMap<String, (i32, u64)>,
    next: i64,
}

#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn pod_event(&self, event: &PodEvent) {
        let place = if event.field_path.is_empty() { String::new() } else { format!(" {}", event.field_path) };
        self.0.lock().unwrap().push(format!("{} {}{place}: {}", event.kind, event.reason, event.message));
    }
}

/// Everything a test needs.
pub(crate) struct Bench {
    pub world: SimWorld,
    /// The server's tasks: cancel them and it is gone.
    pub server: Tasks,
    pub runtime: Arc<Mutex<Runtime>>,
    pub manager: Arc<RuntimeManager>,
    pub events: Arc<Events>,
}

const SOCKET: &str = "/run/test.sock";

impl Bench {
    pub async fn new() -> Self {
        let tasks = Tasks::root("test");
        let world = SimWorld::new(1, &tasks);
        let runtime = Arc::new(Mutex::new(Runtime { images: vec!["busybox:latest".into()], ..Runtime::default() }));
        let started = Instant::now();
        let mut listener = world.world.net.listen(&Address::unix(SOCKET)).await.unwrap();
        let server = tasks.child("server");
        let (served, group, clock) = (runtime.clone(), server.clone(), world.world.clock.clone());
        drop(server.spawn("cri-server", async move {
            while let Ok(conn) = listener.accept().await {
                let (served, clock) = (served.clone(), clock.clone());
                let service = service_fn(move |request| answer(served.clone(), clock.clone(), started, request));
                let exec = Exec(group.clone());
                let connection =
                    hyper::server::conn::http2::Builder::new(exec).serve_connection(TokioIo::new(conn), service);
                drop(group.spawn("cri-connection", connection));
            }
        }));
        let address = Address::unix(SOCKET);
        let endpoints = Endpoints { runtime: address.clone(), image: address, timeout: Duration::from_secs(120) };
        let cri = CriClient::new(&world.world.net, &endpoints, &tasks);
        cri.handshake().await.unwrap();
        let events = Arc::new(Events::default());
        let mut settings = RuntimeSettings::new("node1", world.world.machine.facts().unwrap());
        settings.facts.huge_pages.clear();
        let files = &world.world.files;
        files.create_dir_all("/etc".as_ref(), 0o755).unwrap();
        files.write("/etc/resolv.conf".as_ref(), b"nameserver 192.0.2.53\n", 0o644).unwrap();
        let manager = RuntimeManager::new(world.world.clone(), tasks.clone(), cri, settings, events.clone());
        runtime.lock().unwrap().log.clear();
        Self { world, server, runtime, manager, events }
    }

    pub fn runtime(&self) -> MutexGuard<'_, Runtime> {
        self.runtime.lock().unwrap()
    }

    /// Calls since the last look.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.runtime().log)
    }

    /// Events since the last look.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.0.lock().unwrap())
    }

    pub async fn observe(&self, pod: &Pod) -> ObservedPod {
        let uid = pod.metadata.uid.clone().unwrap();
        let listed = self.manager.list(Some(&uid)).await.unwrap();
        match listed.first() {
            Some(listed) => self.manager.observe(listed).await.unwrap(),
            None => ObservedPod::default(),
        }
    }

    /// Observes, syncs, and leaves only the sync's calls in the log.
    pub async fn sync(&self, pod: &Pod) -> SyncResult {
        let dir = self.manager.settings().pod_dir(pod.metadata.uid.as_deref().unwrap());
        let _ = self.world.world.files.create_dir_all(&dir, 0o750);
        let observed = self.observe(pod).await;
        self.calls();
        let terminating = CancellationToken::new();
        self.manager
            .sync_pod(
                pod,
                &observed,
                SyncContext { probes: &NoProbes, terminating: &terminating, sandbox_ready: &|| {} },
            )
            .await
    }

    pub async fn kill(&self, pod: &Pod, grace: Option<i64>) {
        let observed = self.observe(pod).await;
        self.calls();
        self.manager.kill_pod(pod, &observed, grace).await.unwrap();
    }

    /// Ends a running container, as if by itself.
    pub fn exit(&self, name: &str, code: i32) {
        let now = nanoseconds(self.world.world.clock.now());
        let mut runtime = self.runtime();
        let found = runtime.containers.values_mut().find(|(_, c)| {
            c.metadata.as_ref().unwrap().name == name && c.state == i32::from(v1::ContainerState::ContainerRunning)
        });
        exited(&mut found.unwrap().1, code, now);
    }
}

#[derive(Clone)]
struct Exec(Tasks);

impl<F> hyper::rt::Executor<F> for Exec
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.0.spawn("h2", future));
    }
}

/// Everything may go, or nothing.
pub(crate) struct Oracle(pub bool);

impl GarbageOracle for Oracle {
    fn sources_ready(&self) -> bool {
        true
    }

    fn remove_content(&self, _: &str) -> bool {
        self.0
    }
}

pub(crate) fn pod(spec: serde_json::Value) -> Pod {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": spec
    }))
    .unwrap()
}

fn nanoseconds(time: jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap()
}

fn exited(status: &mut v1::ContainerStatus, code: i32, now: i64) {
    status.state = v1::ContainerState::ContainerExited.into();
    status.exit_code = code;
    status.finished_at = now;
    status.reason = if code == 0 { "Completed" } else { "Error" }.into();
}

type Reply = http::Response<http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>>;

async fn answer(
    runtime: Arc<Mutex<Runtime>>,
    clock: world::WallClock,
    started: Instant,
    request: http::Request<Incoming>,
) -> Result<Reply, std::convert::Infallible> {
    let rpc = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let outcome = call(&runtime, &clock, started, &rpc, &body[5..]).await;
    let (message, code, text) = match outcome {
        Ok(message) => (message, Code::Ok, String::new()),
        Err(status) => (Vec::new(), status.code(), status.message().to_owned()),
    };
    let mut bytes = Vec::new();
    if code == Code::Ok {
        bytes.push(0);
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(message);
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from(i32::from(code)));
    trailers.insert("grpc-message", http::HeaderValue::from_str(&text).unwrap());
    let body = Full::new(Bytes::from(bytes)).with_trailers(async move { Some(Ok(trailers)) }).boxed();
    Ok(http::Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}

fn decode<M: Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).unwrap()
}

async fn call(
    runtime: &Mutex<Runtime>,
    clock: &world::WallClock,
    started: Instant,
    rpc: &str,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let at = started.elapsed().as_secs();
    let name_of = |id: &str| {
        let runtime = runtime.lock().unwrap();
        runtime.containers.get(id).map_or(id.to_owned(), |(_, c)| {
            let metadata = c.metadata.as_ref().unwrap();
            format!("{}#{}", metadata.name, metadata.attempt)
        })
    };
    let begin = |target: &str| {
        let mut runtime = runtime.lock().unwrap();
        runtime.log.push(format!("{at} {rpc} {target}").trim_end().to_owned());
        let name = target.split('#').next().unwrap();
        runtime.fail.get(rpc).or_else(|| runtime.fail.get(&format!("{rpc} {name}"))).cloned().map_or(Ok(()), Err)
    };
    let now = nanoseconds(clock.now());
    Ok(match rpc {
        "Version" => v1::VersionResponse {
            version: "0.1.0".into(),
            runtime_name: "test".into(),
            runtime_version: "1".into(),
            runtime_api_version: "v1".into(),
        }
        .encode_to_vec(),
        "ImageFsInfo" => Vec::new(),
        "RunPodSandbox" => {
            let config = decode::<v1::RunPodSandboxRequest>(body).config.unwrap();
            let metadata = config.metadata.clone().unwrap();
            begin(&format!("{}#{}", metadata.name, metadata.attempt))?;
            let mut runtime = runtime.lock().unwrap();
            let id = format!("sandbox{}", metadata.attempt);
            let status = v1::PodSandboxStatus {
                id: id.clone(),
                metadata: config.metadata,
                created_at: now,
                network: Some(v1::PodSandboxNetworkStatus { ip: "10.0.0.1".into(), ..Default::default() }),
                labels: config.labels,
                ..Default::default()
            };
            runtime.sandboxes.insert(id.clone(), status);
            v1::RunPodSandboxResponse { pod_sandbox_id: id }.encode_to_vec()
        }
        "StopPodSandbox" => {
            let id = decode::<v1::StopPodSandboxRequest>(body).pod_sandbox_id;
            begin(&id)?;
            let mut runtime = runtime.lock().unwrap();
            if let Some(sandbox) = runtime.sandboxes.get_mut(&id) {
                sandbox.state = v1::PodSandboxState::SandboxNotready.into();
            }
            Vec::new()
        }
        "RemovePodSandbox" => {
            let id = decode::<v1::RemovePodSandboxRequest>(body).pod_sandbox_id;
            begin(&id)?;
            runtime.lock().unwrap().sandboxes.remove(&id);
            Vec::new()
        }
        "PodSandboxStatus" => {
            let id = decode::<v1::PodSandboxStatusRequest>(body).pod_sandbox_id;
            begin(&id)?;
            let status = runtime.lock().unwrap().sandboxes.get(&id).cloned();
            let status = status.ok_or_else(|| Status::not_found("no such sandbox"))?;
            v1::PodSandboxStatusResponse { status: Some(status), ..Default::default() }.encode_to_vec()
        }
        "ListPodSandbox" => {
            begin("")?;
            let runtime = runtime.lock().unwrap();
            let items = runtime.sandboxes.values().map(|s| v1::PodSandbox {
                id: s.id.clone(),
                metadata: s.metadata.clone(),
                state: s.state,
                created_at: s.created_at,
                ..Default::default()
            });
            v1::ListPodSandboxResponse { items: items.collect() }.encode_to_vec()
        }
        "CreateContainer" => {
            let request = decode::<v1::CreateContainerRequest>(body);
            let config = request.config.unwrap();
            let metadata = config.metadata.clone().unwrap();
            begin(&format!("{}#{}", metadata.name, metadata.attempt))?;
            let mut runtime = runtime.lock().unwrap();
            runtime.next += 1;
            let id = format!("id{}", runtime.next);
            let status = v1::ContainerStatus {
                id: id.clone(),
                metadata: config.metadata,
                // One nanosecond apart: creation orders them.
                created_at: now + runtime.next,
                image: config.image.clone(),
                image_ref: config.image.unwrap().image,
                labels: config.labels,
                annotations: config.annotations,
                log_path: format!("{}/{}", request.sandbox_config.unwrap().log_directory, config.log_path),
                mounts: config.mounts,
                ..Default::default()
            };
            runtime.containers.insert(id.clone(), (request.pod_sandbox_id, status));
            v1::CreateContainerResponse { container_id: id }.encode_to_vec()
        }
        "StartContainer" => {
            let id = decode::<v1::StartContainerRequest>(body).container_id;
            begin(&name_of(&id))?;
            let mut runtime = runtime.lock().unwrap();
            let status = &mut runtime.containers.get_mut(&id).unwrap().1;
            status.state = v1::ContainerState::ContainerRunning.into();
            status.started_at = now;
            Vec::new()
        }
        "StopContainer" => {
            let request = decode::<v1::StopContainerRequest>(body);
            let name = name_of(&request.container_id);
            begin(&format!("{name} {}", request.timeout))?;
            let takes = runtime.lock().unwrap().stop_takes.get(name.split('#').next().unwrap()).copied().unwrap_or(0);
            let grace = u64::try_from(request.timeout).unwrap();
            tokio::time::sleep(Duration::from_secs(takes.min(grace))).await;
            let code = if takes > grace { 137 } else { 0 };
            let mut runtime = runtime.lock().unwrap();
            if let Some((_, status)) = runtime.containers.get_mut(&request.container_id) {
                exited(status, code, nanoseconds(clock.now()));
            }
            Vec::new()
        }
        "RemoveContainer" => {
            let id = decode::<v1::RemoveContainerRequest>(body).container_id;
            begin(&name_of(&id))?;
            runtime.lock().unwrap().containers.remove(&id);
            Vec::new()
        }
        "ListContainers" => {
            begin("")?;
            let runtime = runtime.lock().unwrap();
            let containers = runtime.containers.values().map(|(sandbox, c)| v1::Container {
                id: c.id.clone(),
                pod_sandbox_id: sandbox.clone(),
                metadata: c.metadata.clone(),
                image: c.image.clone(),
                state: c.state,
                created_at: c.created_at,
                labels: c.labels.clone(),
                ..Default::default()
            });
            v1::ListContainersResponse { containers: containers.collect() }.encode_to_vec()
        }
        "ContainerStatus" => {
            let id = decode::<v1::ContainerStatusRequest>(body).container_id;
            begin(&name_of(&id))?;
            let status = runtime.lock().unwrap().containers.get(&id).map(|(_, c)| c.clone());
            let status = status.ok_or_else(|| Status::not_found("no such container"))?;
            v1::ContainerStatusResponse { status: Some(status), ..Default::default() }.encode_to_vec()
        }
        "ExecSync" => {
            let request = decode::<v1::ExecSyncRequest>(body);
            begin(&format!("{} {}", name_of(&request.container_id), request.cmd.join(" ")))?;
            let scripted = runtime.lock().unwrap().execs.get(request.cmd.last().unwrap()).copied();
            let (exit_code, takes) = scripted.unwrap_or((0, 0));
            tokio::time::sleep(Duration::from_secs(takes)).await;
            v1::ExecSyncResponse { stdout: b"out".to_vec(), stderr: b"err".to_vec(), exit_code }.encode_to_vec()
        }
        "ImageStatus" => {
            let image = decode::<v1::ImageStatusRequest>(body).image.unwrap().image;
            begin(&image)?;
            let tagged = if image.contains(':') { image } else { format!("{image}:latest") };
            let known = runtime.lock().unwrap().images.contains(&tagged);
            let image = known.then(|| v1::Image { id: format!("sha-{tagged}"), size: 7, ..Default::default() });
            v1::ImageStatusResponse { image, ..Default::default() }.encode_to_vec()
        }
        "PullImage" => {
            let image = decode::<v1::PullImageRequest>(body).image.unwrap().image;
            begin(&image)?;
            tokio::time::sleep(Duration::from_millis(1500)).await;
            runtime.lock().unwrap().images.push(image.clone());
            v1::PullImageResponse { image_ref: format!("sha-{image}") }.encode_to_vec()
        }
        _ => return Err(Status::unimplemented(format!("unknown method {rpc} for service runtime.v1.RuntimeService"))),
    })
}
