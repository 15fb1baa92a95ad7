//! The fake runtime through gRPC, under virtual time: idempotency, codes, filters, deadlines, events, logs, faults.

use std::{path::Path, time::Duration};

use cri_proto::v1::{self, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient};
use fake_cri::{
    Aftermath, Config, FakeCri, Personality,
    behaviours::{Behaviour, Run},
    faults::Fault,
};
use hyper_util::rt::TokioIo;
use rstest::rstest;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};
use tower::service_fn;
use world::{Tasks, sim, sim::SimWorld};

#[path = "rpc/faults.rs"]
mod faults;
#[path = "rpc/network.rs"]
mod network;
#[path = "rpc/security.rs"]
mod security;

/// A fake runtime and clients of it.
struct Bench {
    sim: SimWorld,
    fake: FakeCri,
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
}

impl Bench {
    async fn new(sim: SimWorld, tasks: &Tasks, config: Config) -> Self {
        let fake = FakeCri::start(&sim.world, config, tasks).await.expect("it starts");
        let (net, address) = (sim.world.net.clone(), fake.address().clone());
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(service_fn(move |_| {
            let (net, address) = (net.clone(), address.clone());
            async move { net.dial(&address).await.map(TokioIo::new) }
        }));
        let (runtime, images) = (RuntimeServiceClient::new(channel.clone()), ImageServiceClient::new(channel));
        Self { sim, fake, runtime, images }
    }

    fn sandbox_config(name: &str, attempt: u32) -> v1::PodSandboxConfig {
        let metadata = v1::PodSandboxMetadata {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            namespace: "default".to_owned(),
            attempt,
        };
        let log_directory = format!("/var/log/pods/{name}");
        v1::PodSandboxConfig { metadata: Some(metadata), log_directory, ..Default::default() }
    }

    async fn sandbox(&mut self, name: &str) -> String {
        let request = v1::RunPodSandboxRequest { config: Some(Self::sandbox_config(name, 0)), ..Default::default() };
        self.runtime.run_pod_sandbox(request).await.expect("a sandbox").into_inner().pod_sandbox_id
    }

    async fn create(&mut self, sandbox: &str, name: &str, command: &[&str]) -> Result<String, tonic::Status> {
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() }),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            log_path: format!("{name}/0.log"),
            // As the kubelet asks: every container with a pid namespace of its own.
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(v1::LinuxContainerSecurityContext {
                    namespace_options: Some(v1::NamespaceOption {
                        pid: v1::NamespaceMode::Container as i32,
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(Self::sandbox_config("web", 0)),
        };
        Ok(self.runtime.create_container(request).await?.into_inner().container_id)
    }

    async fn run(&mut self, sandbox: &str, name: &str, command: &[&str]) -> String {
        let id = self.create(sandbox, name, command).await.expect("a container");
        self.runtime.start_container(v1::StartContainerRequest { container_id: id.clone() }).await.expect("it starts");
        id
    }

    async fn stop(&mut self, id: &str, timeout: i64) -> Result<(), tonic::Status> {
        self.runtime.stop_container(v1::StopContainerRequest { container_id: id.to_owned(), timeout }).await.map(drop)
    }

    async fn status(&mut self, id: &str) -> Result<v1::ContainerStatus, tonic::Status> {
        let request = v1::ContainerStatusRequest { container_id: id.to_owned(), verbose: false };
        Ok(self.runtime.container_status(request).await?.into_inner().status.expect("a status"))
    }
}

/// Plays `test` on a fresh fake runtime.
fn with<F>(config: Config, test: F)
where
    F: AsyncFnOnce(&mut Bench) + Send + 'static,
{
    sim::run(1, sim::Limits::default(), move |sim, tasks| async move {
        let mut bench = Bench::new(sim, &tasks, config).await;
        test(&mut bench).await;
    })
    .expect("it ends");
}

#[test]
fn stopping_and_removing_what_is_unknown_is_fine_and_looking_at_it_is_not() {
    with(Config::default(), async |b| {
        let id = "0123456789".to_owned();
        b.stop(&id, 0).await.expect("stop");
        b.runtime.remove_container(v1::RemoveContainerRequest { container_id: id.clone() }).await.expect("remove");
        b.runtime.stop_pod_sandbox(v1::StopPodSandboxRequest { pod_sandbox_id: id.clone() }).await.expect("stop");
        b.runtime.remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: id.clone() }).await.expect("remove");
        assert_eq!(b.status(&id).await.unwrap_err().code(), Code::NotFound);
        let look = v1::PodSandboxStatusRequest { pod_sandbox_id: id.clone(), verbose: false };
        assert_eq!(b.runtime.pod_sandbox_status(look).await.unwrap_err().code(), Code::NotFound);
        let start = v1::StartContainerRequest { container_id: id };
        assert_eq!(b.runtime.start_container(start).await.unwrap_err().code(), Code::NotFound);
        let image = v1::ImageSpec { image: "nothing/here".to_owned(), ..Default::default() };
        let request = v1::ImageStatusRequest { image: Some(image), verbose: false };
        assert!(b.images.image_status(request).await.expect("no error").into_inner().image.is_none());
    });
}

#[test]
fn names_are_reserved_while_they_exist() {
    with(Config::default(), async |b| {
        let id = b.sandbox("web").await;
        let again = v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config("web", 0)), ..Default::default() };
        let refused = b.runtime.run_pod_sandbox(again.clone()).await.unwrap_err();
        assert!(refused.message().contains(&format!("is reserved for \"{id}\"")), "{refused}");
        b.create(&id, "main", &["sleep", "1"]).await.expect("a container");
        assert!(b.create(&id, "main", &["sleep", "1"]).await.unwrap_err().message().contains("reserved"));
        b.runtime.remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: id }).await.expect("remove");
        b.runtime.run_pod_sandbox(again).await.expect("free again");
        let leaks = b.fake.ledger().leaks();
        assert_eq!(leaks.len(), 3, "only the new sandbox, its network and its address: {leaks:?}");
    });
}

#[test]
fn cri_o_answers_the_same_request_with_the_same_object() {
    with(Config::of(Personality::Crio), async |b| {
        let id = b.sandbox("web").await;
        assert_eq!(b.sandbox("web").await, id);
        let container = b.create(&id, "main", &["sleep", "1"]).await.expect("a container");
        assert_eq!(b.create(&id, "main", &["sleep", "1"]).await.expect("the same"), container);
        // A request that is given up on the way is waited for.
        let mut other = b.runtime.clone();
        let asked = v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config("late", 0)), ..Default::default() };
        let first =
            async { other.run_pod_sandbox(asked.clone()).await.expect("a sandbox").into_inner().pod_sandbox_id };
        let (first, second) = tokio::join!(first, b.sandbox("late"));
        assert_eq!(first, second);
    });
}

#[test]
fn cri_o_has_words_and_ids_of_its_own() {
    with(Config::of(Personality::Crio), async |b| {
        let status = b.status("x").await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (
                Code::NotFound,
                "could not find container \"x\": container with ID starting with x not found: ID does not exist"
            )
        );
        let sandbox = b.sandbox("web").await;
        let container = b.run(&sandbox, "main", &["sleep", "100"]).await;
        let status = b.status(&container).await.expect("a status");
        assert!(status.image_id.len() == 64 && !status.image_id.contains(':'), "{}", status.image_id);
        assert!(status.image_ref.starts_with("docker.io/library/busybox@sha256:"), "{}", status.image_ref);
        let image = v1::ImageSpec { image: format!("sha256:{}", status.image_id), ..Default::default() };
        let request = v1::ImageStatusRequest { image: Some(image), verbose: false };
        let found = b.images.image_status(request).await.expect("a status").into_inner().image.expect("it is there");
        assert_eq!(found.id, status.image_id);
    });
}

#[rstest]
#[case::ignores_term(&["sleep", "100"], 5, 5, 137)]
#[case::handles_term(&["sh", "-c", "trap 'exit 3' TERM; while true; do sleep 0.1; done"], 30, 0, 3)]
#[case::killed_at_once(&["sleep", "100"], 0, 0, 137)]
fn stopping_takes_its_grace(
    #[case] command: &'static [&'static str],
    #[case] timeout: i64,
    #[case] seconds: u64,
    #[case] code: i32,
) {
    with(Config::default(), async move |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", command).await;
        let began = tokio::time::Instant::now();
        b.stop(&id, timeout).await.expect("stop");
        assert_eq!(began.elapsed().as_secs(), seconds);
        let status = b.status(&id).await.expect("a status");
        assert_eq!((status.state(), status.exit_code), (v1::ContainerState::ContainerExited, code));
        assert!(status.finished_at >= status.started_at && status.started_at >= status.created_at);
    });
}

#[test]
fn a_command_that_is_not_there_fails_to_start() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.create(&sandbox, "main", &["nosuch"]).await.expect("created");
        let refused =
            b.runtime.start_container(v1::StartContainerRequest { container_id: id.clone() }).await.unwrap_err();
        assert!(refused.message().contains("exec: \"nosuch\": executable file not found in $PATH"), "{refused}");
        let status = b.status(&id).await.expect("a status");
        assert_eq!((status.exit_code, status.reason.as_str()), (128, "StartError"));
    });
}

#[test]
fn output_is_logged_in_the_cri_format() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["sh", "-c", "echo one; echo two >&2; printf three"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(b.status(&id).await.expect("a status").reason, "Completed");
        let log = b.sim.world.files.read_to_string(Path::new("/var/log/pods/web/main/0.log"), 4096).expect("a log");
        let lines: Vec<&str> = log.lines().map(|l| l.split_once(' ').expect("a time").1).collect();
        assert_eq!(lines, ["stdout F one", "stderr F two", "stdout P three"]);
        assert!(log.starts_with("2026-01-01T00:00:00.000000000Z "), "{log}");
    });
}

#[test]
fn executed_commands_answer_and_time_out() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["tail", "-f", "/etc/hostname"]).await;
        let exec = |cmd: &[&str], timeout| v1::ExecSyncRequest {
            container_id: id.clone(),
            cmd: cmd.iter().map(|w| (*w).to_owned()).collect(),
            timeout,
        };
        let done = b
            .runtime
            .exec_sync(exec(&["sh", "-c", "echo out; echo err >&2; exit 4"], 0))
            .await
            .expect("done")
            .into_inner();
        assert_eq!((done.stdout.as_slice(), done.stderr.as_slice(), done.exit_code), (&b"out\n"[..], &b"err\n"[..], 4));
        let late = b.runtime.exec_sync(exec(&["sleep", "4321"], 1)).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
        let left = b.runtime.exec_sync(exec(&["sh", "-c", "pidof sleep || true"], 0)).await.expect("done").into_inner();
        assert_eq!(left.stdout, b"", "what timed out was killed");
    });
}

#[test]
fn a_pull_that_is_given_up_leaves_nothing() {
    with(Config::default(), async |b| {
        let image = v1::ImageSpec { image: "registry.k8s.io/pause:3.9".to_owned(), ..Default::default() };
        let mut request = Request::new(v1::PullImageRequest { image: Some(image.clone()), ..Default::default() });
        request.set_timeout(Duration::from_millis(1));
        assert!(b.images.pull_image(request).await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let look = v1::ImageStatusRequest { image: Some(image.clone()), verbose: false };
        assert!(b.images.image_status(look.clone()).await.expect("no error").into_inner().image.is_none());
        let pulled = b
            .images
            .pull_image(v1::PullImageRequest { image: Some(image), ..Default::default() })
            .await
            .expect("pulled");
        let found = b.images.image_status(look).await.expect("no error").into_inner().image.expect("present");
        assert_eq!(pulled.into_inner().image_ref, found.id);
    });
}

#[test]
fn lists_are_filtered_by_all_that_is_said() {
    with(Config::default(), async |b| {
        let (one, two) = (b.sandbox("one").await, b.sandbox("two").await);
        let id = b.run(&one, "a", &["sleep", "9"]).await;
        b.create(&two, "b", &["sleep", "9"]).await.expect("a container");
        let running = v1::ContainerStateValue { state: v1::ContainerState::ContainerRunning.into() };
        let filters = [
            (v1::ContainerFilter::default(), 2),
            (v1::ContainerFilter { id: id[..12].to_owned(), ..Default::default() }, 1),
            (v1::ContainerFilter { state: Some(running), ..Default::default() }, 1),
            (v1::ContainerFilter { state: Some(running), pod_sandbox_id: two.clone(), ..Default::default() }, 0),
            (v1::ContainerFilter { id: "ffff".to_owned(), ..Default::default() }, 0),
        ];
        for (filter, count) in filters {
            let list = b
                .runtime
                .list_containers(v1::ListContainersRequest { filter: Some(filter.clone()) })
                .await
                .expect("a list");
            assert_eq!(list.into_inner().containers.len(), count, "{filter:?}");
        }
    });
}

#[test]
fn events_tell_of_every_change_in_order() {
    with(Config::default(), async |b| {
        let mut events = b.runtime.get_container_events(v1::GetEventsRequest {}).await.expect("a stream").into_inner();
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["true"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        b.runtime
            .remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: sandbox.clone() })
            .await
            .expect("remove");
        let mut told = Vec::new();
        for _ in 0..8 {
            let event = events.message().await.expect("the stream goes on").expect("an event");
            let who = if event.container_id == id { "container" } else { "sandbox" };
            told.push(format!("{who} {}", event.container_event_type().as_str_name()));
        }
        assert_eq!(
            told,
            [
                "sandbox CONTAINER_CREATED_EVENT",
                "sandbox CONTAINER_STARTED_EVENT",
                "container CONTAINER_CREATED_EVENT",
                "container CONTAINER_STARTED_EVENT",
                "container CONTAINER_STOPPED_EVENT",
                "sandbox CONTAINER_STOPPED_EVENT",
                "container CONTAINER_DELETED_EVENT",
                "sandbox CONTAINER_DELETED_EVENT",
            ]
        );
    });
}

#[test]
fn faults_come_before_the_effect_or_after_it() {
    with(Config::default(), async |b| {
        let script = |rpc: &str, text: &str| Fault { rpc: rpc.to_owned(), script: text.to_owned(), ..Fault::default() };
        let faults = vec![
            script("RunPodSandbox", "1x error UNAVAILABLE no room, 1x fail DEADLINE_EXCEEDED too late, then ok"),
            script("Version", "1x delay 5s"),
        ];
        b.fake.set_faults(faults).expect("faults that make sense");
        let request = v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config("web", 0)), ..Default::default() };
        let first = b.runtime.run_pod_sandbox(request.clone()).await.unwrap_err();
        assert_eq!((first.code(), first.message()), (Code::Unavailable, "no room"));
        let list = v1::ListPodSandboxRequest::default();
        assert_eq!(b.runtime.list_pod_sandbox(list.clone()).await.expect("a list").into_inner().items.len(), 0);
        assert_eq!(b.runtime.run_pod_sandbox(request).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(
            b.runtime.list_pod_sandbox(list).await.expect("a list").into_inner().items.len(),
            1,
            "the effect was there"
        );
        let began = tokio::time::Instant::now();
        b.runtime.version(v1::VersionRequest::default()).await.expect("late, but there");
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(b.fake.fault_hits(), [2, 1]);
    });
}

#[test]
fn a_crash_cuts_connections_and_pods_run_on() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["sleep", "1000"]).await;
        b.fake.crash(Aftermath::PodsRunOn).await;
        assert!(b.status(&id).await.is_err(), "nobody answers");
        b.fake.restart().await.expect("it comes back");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(b.status(&id).await.expect("it answers").state(), v1::ContainerState::ContainerRunning);
        b.fake.crash(Aftermath::PodsDie).await;
        b.fake.restart().await.expect("it comes back");
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(b.status(&id).await.expect("it answers").state(), v1::ContainerState::ContainerExited);
        assert_eq!(b.fake.ledger().violations(), Vec::<String>::new());
    });
}

#[test]
fn behaviours_replace_programs() {
    let rule = Behaviour {
        container: Some("main".to_owned()),
        attempts: vec![Run { exit: Some(7), termination_message: Some("why".to_owned()), ..Run::default() }],
        ..Behaviour::default()
    };
    with(Config { behaviours: vec![rule], ..Config::default() }, async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["sleep", "1000"]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(b.status(&id).await.expect("a status").exit_code, 7);
        let other = b.run(&sandbox, "other", &["sleep", "1000"]).await;
        assert_eq!(b.status(&other).await.expect("a status").state(), v1::ContainerState::ContainerRunning);
    });
}

#[test]
fn a_client_that_breaks_the_contract_is_told_of() {
    with(Config::default(), async |b| {
        let _ = b.create("gone", "main", &["true"]).await;
        b.stop("gone", -1).await.expect("nothing to stop");
        let violations = b.fake.ledger().violations();
        assert!(violations.iter().any(|v| v.contains("unknown sandbox")), "{violations:?}");
        assert!(violations.iter().any(|v| v.contains("negative timeout")), "{violations:?}");
    });
}

#[test]
fn lists_longer_than_four_megabytes_arrive_whole_or_in_pieces() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        for n in 0..60 {
            let config = v1::ContainerConfig {
                metadata: Some(v1::ContainerMetadata { name: format!("c{n}"), attempt: 0 }),
                image: Some(v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() }),
                annotations: [("long".to_owned(), "x".repeat(100_000))].into(),
                ..Default::default()
            };
            let request = v1::CreateContainerRequest {
                pod_sandbox_id: sandbox.clone(),
                config: Some(config),
                sandbox_config: Some(Bench::sandbox_config("web", 0)),
            };
            b.runtime.create_container(request).await.expect("a container");
        }
        let mut client = b.runtime.clone().max_decoding_message_size(16 * 1024 * 1024);
        let all = client.list_containers(v1::ListContainersRequest::default()).await.expect("a list").into_inner();
        assert_eq!(all.containers.len(), 60);
        // A client with gRPC's usual limit gets it in pieces.
        let mut pieces =
            b.runtime.stream_containers(v1::StreamContainersRequest::default()).await.expect("ok").into_inner();
        let mut found = 0;
        while let Some(piece) = pieces.message().await.expect("a piece") {
            found += piece.containers.len();
        }
        assert_eq!(found, 60);
    });
}

#[test]
fn what_a_behaviour_serves_is_served_once_it_has_started() {
    let run = serde_json::json!({ "http": [{ "port": 8080 }], "tcp": [9000] });
    let run: Run = serde_json::from_value(run).expect("a behaviour");
    let rule = Behaviour { run, ..Behaviour::default() };
    with(Config { behaviours: vec![rule], ..Config::default() }, async |b| {
        let sandbox = b.sandbox("web").await;
        let look = v1::PodSandboxStatusRequest { pod_sandbox_id: sandbox.clone(), verbose: false };
        let status = b.runtime.pod_sandbox_status(look).await.expect("known").into_inner().status.expect("a status");
        let host = status.network.expect("a network").ip;
        b.run(&sandbox, "main", &["sleep", "1000"]).await;
        for port in [8080, 9000] {
            b.sim.world.net.dial(&world::net::Address::tcp(host.clone(), port)).await.expect("somebody listens");
        }
    });
}
