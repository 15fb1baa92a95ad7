//! Holds the order of calls against recordings of the upstream kubelet: the same manifests on the fake runtime, in virtual time. Tests only.
//!
//! A loop stands in for the pod's worker: look once a second, sync, kill when the manifest went in the recording. Names, attempts, grace
//! periods and hooks count; times, ids and removals (which upstream spreads over its collectors) do not.

use std::{path::PathBuf, sync::Arc, time::Duration};

use fake_cri::{Config, FakeCri};
use rstest::rstest;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use world::{
    Files, Tasks,
    sim::{self, Limits, SimWorld},
};

use crate::{
    api::{
        decode,
        identity::{self, Source},
        pod as api_pod,
    },
    cri::{CriClient, Endpoints},
    observer::Unobserved,
    runtime::{
        ProbeResult, ProbeResults, Recorder, RuntimeManager, RuntimeSettings, SyncContext, naming,
        observed::{ContainerId, ObservedPod},
    },
    volumes::VolumeManager,
};

/// Every startup probe has passed, no liveness probe has failed.
struct Healthy;

impl ProbeResults for Healthy {
    fn liveness(&self, _: &ContainerId) -> Option<ProbeResult> {
        Some(ProbeResult::Success)
    }

    fn startup(&self, _: &ContainerId) -> Option<ProbeResult> {
        Some(ProbeResult::Success)
    }
}

/// One call in a word or two; `None` for those that do not count.
fn word(rpc: &str, request: &Value, names: &mut Vec<(String, String)>, response: &Value) -> Option<String> {
    let name = |names: &[(String, String)]| {
        let id = request["container_id"].as_str().unwrap_or_default();
        names.iter().find(|(i, _)| i == id).map_or_else(|| "?".to_owned(), |(_, n)| n.clone())
    };
    let metadata = &request["config"]["metadata"];
    let attempt = metadata["attempt"].as_u64().unwrap_or(0);
    match rpc {
        "RunPodSandbox" => Some(format!("sandbox #{attempt}")),
        "CreateContainer" => {
            let made = format!("{}#{attempt}", metadata["name"].as_str().unwrap_or_default());
            names.push((response["container_id"].as_str().unwrap_or_default().to_owned(), made.clone()));
            Some(format!("create {made}"))
        }
        "StartContainer" => Some(format!("start {}", name(names))),
        "StopContainer" => Some(format!("stop {} {}", name(names), request["timeout"].as_str().unwrap_or("0"))),
        // Those with a time limit are probes.
        "ExecSync" if request.get("timeout").is_none() => Some(format!("exec {} {}", name(names), request["cmd"])),
        "StopPodSandbox" => Some("stop sandbox".to_owned()),
        _ => None,
    }
}

/// Upstream's order; a call is recorded when it ends, so by start.
fn recorded(case: &str) -> (Vec<u8>, Vec<String>) {
    let files = Files::real("/");
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(case);
    let text = files.read_to_string(&dir.join("calls.jsonl"), 4 << 20).unwrap();
    let mut calls: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    calls.sort_by(|a, b| a["t"].as_f64().unwrap().total_cmp(&b["t"].as_f64().unwrap()));
    let mut names = Vec::new();
    let words = calls
        .iter()
        .filter_map(|c| word(c["rpc"].as_str().unwrap(), &c["request"], &mut names, &c["response"]))
        .collect();
    (files.read(&dir.join("manifest.yaml"), 1 << 20).unwrap(), once(words))
}

/// Sandboxes are stopped again by the collector: only the first of a run counts. Containers that are stopped side by side come in any
/// order.
fn once(mut words: Vec<String>) -> Vec<String> {
    words.dedup_by(|a, b| a == b && *a == "stop sandbox");
    for stops in words.chunk_by_mut(|a, b| a.starts_with("stop ") && b.starts_with("stop ") && a.ends_with(grace(b))) {
        stops.sort();
    }
    words
}

/// The last word: the grace period of a stop.
fn grace(word: &str) -> &str {
    word.rsplit(' ').next().unwrap_or_default()
}

async fn played(sim: SimWorld, tasks: Tasks, manifest: Vec<u8>, removed_after: u64) -> Vec<String> {
    let world = sim.world.clone();
    world.files.create_dir_all("/etc".as_ref(), 0o755).unwrap();
    world.files.write("/etc/resolv.conf".as_ref(), b"nameserver 192.0.2.53\n", 0o644).unwrap();
    let config = Config::default();
    let address = config.listen.clone();
    let fake = FakeCri::start(&world, config, &tasks).await.unwrap();
    let endpoints = Endpoints { runtime: address.clone(), image: address, timeout: Duration::from_secs(120) };
    let cri = CriClient::new(&world.net, &endpoints, &tasks);
    cri.handshake().await.unwrap();
    let settings = RuntimeSettings::new("node1", world.machine.facts().unwrap());
    let recorder = Recorder::new(world.clock.clone(), Arc::new(Unobserved));
    let volumes = VolumeManager::new(world.clone(), settings.clone(), recorder);
    let manager = RuntimeManager::new(world.clone(), tasks.clone(), cri, settings, Arc::new(Unobserved));
    let mut pod = decode::manifest(&manifest).unwrap();
    identity::apply_static_defaults(&mut pod, Source::File("/m/pod.yaml"), "node1");
    let pod = Arc::new(pod);
    let uid = naming::uid(&pod);
    volumes.make_pod_dirs(uid).unwrap();
    volumes.set_up(&pod).await.unwrap();
    let observe = async || match manager.list(Some(uid)).await.unwrap().first() {
        Some(listed) => manager.observe(listed).await.unwrap(),
        None => ObservedPod::default(),
    };
    let terminating = CancellationToken::new();
    let started = tokio::time::Instant::now();
    let mut stopped = false;
    let removed = started + Duration::from_millis(removed_after);
    while tokio::time::Instant::now() < removed {
        let observed = observe().await;
        stopped = !observed.sandboxes.is_empty() && observed.sandboxes.iter().all(|s| !s.ready);
        if !stopped {
            let context = SyncContext { probes: &Healthy, terminating: &terminating, sandbox_ready: &|| {} };
            manager.sync_pod(&pod, &observed, context).await;
        }
        tokio::time::sleep_until(removed.min(tokio::time::Instant::now() + Duration::from_secs(1))).await;
    }
    if !stopped {
        let grace = api_pod::spec(&pod).termination_grace_period_seconds;
        manager.kill_pod(&pod, &observe().await, grace).await.unwrap();
    }
    let mut names = Vec::new();
    let mut entries = fake.journal().entries();
    entries.sort_by(|a, b| a.t.total_cmp(&b.t));
    let empty = Value::Null;
    let words =
        entries.iter().filter_map(|e| word(&e.rpc, &e.request, &mut names, e.response.as_deref().unwrap_or(&empty)));
    let words = once(words.collect());
    assert_eq!(fake.ledger().violations(), [""; 0]);
    words
}

#[rstest]
#[case("tutorial", 8_160)]
#[case("hooks", 8_250)]
#[case("sidecar", 10_240)]
#[case("init", 10_190)]
#[case("crashloop", 45_590)]
#[case("never-complete", 12_220)]
#[case("guaranteed", 6_170)]
#[case("init-fail", 8_160)]
fn calls_come_in_upstreams_order(#[case] case: &'static str, #[case] removed_after: u64) {
    let (manifest, upstream) = recorded(case);
    let ours = sim::run(1, Limits::default(), move |sim, tasks| played(sim, tasks, manifest, removed_after)).unwrap();
    assert_eq!(ours.join("\n"), upstream.join("\n"));
}
