//! Plays a recorded case again: the same manifests at the same moments, on the fake runtime with containerd 1.6's habits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fake_cri::{
    Config, FakeCri, Personality,
    behaviours::{Behaviour, HttpRule, Run as Script},
    duration::Span,
};
use kubelet::observer::Unobserved;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep_until},
};
use world::{
    Files, Tasks,
    machine::CgroupVersion,
    net::Address,
    sim::{self, SimWorld},
};

use super::{compare::Run, normal::Names};

const CONFIG: &str = "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
enableServer: false
address: 127.0.0.1
readOnlyPort: 10255
staticPodPath: /etc/kubernetes/manifests
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failCgroupV1: false
";

/// When the manifest is replaced (only in `update`), and when it is removed, in seconds after it appeared.
fn moments(case: &str) -> (Option<f64>, f64) {
    match case {
        "tutorial" => (None, 8.16),
        "crashloop" => (None, 45.59),
        "never-complete" => (None, 12.22),
        "hooks" => (None, 8.25),
        // Upstream's second version runs from 19 s to 21.4 s; the manifest was replaced at 5.09 s.
        "update" => (Some(5.09), 21.37),
        "init" => (None, 10.19),
        "init-fail" => (None, 8.16),
        "sidecar" => (None, 10.24),
        "guaranteed" => (None, 6.17),
        "probes" => (None, 10.21),
        "env" => (None, 6.19),
        "security" => (None, 10.26),
        other => panic!("no recording of {other}"),
    }
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(case)
}

fn fixture(case: &str, name: &str) -> String {
    Files::real("/").read_to_string(&folder(case).join(name), 16 << 20).expect("a fixture")
}

/// What upstream asked and showed.
pub fn recorded(case: &str) -> Run {
    let mut names = Names::default();
    let calls: Vec<Value> =
        fixture(case, "calls.jsonl").lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let calls = calls.iter().map(|c| (text(&c["rpc"]), names.normal(&sorted(&c["request"])))).collect();
    let pods = serde_json::from_str(&fixture(case, "pods-last.json")).expect("JSON");
    Run { calls, pods: Names::default().normal(&pods) }
}

/// Environment variables have no order upstream; and their values are text, whatever the wire says.
fn sorted(request: &Value) -> Value {
    let mut request = request.clone();
    if let Some(envs) = request.pointer_mut("/config/envs").and_then(Value::as_array_mut) {
        for env in envs.iter_mut() {
            let pair: cri_proto::v1::KeyValue = cri_proto::from_json(env.clone()).expect("a variable");
            env["value"] = String::from_utf8(pair.value).expect("text").into();
        }
        envs.sort_by_key(|e| e["key"].as_str().unwrap_or_default().to_owned());
    }
    request
}

/// What our kubelet asks and shows.
pub fn replayed(case: &str) -> Run {
    let case = case.to_owned();
    sim::run(1, sim::Limits::default(), move |sim, tasks| async move { play(&case, &sim, &tasks).await })
        .expect("the case ends")
}

async fn play(case: &str, sim: &SimWorld, tasks: &Tasks) -> Run {
    let world = sim.world.clone();
    sim.machine.update(|facts| {
        facts.cgroups = CgroupVersion::V1;
        facts.cpus = 2;
        facts.memory_bytes = 24_206 << 20;
    });
    let put = |path: &str, text: &str| {
        let path = Path::new(path);
        world.files.create_dir_all(path.parent().expect("a folder"), 0o755).expect("room");
        world.files.write(path, text.as_bytes(), 0o644).expect("room");
    };
    put("/etc/resolv.conf", "nameserver 192.0.2.53\n");
    put("/etc/kubernetes/kubelet.yaml", CONFIG);
    // The swap controller that the recorded machine had.
    put("/proc/self/cgroup", "4:memory:/\n");
    put("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "9223372036854771712\n");
    world.files.create_dir_all(Path::new("/etc/kubernetes/manifests"), 0o755).expect("room");
    let mut config = Config::of(Personality::Containerd16);
    config.listen = Address::unix("/run/containerd/containerd.sock");
    if case == "tutorial" {
        // The recorded nginx was a stand-in that did nothing about TERM.
        let http = HttpRule {
            port: 80,
            path: "*".to_owned(),
            status: 200,
            body: String::new(),
            from: Span::default(),
            until: None,
        };
        let run = Script { ignore_term: true, http: vec![http], ..Script::default() };
        config.behaviours = vec![Behaviour { image: Some("nginx*".to_owned()), run, ..Behaviour::default() }];
    }
    let fake = FakeCri::start(&world, config, tasks).await.expect("the fake runtime starts");
    let running = tasks.child("kubelet");
    let args = vec!["--config=/etc/kubernetes/kubelet.yaml".to_owned()];
    let command = kubelet::command::run(world.clone(), args, Arc::new(Unobserved), running.clone());
    let command = tasks.spawn("kubelet", command);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let manifest = "/etc/kubernetes/manifests/pod.yaml";
    let began = Instant::now();
    let at = |seconds: f64| sleep_until(began + Duration::from_secs_f64(seconds));
    put(manifest, &fixture(case, "manifest.yaml"));
    let (replaced, removed) = moments(case);
    if let Some(replaced) = replaced {
        at(replaced).await;
        put(manifest, &fixture(case, "manifest-2.yaml"));
    }
    at(removed - 0.1).await;
    let pods = get_pods(sim).await;
    at(removed).await;
    world.files.remove_file(Path::new(manifest)).expect("it was there");
    at(removed + 60.0).await;
    running.cancel();
    let ended = command.await.expect("no panic");
    assert!(matches!(ended, None | Some(Ok(()))), "{ended:?}");
    assert_eq!(fake.ledger().violations(), Vec::<String>::new());
    assert_eq!(fake.ledger().leaks(), Vec::<String>::new());
    let mut names = Names::default();
    let calls = fake.journal().entries();
    let calls = calls.iter().map(|e| (e.rpc.clone(), names.normal(&sorted(&e.request)))).collect();
    Run { calls, pods: Names::default().normal(&pods) }
}

async fn get_pods(sim: &SimWorld) -> Value {
    let mut conn = sim.world.net.dial(&Address::tcp("127.0.0.1", 10255)).await.expect("the read-only port");
    conn.write_all(b"GET /pods HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("a request");
    let mut answer = Vec::new();
    conn.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let start = body.find('{').expect("an object");
    let end = body.rfind('}').expect("an object");
    serde_json::from_str(&body[start..=end]).expect("JSON")
}
