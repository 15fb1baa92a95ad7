//! Tests of probe workers in virtual time: when they probe, when a verdict counts, what it means for statuses.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use super::*;
use crate::{
    httpget::testing::{Script, Server, reply},
    runtime::testing,
};

#[derive(Default)]
struct Statuses(Mutex<BTreeMap<String, Arc<PodStatus>>>);

impl PodStatuses for Statuses {
    fn pod_status(&self, uid: &str) -> Option<Arc<PodStatus>> {
        self.0.lock().unwrap().get(uid).cloned()
    }
}

struct Bench {
    bench: testing::Bench,
    prober: Arc<Prober>,
    updates: mpsc::Receiver<ProbeUpdate>,
    statuses: Arc<Statuses>,
    tasks: Tasks,
    start: Instant,
}

fn id(id: &str) -> ContainerId {
    ContainerId { runtime: "test".to_owned(), id: id.to_owned() }
}

fn pod(container: Value) -> Arc<Pod> {
    let mut container = container;
    container["name"] = json!("c");
    Arc::new(testing::pod(json!({"restartPolicy": "Never", "containers": [container]})))
}

fn running(id: &str, started: bool, at: jiff::Timestamp) -> ContainerStatus {
    let running = ContainerStateRunning { started_at: Some(Time(at)) };
    ContainerStatus {
        name: "c".to_owned(),
        container_id: Some(format!("test://{id}")),
        started: Some(started),
        state: Some(ContainerState { running: Some(running), ..ContainerState::default() }),
        ..ContainerStatus::default()
    }
}

fn of(container: ContainerStatus) -> PodStatus {
    PodStatus {
        phase: Some("Running".to_owned()),
        pod_ip: Some("10.0.0.1".to_owned()),
        container_statuses: Some(vec![container]),
        ..PodStatus::default()
    }
}

impl Bench {
    /// The prober is a minute old: its workers do not wait before they begin.
    async fn new() -> Self {
        let bench = testing::Bench::new().await;
        let tasks = Tasks::root("test");
        let statuses = Arc::new(Statuses::default());
        let manager = &bench.manager;
        let (prober, updates) = Prober::new(
            &bench.world.world,
            manager.cri().clone(),
            manager.recorder().clone(),
            statuses.clone(),
            &tasks,
        );
        sleep(Duration::from_secs(60)).await;
        Self { bench, prober, updates, statuses, tasks, start: Instant::now() }
    }

    fn status(&self, container: ContainerStatus) {
        self.statuses.0.lock().unwrap().insert("u".to_owned(), Arc::new(of(container)));
    }

    fn now(&self) -> jiff::Timestamp {
        self.bench.world.world.clock.now()
    }

    /// Updates up to second `at` of the test: `<second> <kind> <container> <result>`.
    async fn told(&mut self, at: u64) -> Vec<String> {
        let mut all = Vec::new();
        let end = sleep_until(self.start + Duration::from_secs(at) + Duration::from_millis(1));
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                Some(update) = self.updates.recv() => all.push(format!(
                    "{} {} {} {:?}",
                    self.start.elapsed().as_secs(), update.kind.word(), update.container.id, update.result
                )),
                () = &mut end => return all,
            }
        }
    }
}

const NOTHING: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn readiness_follows_the_server() {
    let mut bench = Bench::new().await;
    let net = &bench.bench.world.world.net;
    let server = Server::start(net, "10.0.0.1:8080", reply("503 Service Unavailable", "", ""), &bench.tasks).await;
    let pod = pod(json!({
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"port": "web", "path": "ready"}, "periodSeconds": 5, "failureThreshold": 2}
    }));
    bench.prober.add_pod(&pod);
    bench.prober.add_pod(&pod);
    assert_eq!(bench.told(1).await, NOTHING, "no container yet");
    bench.status(running("1", true, bench.now()));
    assert_eq!(bench.told(5).await, ["5 Readiness 1 Failure"]);
    assert_eq!(
        bench.bench.events(),
        ["Warning Unhealthy spec.containers{c}: Readiness probe failed: HTTP probe failed with statuscode: 503"]
    );
    assert_eq!(
        *server.seen.lock().unwrap(),
        [
            "GET /ready HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ]
    );
    server.set(reply("200 OK", "", ""));
    assert_eq!(bench.told(12).await, ["10 Readiness 1 Success"]);
    assert_eq!(bench.prober.readiness(&id("1")), Some(ProbeResult::Success));
    server.set(reply("500 Internal Server Error", "", ""));
    assert_eq!(bench.told(20).await, ["20 Readiness 1 Failure"], "the second failure counts");
    assert_eq!(bench.bench.events().len(), 2, "every failure is told");
    server.set(reply("204 No Content", "", ""));
    sleep_until(bench.start + Duration::from_secs(22)).await;
    let mut status = of(running("1", true, bench.now()));
    bench.prober.update_pod_status(&pod, &mut status);
    assert!(!status.container_statuses.as_ref().unwrap()[0].ready);
    assert_eq!(
        bench.told(23).await,
        ["22 Readiness 1 Success"],
        "a look at a container that is not ready probes it at once"
    );
    let seen = server.seen.lock().unwrap().len();
    assert_eq!(bench.told(26).await, NOTHING);
    assert_eq!(server.seen.lock().unwrap().len(), seen, "and the period begins anew");
    bench.prober.update_pod_status(&pod, &mut status);
    assert!(status.container_statuses.unwrap()[0].ready);
    bench.prober.remove_pod("u");
    bench.told(27).await;
    assert_eq!(bench.prober.readiness(&id("1")), None);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn liveness_rests_after_a_failure_until_there_is_another_container() {
    let mut bench = Bench::new().await;
    let pod = pod(
        json!({"livenessProbe": {"tcpSocket": {"port": 81}, "periodSeconds": 10, "failureThreshold": 3, "initialDelaySeconds": 7}}),
    );
    bench.status(running("1", true, bench.now()));
    bench.prober.add_pod(&pod);
    assert_eq!(bench.told(60).await, ["0 Liveness 1 Success", "30 Liveness 1 Failure"]);
    assert_eq!(bench.prober.liveness(&id("1")), Some(ProbeResult::Failure));
    assert_eq!(
        bench.bench.events(),
        ["Warning Unhealthy spec.containers{c}: Liveness probe failed: dial tcp 10.0.0.1:81: connect: connection refused";
            3]
    );
    bench.status(running("2", true, bench.now()));
    assert_eq!(bench.told(75).await, ["70 Liveness 2 Success"]);
    assert_eq!(bench.prober.liveness(&id("1")), None);
    bench.prober.stop_liveness_and_startup(&pod);
    assert_eq!(bench.told(200).await, NOTHING);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn startup_holds_the_others_back() {
    let mut bench = Bench::new().await;
    bench.bench.runtime().execs.insert("a-up".to_owned(), (1, 0));
    let pod = pod(json!({
        "env": [{"name": "WHO", "value": "a"}],
        "startupProbe": {"exec": {"command": ["check", "$(WHO)-up"]}, "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": ["live"]}, "periodSeconds": 2}
    }));
    bench.prober.add_pod(&pod);
    assert_eq!(bench.told(1).await, NOTHING);
    bench.status(running("1", false, bench.now()));
    assert_eq!(bench.told(2).await, ["2 Startup 1 Unknown", "2 Liveness 1 Success"]);
    assert_eq!(bench.bench.calls(), ["62 ExecSync 1 check a-up"]);
    assert_eq!(bench.bench.events(), ["Warning Unhealthy spec.containers{c}: Startup probe failed: outerr"]);
    let mut status = of(running("1", false, bench.now()));
    bench.prober.update_pod_status(&pod, &mut status);
    assert_eq!(status.container_statuses.as_ref().unwrap()[0].started, Some(false));
    bench.bench.runtime().execs.clear();
    assert_eq!(bench.told(4).await, ["4 Startup 1 Success"]);
    bench.prober.update_pod_status(&pod, &mut status);
    let container = status.container_statuses.unwrap().remove(0);
    assert!(container.started == Some(true) && container.ready);
    bench.bench.calls();
    bench.status(container);
    bench.told(8).await;
    assert_eq!(bench.bench.calls(), ["66 ExecSync 1 live", "68 ExecSync 1 live"], "startup has ended, liveness begins");
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_cannot_be_carried_out_says_nothing() {
    let mut bench = Bench::new().await;
    bench.bench.runtime().fail.insert("ExecSync".to_owned(), tonic::Status::unknown("no such process"));
    bench.status(running("1", true, bench.now()));
    bench.prober.add_pod(&pod(json!({"readinessProbe": {"exec": {"command": ["x"]}, "failureThreshold": 1}})));
    assert_eq!(bench.told(5).await, ["0 Readiness 1 Failure"], "the result before the first verdict");
    assert_eq!(bench.bench.calls().len(), 3, "tried three times at once");
    assert_eq!(
        bench.bench.events(),
        [
            "Warning Unhealthy spec.containers{c}: Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = no such process"
        ]
    );
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_with_its_container() {
    let mut bench = Bench::new().await;
    bench.status(running("1", true, bench.now()));
    bench.prober.add_pod(&pod(json!({"readinessProbe": {"exec": {"command": ["x"]}}})));
    assert_eq!(bench.told(1).await, ["0 Readiness 1 Failure", "0 Readiness 1 Success"]);
    let mut ended = running("1", true, bench.now());
    ended.state =
        Some(ContainerState { terminated: Some(ContainerStateTerminated::default()), ..ContainerState::default() });
    bench.status(ended);
    assert_eq!(bench.told(11).await, ["10 Readiness 1 Failure"]);
    assert!(bench.prober.handle("u", "c", ProbeKind::Readiness).is_none(), "it does not come back under Never");
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_from_before_the_kubelet_has_no_result_of_its_own() {
    let mut bench = Bench::new().await;
    let earlier = bench.now() - jiff::SignedDuration::from_secs(90);
    bench.status(running("1", true, earlier));
    let probes = json!({
        "livenessProbe": {"tcpSocket": {"port": 81}, "failureThreshold": 2},
        "readinessProbe": {"tcpSocket": {"port": 81}}
    });
    bench.prober.add_pod(&pod(probes));
    assert_eq!(bench.told(5).await, NOTHING);
    assert_eq!(bench.prober.liveness(&id("1")), None, "which is not a failure");
    assert_eq!(bench.told(10).await, ["10 Liveness 1 Failure"]);
    bench.tasks.shutdown().await;
}

#[rstest]
#[case::plain(json!({}), "app", true, (true, true))]
#[case::with_readiness(json!({"readinessProbe": {"tcpSocket": {"port": 1}}}), "app", true, (true, false))]
#[case::with_startup(json!({"startupProbe": {"tcpSocket": {"port": 1}}}), "app", true, (false, false))]
#[case::not_running(json!({}), "app", false, (false, false))]
#[case::sidecar(json!({"restartPolicy": "Always"}), "init", true, (true, true))]
#[case::plain_init(json!({}), "init", true, (true, false))]
#[tokio::test(start_paused = true)]
async fn statuses(#[case] container: Value, #[case] place: &str, #[case] runs: bool, #[case] expected: (bool, bool)) {
    let bench = Bench::new().await;
    let mut container = container;
    container["name"] = json!("c");
    let other = json!({"name": "other"});
    let spec = if place == "init" {
        json!({"initContainers": [container], "containers": [other]})
    } else {
        json!({"containers": [container]})
    };
    let pod = Arc::new(testing::pod(spec));
    bench.prober.add_pod(&pod);
    let mut status = running("1", false, bench.now());
    if !runs {
        status.state = None;
    }
    let mut status = of(status);
    if place == "init" {
        status.init_container_statuses = status.container_statuses.take();
    }
    bench.prober.update_pod_status(&pod, &mut status);
    let all = status.container_statuses.into_iter().chain(status.init_container_statuses).flatten();
    let found: Vec<_> = all.map(|c| (c.started.unwrap(), c.ready)).collect();
    assert_eq!(found, [expected]);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn workers_of_a_young_kubelet_are_spread_and_stray_ones_stopped() {
    let mut bench = Bench::new().await;
    let manager = &bench.bench.manager;
    let (young, mut updates) = Prober::new(
        &bench.bench.world.world,
        manager.cri().clone(),
        manager.recorder().clone(),
        bench.statuses.clone(),
        &bench.tasks,
    );
    bench.status(running("1", true, bench.now()));
    let pod = pod(json!({"readinessProbe": {"exec": {"command": ["x"]}, "periodSeconds": 100}}));
    let start = Instant::now();
    young.add_pod(&pod);
    updates.recv().await.unwrap();
    let waited = start.elapsed();
    assert!(waited > Duration::ZERO && waited < Duration::from_secs(100), "{waited:?}");
    young.retain(&BTreeSet::from(["another".to_owned()]));
    bench.told(101).await;
    assert_eq!(young.readiness(&id("1")), None);
    bench.prober.add_pod(&pod);
    bench.prober.retain(&BTreeSet::from(["u".to_owned()]));
    assert!(bench.prober.handle("u", "c", ProbeKind::Readiness).is_some());
    bench.tasks.shutdown().await;
}

/// A server that hangs costs its probe the whole timeout.
#[tokio::test(start_paused = true)]
async fn timeouts_are_failures() {
    let mut bench = Bench::new().await;
    let net = &bench.bench.world.world.net;
    let _server = Server::start(net, "10.0.0.1:80", Script::Hang, &bench.tasks).await;
    bench.bench.runtime().execs.insert("slow".to_owned(), (0, 500));
    bench.status(running("1", true, bench.now()));
    bench.prober.add_pod(&pod(json!({
        "livenessProbe": {"httpGet": {"port": 80, "path": "/"}, "timeoutSeconds": 3, "periodSeconds": 60, "failureThreshold": 1},
        "readinessProbe": {"exec": {"command": ["very", "slow"]}, "timeoutSeconds": 2, "periodSeconds": 60, "failureThreshold": 1}
    })));
    assert_eq!(bench.told(10).await, ["0 Readiness 1 Failure", "0 Liveness 1 Success", "3 Liveness 1 Failure"]);
    bench.told(130).await;
    assert_eq!(
        bench.bench.events(),
        [
            "Warning Unhealthy spec.containers{c}: Liveness probe failed: Get \"http://10.0.0.1:80/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            "Warning Unhealthy spec.containers{c}: Readiness probe failed: command timed out: \"very slow\" timed out after 2s",
        ]
    );
    bench.tasks.shutdown().await;
}
