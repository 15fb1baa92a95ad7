//! How many calls a second does the fake runtime answer, by kind, in memory and over a socket? What do 10,000 containers cost, in time
//! and in memory?
#![allow(missing_docs)]

use std::{hint::black_box, time::Duration};

use cri_proto::v1::{self, runtime_service_client::RuntimeServiceClient};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fake_cri::{Config, FakeCri};
use hyper_util::rt::TokioIo;
use tokio::{runtime::Runtime, time::Instant};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use world::{Tasks, World, net::Address, sim::SimWorld};

/// Containers of the large node, and of each of its pods.
const MANY: usize = 10_000;
const OF_A_POD: usize = 10;

struct Node {
    fake: FakeCri,
    client: RuntimeServiceClient<Channel>,
    tasks: Tasks,
    _directory: tempfile::TempDir,
}

impl Node {
    async fn new(in_memory: bool) -> Self {
        let tasks = Tasks::root("bench");
        let directory = tempfile::tempdir().expect("a directory");
        let world = if in_memory { SimWorld::new(1, &tasks).world } else { World::real(1) };
        let mut config = Config { journal_limit: 1000, ..Config::default() };
        if !in_memory {
            config.listen = Address::unix(directory.path().join("cri.sock"));
            config.image_mountpoint = directory.path().join("images").to_string_lossy().into_owned();
        }
        let fake = FakeCri::start(&world, config, &tasks).await.expect("it starts");
        let (net, address) = (world.net.clone(), fake.address().clone());
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(service_fn(move |_| {
            let (net, address) = (net.clone(), address.clone());
            async move { net.dial(&address).await.map(TokioIo::new) }
        }));
        let client = RuntimeServiceClient::new(channel).max_decoding_message_size(cri_proto::MAX_MESSAGE_BYTES);
        Self { fake, client, tasks, _directory: directory }
    }

    fn pod(number: usize) -> v1::PodSandboxConfig {
        let metadata = v1::PodSandboxMetadata {
            name: format!("pod-{number}"),
            uid: format!("uid-{number}"),
            namespace: "default".to_owned(),
            attempt: 0,
        };
        v1::PodSandboxConfig { metadata: Some(metadata), ..Default::default() }
    }

    async fn sandbox(&mut self, number: usize) -> String {
        let request = v1::RunPodSandboxRequest { config: Some(Self::pod(number)), ..Default::default() };
        self.client.run_pod_sandbox(request).await.expect("a sandbox").into_inner().pod_sandbox_id
    }

    async fn create(&mut self, sandbox: &str, number: usize) -> String {
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: format!("main-{number}"), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() }),
            command: vec!["sleep".to_owned(), "infinity".to_owned()],
            ..Default::default()
        };
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(Self::pod(0)),
        };
        self.client.create_container(request).await.expect("a container").into_inner().container_id
    }

    async fn start(&mut self, id: &str) {
        let request = v1::StartContainerRequest { container_id: id.to_owned() };
        self.client.start_container(request).await.expect("it starts");
    }

    async fn remove(&mut self, id: &str) {
        let request = v1::RemoveContainerRequest { container_id: id.to_owned() };
        self.client.remove_container(request).await.expect("it goes");
    }

    async fn end(self) {
        self.fake.stop().await;
        self.tasks.shutdown().await;
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let text = World::real(1).files.read_to_string(std::path::Path::new("/proc/self/statm"), 4096).unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fake_runtime_calls");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(2));
    for (place, in_memory) in [("in memory", true), ("over a socket", false)] {
        let runtime = runtime();
        let mut node = runtime.block_on(Node::new(in_memory));
        let (sandbox, id) = runtime.block_on(async {
            let sandbox = node.sandbox(0).await;
            let id = node.create(&sandbox, 0).await;
            node.start(&id).await;
            (sandbox, id)
        });
        let client = node.client.clone();
        group.bench_function(format!("Version {place}"), |b| {
            b.to_async(&runtime)
                .iter(|| async { client.clone().version(v1::VersionRequest::default()).await.expect("ok") });
        });
        group.bench_function(format!("ContainerStatus {place}"), |b| {
            b.to_async(&runtime).iter(|| async {
                let request = v1::ContainerStatusRequest { container_id: id.clone(), verbose: false };
                client.clone().container_status(request).await.expect("ok")
            });
        });
        group.bench_function(format!("ListContainers {place}"), |b| {
            b.to_async(&runtime).iter(|| async {
                client.clone().list_containers(v1::ListContainersRequest::default()).await.expect("ok")
            });
        });
        group.bench_function(format!("ExecSync {place}"), |b| {
            b.to_async(&runtime).iter(|| async {
                let cmd = vec!["true".to_owned()];
                let request = v1::ExecSyncRequest { container_id: id.clone(), cmd, timeout: 10 };
                client.clone().exec_sync(request).await.expect("ok")
            });
        });
        group.bench_function(format!("create, start and remove a container {place}"), |b| {
            b.iter_custom(|n| {
                runtime.block_on(async {
                    let began = Instant::now();
                    for _ in 0..n {
                        let id = node.create(&sandbox, 1).await;
                        node.start(&id).await;
                        node.remove(&id).await;
                    }
                    began.elapsed()
                })
            });
        });
        runtime.block_on(node.end());
    }
    group.finish();
}

/// Fills a node once and tells what that took; then measures what is asked of a full node.
fn many(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut node = runtime.block_on(Node::new(false));
    let ids = runtime.block_on(async {
        let (began, before) = (Instant::now(), resident());
        let mut ids = Vec::new();
        for pod in 0..MANY / OF_A_POD {
            let sandbox = node.sandbox(pod).await;
            for number in 0..OF_A_POD {
                let id = node.create(&sandbox, number).await;
                node.start(&id).await;
                ids.push(id);
            }
        }
        let (took, held) = (began.elapsed(), resident().saturating_sub(before));
        let each = held / MANY as u64;
        #[expect(clippy::print_stdout, reason = "criterion has no place for a single measurement")]
        {
            println!("{MANY} containers created and started in {took:?}; {each} bytes each");
        }
        ids
    });
    let mut group = criterion.benchmark_group("fake_runtime_with_10000_containers");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let client = node.client.clone();
    group.bench_function("ListContainers", |b| {
        b.to_async(&runtime).iter(|| async {
            let all = client.clone().list_containers(v1::ListContainersRequest::default()).await.expect("ok");
            assert_eq!(black_box(all).into_inner().containers.len(), MANY);
        });
    });
    group.bench_function("ContainerStatus", |b| {
        b.to_async(&runtime).iter(|| async {
            let request = v1::ContainerStatusRequest { container_id: ids[MANY / 2].clone(), verbose: false };
            client.clone().container_status(request).await.expect("ok")
        });
    });
    group.finish();
    runtime.block_on(async {
        let began = Instant::now();
        for id in &ids {
            node.remove(id).await;
        }
        let took = began.elapsed();
        #[expect(clippy::print_stdout, reason = "criterion has no place for a single measurement")]
        {
            println!("{MANY} containers removed in {took:?}");
        }
        node.end().await;
    });
}

criterion_group!(benches, calls, many);
criterion_main!(benches);
