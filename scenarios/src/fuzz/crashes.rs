//! The kubelet dies between any two calls that change something: once after the effect of each, before it hears of it. The next one makes
//! of the pod what its manifest says, or takes down what is left of it. Tests only.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fake_cri::{Config, FakeCri};
use kubelet::observer::Unobserved;
use serde_json::json;
use tokio::time::sleep;
use world::{
    Tasks,
    net::Address,
    sim::{self, Limits, SimWorld},
};

use crate::setup;

/// Calls that change something.
const CHANGES: [&str; 8] = [
    "RunPodSandbox",
    "CreateContainer",
    "StartContainer",
    "StopContainer",
    "RemoveContainer",
    "StopPodSandbox",
    "RemovePodSandbox",
    "PullImage",
];

fn manifest() -> String {
    let container = |name: &str| json!({"name": name, "image": "busybox", "command": ["sleep", "100000"]});
    let mut side = container("side");
    side["restartPolicy"] = "Always".into();
    let mut hooked = container("hooked");
    hooked["lifecycle"] =
        json!({"postStart": {"exec": {"command": ["true"]}}, "preStop": {"exec": {"command": ["true"]}}});
    let setup = json!({"name": "setup", "image": "busybox", "command": ["true"]});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"terminationGracePeriodSeconds": 2, "initContainers": [setup, side], "containers": [container("plain"), hooked]},
    })
    .to_string()
}

struct Running {
    tasks: Tasks,
    command: tokio::task::JoinHandle<Option<()>>,
}

fn start(sim: &SimWorld, tasks: &Tasks) -> Running {
    let own = tasks.child("kubelet");
    let (world, running) = (sim.world.clone(), own.clone());
    let args = vec![format!("--config={}", setup::CONFIG_PATH)];
    let command = tasks.spawn("kubelet", async move {
        let ended = kubelet::command::run(world, args, Arc::new(Unobserved), running.clone()).await;
        assert!(running.is_cancelled() || ended.is_ok(), "{ended:?}");
    });
    Running { tasks: own, command }
}

/// Plays the life of a pod with a kubelet that dies at the call of that number; whether there was one.
async fn life(sim: SimWorld, tasks: Tasks, deadly: u64) -> bool {
    let put = |path: &str, text: &str| {
        let path = Path::new(path);
        sim.world.files.create_dir_all(path.parent().unwrap(), 0o755).unwrap();
        sim.world.files.write(path, text.as_bytes(), 0o644).unwrap();
    };
    put(setup::CONFIG_PATH, &setup::config_text(&setup::tutorial_config()));
    put("/etc/resolv.conf", "nameserver 192.0.2.53\n");
    let manifest_path = setup::path("p.yaml");
    put(&manifest_path, &manifest());
    let config = Config { listen: Address::unix(setup::SOCKET), ..Config::default() };
    let fake = FakeCri::start(&sim.world, config, &tasks).await.unwrap();
    let mut kubelet = start(&sim, &tasks);
    let (count, doomed) = (Arc::new(AtomicU64::new(0)), kubelet.tasks.clone());
    let counted = count.clone();
    fake.journal().listen(Arc::new(move |entry| {
        if CHANGES.contains(&entry.rpc.as_str()) && counted.fetch_add(1, Ordering::SeqCst) + 1 == deadly {
            doomed.cancel();
        }
    }));
    let mut removed = false;
    for round in 0..2 {
        sleep(Duration::from_secs(40)).await;
        if count.load(Ordering::SeqCst) >= deadly && kubelet.tasks.is_cancelled() {
            kubelet.tasks.shutdown().await;
            kubelet.command.await.unwrap();
            kubelet = start(&sim, &tasks);
            sleep(Duration::from_secs(120)).await;
        }
        if round == 0 {
            check_running(&fake, deadly);
            sim.world.files.remove_file(Path::new(&manifest_path)).unwrap();
            removed = true;
        }
    }
    assert!(removed);
    sleep(Duration::from_secs(130)).await;
    assert_eq!(fake.ledger().leaks(), Vec::<String>::new(), "after death at call {deadly}");
    assert_eq!(fake.ledger().violations(), Vec::<String>::new(), "after death at call {deadly}");
    let pods = sim.world.files.read_dir(Path::new("/var/lib/kubelet/pods")).unwrap_or_default();
    assert!(pods.is_empty(), "after death at call {deadly}: {pods:?}");
    kubelet.tasks.shutdown().await;
    count.load(Ordering::SeqCst) >= deadly
}

/// Each container runs once, and none was started again that had been running.
fn check_running(fake: &FakeCri, deadly: u64) {
    let mut starts: BTreeMap<String, u32> = BTreeMap::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for entry in fake.journal().entries() {
        match (entry.rpc.as_str(), &entry.response) {
            ("CreateContainer", Some(response)) => {
                names.insert(text(&response["container_id"]), text(&entry.request["config"]["metadata"]["name"]));
            }
            ("StartContainer", Some(_)) => {
                *starts.entry(names[&text(&entry.request["container_id"])].clone()).or_default() += 1;
            }
            _ => {}
        }
    }
    let want = ["hooked", "plain", "setup", "side"].map(|name| (name.to_owned(), 1));
    assert_eq!(starts, BTreeMap::from(want), "after death at call {deadly}");
    let open = fake.ledger().leaks();
    let processes = open.iter().filter(|what| what.starts_with("process")).count();
    assert_eq!(processes, 3, "after death at call {deadly}: {open:?}");
}

#[test]
fn a_kubelet_that_dies_between_any_two_calls_is_made_good_by_the_next() {
    for deadly in 1.. {
        let reached = sim::run(deadly, Limits::default(), move |sim, tasks| life(sim, tasks, deadly)).unwrap();
        if !reached {
            assert!(deadly > 20, "a whole life has more calls than {deadly}");
            break;
        }
    }
}
