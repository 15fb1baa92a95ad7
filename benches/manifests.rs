//! What does a pod cost from the bytes of its manifest to what the runtime is asked, and how soon does a kubelet with 10,000 manifests know
//! them, and the one that is edited?
#![allow(missing_docs)]

use std::{path::Path, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kubelet::{
    api::{decode, identity::Source, pod as api_pod, static_pod},
    observer::Unobserved,
    runtime::{
        NoProbes, Recorder, RuntimeSettings,
        container_config::{ContainerInput, ResolvedImage, container_config, env},
        observed::ObservedPod,
        plan, sandbox_config,
    },
    sources::{PodChange, SourceSettings, Sources},
};
use tokio::{sync::mpsc, time::Instant};
use world::{Tasks, World, machine::Facts};

const MANIFESTS: usize = 10_000;
const PODS: [(&str, &str); 3] = [
    ("small", "spec:\n  containers: [{name: c, image: busybox}]\n"),
    (
        "usual",
        concat!(
            "spec:\n  containers:\n  - name: web\n    image: registry.example/team/web:1.29\n    args: [--listen, '$(ADDRESS)']\n",
            "    env: [{name: ADDRESS, value: '0.0.0.0:80'}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]\n",
            "    ports: [{name: http, containerPort: 80}]\n    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}\n",
            "    readinessProbe: {httpGet: {path: /ready, port: http}}\n    volumeMounts: [{name: data, mountPath: /data}]\n",
            "    securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n",
            "  volumes: [{name: data, emptyDir: {}}, {name: logs, hostPath: {path: /var/log, type: Directory}}]\n",
        ),
    ),
    ("large", ""),
];

/// Forty containers with fifty variables each.
fn large() -> String {
    let mut text = "spec:\n  containers:\n".to_owned();
    for container in 0..40 {
        text.push_str(&format!("  - name: c{container}\n    image: busybox:{container}\n    env:\n"));
        for variable in 0..50 {
            text.push_str(&format!("    - {{name: V{variable}, value: 'v$(V{})'}}\n", variable / 2));
        }
    }
    text
}

fn manifest(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\n{spec}")
}

/// From bytes to everything the runtime is asked for: sandbox and containers.
fn to_plan(bytes: &[u8], settings: &RuntimeSettings) -> usize {
    let pod = decode::manifest(bytes).expect("decodes");
    let pod = static_pod::accept(pod, Source::File("/etc/kubernetes/manifests/x.yaml"), "node1").expect("taken");
    let actions = plan::plan(&pod, &ObservedPod::default(), &NoProbes);
    assert!(actions.create_sandbox, "a new pod begins with its sandbox");
    let node = || sandbox_config::dns::parse("nameserver 192.0.2.53\n");
    let dns = sandbox_config::dns::pod_dns(&pod, settings, node).expect("resolves");
    let sandbox = sandbox_config::sandbox_config(&pod, 0, dns.config, settings).expect("a sandbox");
    let image = ResolvedImage { reference: "sha256:0".to_owned(), ..ResolvedImage::default() };
    let ips = ["10.0.0.1".to_owned()];
    let mut size = sandbox.labels.len();
    for each in api_pod::containers(&pod) {
        let container = each.container;
        let input = ContainerInput { pod: &pod, container, restart_count: 0, image: &image, pod_ips: &ips, settings };
        let envs = env::environment(&input, &|_, _| Ok(env::EnvFile::default()), &|_, _| None).expect("an environment");
        size += container_config(&input, envs, Vec::new()).expect("a container").envs.len();
    }
    size
}

fn per_pod(criterion: &mut Criterion) {
    let settings = RuntimeSettings::new("node1", Facts::simulated());
    let mut group = criterion.benchmark_group("manifest_to_plan");
    for (name, spec) in PODS {
        let spec = if spec.is_empty() { large() } else { spec.to_owned() };
        let text = manifest("web", &spec);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| to_plan(text.as_bytes(), &settings)));
    }
    group.finish();
}

/// A kubelet's sources over a directory of the host.
struct Reader {
    changes: mpsc::Receiver<PodChange>,
    tasks: Tasks,
    _sources: Arc<Sources>,
}

impl Reader {
    fn start(dir: &Path) -> Self {
        let world = World::real(1);
        let tasks = Tasks::root("bench");
        let settings = SourceSettings {
            node_name: "node1".to_owned(),
            local_objects: false,
            path: Some(dir.to_owned()),
            file_period: Duration::from_secs(3600),
            url: None,
            headers: Vec::new(),
            http_period: Duration::from_secs(3600),
        };
        let recorder = Recorder::new(world.clock.clone(), Arc::new(Unobserved));
        let (sources, changes) = Sources::start(&world, &settings, &recorder, &tasks);
        Self { changes, tasks, _sources: sources }
    }

    async fn pods(&mut self) -> usize {
        self.changes.recv().await.expect("the source lives").pods.len()
    }
}

fn directory(criterion: &mut Criterion) {
    let base = tempfile::tempdir().expect("a directory");
    let files = World::real(1).files;
    let file = |number: usize| base.path().join(format!("pod-{number}.yaml"));
    let write = |number: usize, tag: &str| {
        let spec = PODS[1].1.replace("1.29", tag);
        let text = manifest(&format!("pod-{number}"), &spec);
        files.write(&file(number), text.as_bytes(), 0o644).expect("written");
    };
    for number in 0..MANIFESTS {
        write(number, "1.29");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("directory_of_10000");
    group.sample_size(10);
    group.bench_function("read", |b| {
        b.iter_custom(|n| {
            let read = || {
                runtime.block_on(async {
                    let begun = Instant::now();
                    let mut reader = Reader::start(base.path());
                    assert_eq!(reader.pods().await, MANIFESTS);
                    let took = begun.elapsed();
                    reader.tasks.shutdown().await;
                    took
                })
            };
            (0..n).map(|_| read()).sum()
        });
    });
    group.bench_function("one edited", |b| {
        b.iter_custom(|n| {
            runtime.block_on(async {
                let mut reader = Reader::start(base.path());
                assert_eq!(reader.pods().await, MANIFESTS);
                let mut took = Duration::ZERO;
                for round in 0..n {
                    // The editor's way: a new file in the place of the old one.
                    let tag = if round % 2 == 0 { "1.30" } else { "1.29" };
                    let spec = PODS[1].1.replace("1.29", tag);
                    let fresh = base.path().join(".fresh");
                    files.write(&fresh, manifest("pod-5000", &spec).as_bytes(), 0o644).expect("written");
                    let begun = Instant::now();
                    files.rename(&fresh, &file(5000)).expect("renamed");
                    // The old pod goes, and the new one comes.
                    assert_eq!(reader.pods().await + reader.pods().await, 2);
                    took += begun.elapsed();
                }
                if n % 2 == 1 {
                    write(5000, "1.29");
                }
                reader.tasks.shutdown().await;
                took
            })
        });
    });
    group.finish();
}

criterion_group!(benches, per_pod, directory);
criterion_main!(benches);
