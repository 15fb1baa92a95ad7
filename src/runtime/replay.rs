//! Holds the configurations that are made of a manifest against those that the upstream kubelet sent, field by field. Tests only.
//!
//! `tests/fixtures/recordings/CASE` has the manifest and the calls. What comes from the machine (addresses, memory, the resolver) is
//! taken from the recording; the name of the termination log and the order of environment variables do not count.

use std::{collections::BTreeMap, path::PathBuf};

use cri_proto::v1;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::Value;
use world::{Files, machine::CgroupVersion, machine::Facts, sim::SimWorld};

use crate::{
    api::{
        decode,
        identity::{self, Source},
        pod as api_pod,
    },
    runtime::{
        CgroupDriver, RuntimeSettings,
        container_config::{ContainerInput, ResolvedImage, container_config, env, mounts},
        naming, sandbox_config,
    },
};

struct Recording {
    /// By version of the manifest.
    pods: Vec<Pod>,
    /// UID of the first version.
    first_uid: String,
    settings: RuntimeSettings,
    calls: Vec<Value>,
}

impl Recording {
    fn read(case: &str) -> Self {
        let files = Files::real("/");
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(case);
        let vm = case.starts_with("vm-");
        let node = if vm { "crio-vm" } else { "node1" };
        let versions = ["manifest.yaml", "manifest-2.yaml"].into_iter().map(|name| dir.join(name));
        let pods = versions.filter(|path| files.exists(path)).map(|path| {
            let mut pod = decode::manifest(&files.read(&path, 1 << 20).unwrap()).unwrap();
            identity::apply_static_defaults(&mut pod, Source::File("/etc/kubernetes/manifests/pod.yaml"), node);
            pod
        });
        let pods = pods.collect();
        let calls = files.read_to_string(&dir.join("calls.jsonl"), 4 << 20).unwrap();
        let calls: Vec<Value> = calls.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = calls.iter().find(|c| c["rpc"] == "RunPodSandbox").unwrap();
        let first_uid = first["request"]["config"]["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut facts = Facts::simulated();
        facts.cpus = 2;
        let address = if vm { [10, 0, 2, 15] } else { [192, 0, 2, 2] };
        facts.addresses = vec![std::net::IpAddr::from(address)];
        facts.memory_bytes = if vm { 3_165_405_184 } else { 24_206 << 20 };
        facts.cgroups = if vm { CgroupVersion::V2 } else { CgroupVersion::V1 };
        let mut settings = RuntimeSettings::new(node, facts);
        settings.swap_controller = true;
        settings.cgroup_driver = if vm { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs };
        Self { pods, first_uid, settings, calls }
    }

    /// The pod as the recorded kubelet knew it: its UID is a hash that only upstream can make.
    fn pod_of(&self, config: &Value) -> Pod {
        let version = if config["metadata"]["uid"] == *self.first_uid { self.pods.first() } else { self.pods.last() };
        let mut pod = version.unwrap().clone();
        pod.metadata.uid = config["metadata"]["uid"].as_str().map(str::to_owned);
        let annotations = pod.metadata.annotations.get_or_insert_default();
        for key in ["kubernetes.io/config.hash", "kubernetes.io/config.seen", "kubernetes.io/config.source"] {
            let value = config["annotations"][key].as_str().unwrap();
            annotations.insert(key.to_owned(), value.to_owned());
        }
        pod
    }

    fn sandbox_config(&self, recorded: &Value) -> v1::PodSandboxConfig {
        let pod = self.pod_of(recorded);
        let attempt = recorded["metadata"]["attempt"].as_u64().unwrap_or(0);
        let node = || sandbox_config::dns::parse("nameserver 192.0.2.53\n");
        let dns = sandbox_config::dns::pod_dns(&pod, &self.settings, node).unwrap();
        sandbox_config::sandbox_config(&pod, u32::try_from(attempt).unwrap(), dns.config, &self.settings).unwrap()
    }

    fn pod_ips(&self, sandbox: &Value) -> Vec<String> {
        let status = self
            .calls
            .iter()
            .find(|c| c["rpc"] == "PodSandboxStatus" && c["request"]["pod_sandbox_id"] == *sandbox)
            .unwrap();
        status["response"]["status"]["network"]["ip"].as_str().map(str::to_owned).into_iter().collect()
    }

    fn container_config(&self, world: &SimWorld, request: &Value) -> v1::ContainerConfig {
        let recorded = &request["config"];
        let pod = self.pod_of(&request["sandbox_config"]);
        let name = recorded["metadata"]["name"].as_str().unwrap();
        let container = naming::container(api_pod::spec(&pod), name).unwrap();
        let pod_ips = self.pod_ips(&request["pod_sandbox_id"]);
        let image = ResolvedImage {
            reference: recorded["image"]["image"].as_str().unwrap().to_owned(),
            ..ResolvedImage::default()
        };
        let files = &world.world.files;
        let uid = naming::uid(&pod);
        files.create_dir_all(&self.settings.pod_dir(uid), 0o750).unwrap();
        for volume in api_pod::spec(&pod).volumes.iter().flatten() {
            crate::volumes::setup::set_up(&world.world, &self.settings, &pod, volume).unwrap();
        }
        let input = ContainerInput {
            pod: &pod,
            container,
            restart_count: i32::try_from(recorded["metadata"]["attempt"].as_i64().unwrap_or(0)).unwrap(),
            image: &image,
            pod_ips: &pod_ips,
            settings: &self.settings,
        };
        let envs = env::environment(&input, &|_, _| Ok(env::EnvFile::default()), &|_, _| None).unwrap();
        let images = BTreeMap::new();
        let mount_input = mounts::MountInput { container: input, envs: &envs, images: &images, termination_log: "0" };
        let mounts = mounts::mounts(&world.world, &mount_input).unwrap();
        container_config(&input, envs, mounts).unwrap()
    }
}

/// Takes out what need not be equal.
fn comparable(mut config: Value) -> Value {
    if let Some(envs) = config.get_mut("envs").and_then(Value::as_array_mut) {
        envs.sort_by_key(|e| e["key"].to_string());
    }
    for mount in config.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten() {
        let host = mount["host_path"].as_str().unwrap_or_default().to_owned();
        if host.contains("/containers/") {
            let dir = host.rsplit_once('/').map_or("", |(dir, _)| dir);
            mount["host_path"] = format!("{dir}/LOG").into();
        }
    }
    config
}

fn differences(path: &str, recorded: &Value, ours: &Value, out: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = format!("{path}.{key}");
                differences(&at, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: upstream {a}, ours {b}")),
    }
}

#[rstest]
#[case("tutorial")]
#[case("crashloop")]
#[case("never-complete")]
#[case("hooks")]
#[case("update")]
#[case("init")]
#[case("init-fail")]
#[case("sidecar")]
#[case("env")]
#[case("volumes")]
#[case("security")]
#[case("guaranteed")]
#[case("images")]
#[case("restart")]
#[case("probes")]
#[case("vm-tutorial")]
#[case("vm-guaranteed")]
#[case("vm-security")]
#[case("vm-env")]
#[case("vm-volumes")]
#[tokio::test(start_paused = true)]
async fn requests_equal_upstreams(#[case] case: &str) {
    let recording = Recording::read(case);
    let world = SimWorld::new(1, &world::Tasks::root("test"));
    let mut out = Vec::new();
    let mut compared = 0;
    for call in &recording.calls {
        let request = &call["request"];
        let at = format!("{case} #{} {}", call["seq"], call["rpc"].as_str().unwrap());
        match call["rpc"].as_str() {
            Some("RunPodSandbox") => {
                let ours = cri_proto::to_json(&recording.sandbox_config(&request["config"]));
                differences(&at, &request["config"], &ours, &mut out);
            }
            Some("CreateContainer") => {
                let ours = cri_proto::to_json(&recording.container_config(&world, request));
                differences(&at, &comparable(request["config"].clone()), &comparable(ours), &mut out);
                let ours = cri_proto::to_json(&recording.sandbox_config(&request["sandbox_config"]));
                differences(&format!("{at} sandbox"), &request["sandbox_config"], &ours, &mut out);
            }
            _ => continue,
        }
        compared += 1;
    }
    assert!(compared >= 2, "nothing to compare");
    assert!(out.is_empty(), "\n{}", out.join("\n"));
}
