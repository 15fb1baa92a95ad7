//! Plays a recorded case again: the same manifests at the same moments, on the fake runtime with the habits of the recorded one. What
//! came of it is compared elsewhere.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fake_cri::{
    Config, FakeCri, Personality,
    behaviours::{Behaviour, HttpRule, Run as Script},
    duration::Span,
    faults::Fault,
};
use k8s_openapi::api::core::v1::Pod;
use kubelet::{api::podlist, observer::Observer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep_until},
};
use world::{
    Tasks,
    files::FileKind,
    machine::CgroupVersion,
    net::Address,
    sim::{self, SimWorld},
};

use super::{
    cases::{Case, Node, Step},
    fixture, folder,
    run::{Call, Run},
};

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

const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// The kubelet runs this long before the manifest appears.
const BEFORE: Duration = Duration::from_secs(2);

/// Everything that `/pods` showed of a pod.
#[derive(Default)]
struct Shown(Mutex<Vec<Value>>);

impl Observer for Shown {
    fn pod_status(&self, pod: &Arc<Pod>) {
        let body = podlist::render(std::slice::from_ref(pod));
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(body["items"][0].clone());
    }
}

/// What our kubelet asks and shows.
pub fn replayed(case: &Case) -> Run {
    let case = case.clone();
    sim::run(1, sim::Limits::default(), move |sim, tasks| async move { play(&case, &sim, &tasks).await })
        .expect("the case ends")
}

/// The recorded machines.
fn machine(sim: &SimWorld, node: Node) {
    sim.machine.update(|facts| {
        facts.cpus = 2;
        facts.hostname = node.name().to_owned();
        (facts.cgroups, facts.memory_bytes) = match node {
            Node::Containerd16 => (CgroupVersion::V1, 24_206 << 20),
            Node::CrioVm => (CgroupVersion::V2, 3_165_405_184),
        };
    });
    let put = |path: &str, text: &str| put(sim, path, text);
    match node {
        // The swap controllers that they had.
        Node::Containerd16 => {
            put("/proc/self/cgroup", "4:memory:/\n");
            put("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "9223372036854771712\n");
        }
        Node::CrioVm => {
            put("/proc/self/cgroup", "0::/system.slice/kubelet.service\n");
            put("/sys/fs/cgroup/system.slice/kubelet.service/memory.swap.max", "max\n");
        }
    }
    put("/etc/resolv.conf", "nameserver 192.0.2.53\n");
}

fn put(sim: &SimWorld, path: &str, text: &str) {
    let (files, path) = (&sim.world.files, Path::new(path));
    files.create_dir_all(path.parent().expect("a folder"), 0o755).expect("room");
    files.write(path, text.as_bytes(), 0o644).expect("room");
}

/// The runtime as it was recorded.
fn runtime(case: &Case) -> Config {
    let mut config = Config::of(match case.node {
        Node::Containerd16 => Personality::Containerd16,
        Node::CrioVm => Personality::Crio,
    });
    config.listen = Address::unix("/run/containerd/containerd.sock");
    let failing = |image: &str, text: &str| Fault {
        rpc: "PullImage".to_owned(),
        image: Some(image.to_owned()),
        script: format!("error UNKNOWN {text}"),
        ..Fault::default()
    };
    match case.name {
        "tutorial" | "probes" | "endpoints" => {
            // The recorded nginx was a stand-in that did nothing about TERM.
            let http = HttpRule {
                port: 80,
                path: "*".to_owned(),
                status: 200,
                body: String::new(),
                from: Span::default(),
                until: None,
                tls: false,
            };
            let run = Script { ignore_term: true, http: vec![http], ..Script::default() };
            config.behaviours = vec![Behaviour { image: Some("nginx*".to_owned()), run, ..Behaviour::default() }];
        }
        // Programs that took a moment, long enough to be seen running.
        "crashloop" => {
            let run = Script { exit: Some(3), after: Some(Span(Duration::from_millis(50))), ..Script::default() };
            config.behaviours = vec![Behaviour { container: Some("main".to_owned()), run, ..Behaviour::default() }];
        }
        "images" => {
            config.faults = vec![failing(
                "127.0.0.1*",
                "failed to pull and unpack image \"127.0.0.1:1/none:1\": failed to resolve reference \"127.0.0.1:1/none:1\": failed to do request: Head \"http://127.0.0.1:1/v2/none/manifests/1\": dial tcp 127.0.0.1:1: connect: connection refused",
            )]
        }
        "bad" => {
            config.faults = vec![failing(
                "*",
                "failed to pull and unpack image \"docker.io/library/busybox:latest\": failed to resolve reference \"docker.io/library/busybox:latest\": failed to do request: Head \"https://registry-1.docker.io/v2/library/busybox/manifests/latest\": dial tcp: lookup registry-1.docker.io on 192.0.2.53:53: no such host",
            )]
        }
        _ => {}
    }
    config
}

/// The kubelet under test.
struct Running {
    tasks: Tasks,
    command: tokio::task::JoinHandle<Option<()>>,
}

impl Running {
    fn start(sim: &SimWorld, tasks: &Tasks, shown: &Arc<Shown>) -> Self {
        let running = tasks.child("kubelet");
        let args = vec!["--config=/etc/kubernetes/kubelet.yaml".to_owned()];
        let (world, observer, own) = (sim.world.clone(), shown.clone(), running.clone());
        let command = tasks.spawn("kubelet", async move {
            kubelet::command::run(world, args, observer, own).await.expect("the kubelet runs");
        });
        Self { tasks: running, command }
    }

    async fn kill(self) {
        self.tasks.shutdown().await;
        self.command.await.expect("no panic");
    }
}

async fn play(case: &Case, sim: &SimWorld, tasks: &Tasks) -> Run {
    machine(sim, case.node);
    let extra = match case.name {
        "http" => fixture(case.name, "extra-config.yaml"),
        _ => String::new(),
    };
    put(sim, "/etc/kubernetes/kubelet.yaml", &format!("{CONFIG}{extra}"));
    sim.world.files.create_dir_all(Path::new(MANIFESTS), 0o755).expect("room");
    let fake = FakeCri::start(&sim.world, runtime(case), tasks).await.expect("the fake runtime starts");
    let shown = Arc::new(Shown::default());
    let mut kubelet = Running::start(sim, tasks, &shown);
    tokio::time::sleep(BEFORE).await;

    let began = Instant::now();
    let at = |seconds: f64| sleep_until(began + Duration::from_secs_f64(seconds.max(0.0)));
    let (mut server, mut tree) = (None, Vec::new());
    for (seconds, step) in &case.steps {
        if matches!(step, Step::RemoveAll) {
            at(seconds - 0.1).await;
            tree = look(sim);
            compare_last(&get_pods(sim).await, &shown);
        }
        at(*seconds).await;
        match step {
            Step::Put(file, name) => put(sim, &format!("{MANIFESTS}/{file}"), &fixture(case.name, name)),
            Step::PutAll => copy(sim, &folder(case.name).join("manifests"), Path::new(MANIFESTS)),
            Step::RemoveAll => {
                for entry in sim.world.files.read_dir(Path::new(MANIFESTS)).expect("a directory") {
                    if entry.kind == FileKind::File {
                        sim.world.files.remove_file(&Path::new(MANIFESTS).join(entry.name)).expect("it was there");
                    }
                }
            }
            Step::Restart => {
                kubelet.kill().await;
                at(seconds + 1.0).await;
                kubelet = Running::start(sim, tasks, &shown);
            }
            Step::Serve(body) => {
                if let Some(old) = server.take() {
                    serve::stop(old).await;
                }
                if let Some(name) = body {
                    server = Some(serve::start(sim, tasks, fixture(case.name, name)).await);
                }
            }
        }
    }
    at(case.removed + 62.0).await;
    kubelet.kill().await;
    assert_eq!(fake.ledger().violations(), Vec::<String>::new());
    assert_eq!(fake.ledger().leaks(), Vec::<String>::new());
    let since = |t: f64| t - BEFORE.as_secs_f64();
    let calls = fake.journal().entries();
    let calls = calls.iter().map(|e| Call {
        t: since(e.t),
        dur: e.dur,
        rpc: e.rpc.clone(),
        request: e.request.json().clone(),
        response: e.response.as_ref().map(|r| r.json().clone()).unwrap_or_default(),
    });
    let shown = std::mem::take(&mut *shown.0.lock().unwrap_or_else(PoisonError::into_inner));
    Run { calls: calls.collect(), shown, tree }
}

/// Puts a directory of the host into the simulated world.
fn copy(sim: &SimWorld, from: &Path, to: &Path) {
    let host = world::Files::real("/");
    sim.world.files.create_dir_all(to, 0o755).expect("room");
    for entry in host.read_dir(from).expect("a fixture") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        match entry.kind {
            FileKind::Directory => copy(sim, &from, &to),
            _ => {
                let bytes = host.read(&from, 1 << 20).expect("a fixture");
                sim.world.files.write(&to, &bytes, 0o644).expect("room");
            }
        }
    }
}

/// What lies below the kubelet's root and in the pods' log directories, as the recordings list it.
fn look(sim: &SimWorld) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, facts) in sim.files.walk() {
        let path = PathBuf::from("/").join(path);
        let below = ["/var/lib/kubelet", "/var/log/pods", "/var/log/containers"];
        if !below.iter().any(|root| path.starts_with(root)) {
            continue;
        }
        let kind = match facts.kind {
            FileKind::Directory => 'd',
            FileKind::File => 'f',
            FileKind::Symlink => 'l',
            FileKind::Socket => 's',
            FileKind::Fifo => 'p',
            FileKind::CharDevice => 'c',
            FileKind::BlockDevice => 'b',
        };
        let mut line = format!("{kind} {:o} {}:{} {}", facts.mode, facts.uid, facts.gid, path.display());
        if facts.kind == FileKind::Symlink {
            line.push_str(&format!(" -> {}", sim.world.files.read_link(&path).expect("a link").display()));
        }
        lines.push(line);
    }
    lines
}

/// What the endpoint answers is what was shown last of each pod.
fn compare_last(body: &Value, shown: &Shown) {
    let shown = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
    for pod in body["items"].as_array().into_iter().flatten() {
        let uid = &pod["metadata"]["uid"];
        let last = shown.iter().rev().find(|item| item["metadata"]["uid"] == *uid);
        assert_eq!(last, Some(pod), "what the endpoint shows and what was told");
    }
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

/// A web server with one page.
mod serve {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{Address, SimWorld, Tasks};

    pub async fn start(sim: &SimWorld, tasks: &Tasks, body: String) -> Tasks {
        let own = tasks.child("web");
        let mut listener = sim.world.net.listen(&Address::tcp("127.0.0.1", 18181)).await.expect("a port");
        drop(own.spawn("web", async move {
            while let Ok(mut conn) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = conn.read(&mut head).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = conn.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = conn.shutdown().await;
            }
        }));
        own
    }

    pub async fn stop(server: Tasks) {
        server.shutdown().await;
    }
}
