//! From files and flags to a configuration: what is accepted, what is remarked, what is refused and in which words.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use world::{
    machine::CgroupVersion,
    sim::{self, Limits, SimWorld},
};

use super::*;

/// The configuration file of the Kubernetes tutorial for a standalone kubelet.
const TUTORIAL: &str = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  webhook:
    enabled: false # Do NOT use in production clusters!
authorization:
  mode: AlwaysAllow # Do NOT use in production clusters!
enableServer: false
logging:
  format: text
address: 127.0.0.1 # Restrict access to localhost
readOnlyPort: 10255 # Do NOT use in production clusters!
staticPodPath: /etc/kubernetes/manifests
containerRuntimeEndpoint: unix:///var/run/crio/crio.sock
";

/// What every configuration of a standalone kubelet starts with: five lines.
const HEAD: &str = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
enableServer: false
";

const FILE: &str = "/etc/kubernetes/kubelet.yaml";

/// Loads in a world that `prepare` has seen, with files put there first.
fn load_with(
    prepare: impl FnOnce(&SimWorld) + Send + 'static,
    files: &[(&str, &str)],
    args: &[&str],
) -> Result<Loaded, ConfigError> {
    let files: Vec<(String, String)> = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    sim::run(1, Limits::default(), |sim, _| async move {
        prepare(&sim);
        for (path, text) in files {
            let path = std::path::Path::new(&path);
            sim.world.files.create_dir_all(path.parent().unwrap(), 0o755).unwrap();
            sim.world.files.write(path, text.as_bytes(), 0o644).unwrap();
        }
        load(&sim.world, &args).map(|invocation| match invocation {
            Invocation::Run(loaded) => *loaded,
            Invocation::Print(text) => panic!("printed {text}"),
        })
    })
    .unwrap()
}

fn load_file(text: &str, args: &[&str]) -> Result<Loaded, ConfigError> {
    let config = format!("--config={FILE}");
    let mut all = vec![config.as_str()];
    all.extend(args);
    load_with(|_| {}, &[(FILE, text)], &all)
}

fn with_head(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

#[test]
fn the_tutorials_file_is_taken_as_it_is() {
    let Loaded { config, notes } = load_file(TUTORIAL, &[]).unwrap();
    assert_eq!(notes, []);
    assert_eq!(config.static_pod_path, Some("/etc/kubernetes/manifests".into()));
    assert_eq!(config.container_runtime_endpoint, Address::Unix("/var/run/crio/crio.sock".into()));
    assert_eq!(config.image_service_endpoint, config.container_runtime_endpoint);
    assert_eq!((config.address.as_str(), config.read_only_port), ("127.0.0.1", Some(10255)));
    assert_eq!((config.healthz_bind_address.as_str(), config.healthz_port), ("127.0.0.1", Some(10248)));
    assert!(!config.enable_server && config.fail_swap_on && config.fail_cgroup_v1 && config.serialize_image_pulls);
    assert_eq!(config.node_name, "node1");
    assert_eq!(config.sync_frequency, Duration::from_secs(60));
    assert_eq!(config.file_check_frequency, Duration::from_secs(20));
    assert_eq!(config.max_container_restart_period, Duration::from_secs(300));
    assert_eq!(config.container_log_max_size, Some(10 * 1024 * 1024));
    assert_eq!(config.eviction_hard.len(), 5);
    assert_eq!(config.pod_pids_limit, None);
    assert_eq!(config.cgroup_root, "/");
}

/// The body of `/configz` of the real kubelet, with the configuration that it ran with.
#[test]
fn the_document_is_upstreams_byte_for_byte() {
    let recorded: Value = serde_json::from_str(include_str!("fixtures/configz.json")).unwrap();
    let mut recorded = recorded["kubeletconfig"].clone();
    // Paths of the pair of key and certificate that upstream makes and writes back.
    for made in ["tlsCertFile", "tlsPrivateKeyFile"] {
        recorded.as_object_mut().unwrap().shift_remove(made);
    }
    let text = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {webhook: {enabled: false}, anonymous: {enabled: true}}
authorization: {mode: AlwaysAllow}
staticPodPath: /etc/kubernetes/manifests
address: 127.0.0.1
readOnlyPort: 10255
failCgroupV1: false
";
    let config = load_file(text, &["--v=2"]).unwrap().config;
    assert_eq!(config.document.to_string(), recorded.to_string());
}

#[test]
fn flags_alone_let_everybody_in_and_evict_nothing() {
    let config = load_with(|_| {}, &[], &[]).unwrap().config;
    assert!(config.anonymous_auth && config.enable_server);
    assert_eq!(config.read_only_port, Some(10255));
    assert!(config.eviction_hard.is_empty());
}

#[rstest]
#[case("--hostname-override=NODE-A", "NODE-A", "node-a")]
#[case("--v=0", "Web.Example", "web.example")]
fn the_nodes_name_is_lower_case(#[case] flag: &str, #[case] hostname: &'static str, #[case] name: &str) {
    let prepare = move |sim: &SimWorld| sim.machine.update(|f| f.hostname = hostname.to_owned());
    assert_eq!(load_with(prepare, &[], &[flag]).unwrap().config.node_name, name);
}

#[rstest]
#[case("port: 0", "port", json!(10250))]
#[case("maxPods: 0", "maxPods", json!(110))]
#[case("syncFrequency: 0s", "syncFrequency", json!("1m0s"))]
#[case("healthzPort: 0", "healthzPort", json!(0))]
#[case("registryPullQPS: 0", "registryPullQPS", json!(0))]
#[case("resolvConf: \"\"", "resolvConf", json!(""))]
#[case("maxParallelImagePulls: 3", "serializeImagePulls", json!(false))]
#[case("maxParallelImagePulls: 1", "serializeImagePulls", json!(true))]
#[case("nodeStatusUpdateFrequency: 7s", "nodeStatusReportFrequency", json!("7s"))]
#[case("podPidsLimit: -5", "podPidsLimit", json!(-1))]
#[case("evictionHard: {memory.available: 1Gi}", "evictionHard", json!({"memory.available": "1Gi"}))]
#[case("staticPodPath: manifests", "staticPodPath", json!("/etc/kubernetes/manifests"))]
#[case("staticPodPath: ../m", "staticPodPath", json!("/etc/m"))]
#[case("enforceNodeAllocatable: []", "enforceNodeAllocatable", json!([]))]
#[case("logging: {flushFrequency: 7000000000}", "logging.flushFrequency", json!(7_000_000_000_i64))]
#[case("failSwapOn: no", "failSwapOn", json!(false))]
fn defaults_follow_upstreams_rules(#[case] line: &str, #[case] path: &str, #[case] value: Value) {
    let Value::Object(object) = load_file(&with_head(line), &[]).unwrap().config.document else { panic!("no object") };
    let document = document::Document(object);
    assert_eq!(document.get(path).cloned().unwrap_or_default(), value);
}

#[test]
fn missing_eviction_signals_are_filled_in_on_request() {
    let text = with_head("evictionHard: {memory.available: 1Gi}\nmergeDefaultEvictionSettings: true\n");
    let hard = load_file(&text, &[]).unwrap().config.eviction_hard;
    assert_eq!((hard.len(), hard["memory.available"].as_str()), (5, "1Gi"));
}

#[test]
fn keys_that_upstream_does_not_know_are_remarked_with_line_and_suggestion() {
    let text = with_head("maxPod: 3\nauthentication:\n  anonymus: {enabled: true}\nfrobnicate: 1\nport: 1\nport: 2\n");
    // A second `authentication` would replace the first.
    let text = text.replace("authentication: {webhook: {enabled: false}}\n", "");
    let text = text.replace("  anonymus:", "  webhook: {enabled: false}\n  anonymus:");
    let Loaded { config, notes } = load_file(&text, &[]).unwrap();
    assert_eq!(config.port, 2, "the last one wins");
    let [Note::Keys { file, keys }] = notes.as_slice() else { panic!("{notes:?}") };
    let remarks: Vec<String> = keys
        .iter()
        .map(|k| {
            let suggestion = match &k.fault {
                decode::KeyFault::Unknown { suggestion } => suggestion.clone().unwrap_or("no idea".to_owned()),
                decode::KeyFault::Duplicate => "twice".to_owned(),
            };
            format!("{}:{} {} ({suggestion})", file.display(), k.line, k.path)
        })
        .chain([decode::strict_text(keys)])
        .collect();
    insta::assert_snapshot!(remarks.join("\n"), @r#"
    /etc/kubernetes/kubelet.yaml:5 maxPod (maxPods)
    /etc/kubernetes/kubelet.yaml:8 authentication.anonymus (anonymous)
    /etc/kubernetes/kubelet.yaml:9 frobnicate (no idea)
    /etc/kubernetes/kubelet.yaml:11 port (twice)
    strict decoding error: yaml: unmarshal errors:
      line 11: key "port" already set in map, unknown field "maxPod", unknown field "authentication.anonymus", unknown field "frobnicate"
    "#);
}

#[test]
fn flags_win_over_drop_ins_and_drop_ins_over_the_file() {
    let files = [
        (
            FILE,
            with_head(
                "maxPods: 1\nreadOnlyPort: 1\nhealthzPort: 1\nsystemReserved: {cpu: '1'}\nclusterDNS: [10.0.0.1]\n",
            ),
        ),
        ("/conf.d/10-a.conf", format!("{HEAD}readOnlyPort: 2\nhealthzPort: 2\nsystemReserved: {{memory: 1Gi}}\n")),
        ("/conf.d/20-b/x.conf", format!("{HEAD}healthzPort: 3\nclusterDNS: null\nnosuch: 1\n")),
        ("/conf.d/README", "not a drop-in".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let args = [&format!("--config={FILE}"), "--config-dir=/conf.d", "--healthz-port=4"];
    let Loaded { config, notes } = load_with(|_| {}, &files, &args).unwrap();
    assert_eq!((config.max_pods, config.read_only_port, config.healthz_port), (1, Some(2), Some(4)));
    assert_eq!(config.system_reserved.len(), 2, "maps are merged key by key");
    assert!(config.cluster_dns.is_empty(), "null takes a key away");
    assert!(notes.contains(&Note::SkippedDropIn("/conf.d/README".into())), "{notes:?}");
    assert!(notes.iter().any(|n| matches!(n, Note::Keys { file, .. } if file.ends_with("x.conf"))), "{notes:?}");
}

/// A name, files with their text, arguments.
type Case = (&'static str, Vec<(&'static str, String)>, Vec<&'static str>);

/// What a user reads when the kubelet does not start.
#[test]
fn refusals_say_where_and_what_to_do() {
    let head = |rest: &str| with_head(rest);
    let cases: Vec<Case> = vec![
        ("missing file", vec![], vec!["--config=/nowhere.yaml"]),
        ("relative missing file", vec![], vec!["--working-directory=/home/me", "--config=kubelet.yaml"]),
        ("a directory", vec![("/d/x", String::new())], vec!["--config=/d"]),
        ("empty file", vec![("/f", String::new())], vec!["--config=/f"]),
        ("not YAML", vec![("/f", head("a: [1, 2\nb: }\n"))], vec!["--config=/f"]),
        ("not a mapping", vec![("/f", "hello\n".to_owned())], vec!["--config=/f"]),
        ("no apiVersion", vec![("/f", "kind: KubeletConfiguration\nport: 1\n".to_owned())], vec!["--config=/f"]),
        ("no kind", vec![("/f", "apiVersion: kubelet.config.k8s.io/v1beta1\n".to_owned())], vec!["--config=/f"]),
        (
            "wrong kind",
            vec![("/f", "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: Pod\n".to_owned())],
            vec!["--config=/f"],
        ),
        (
            "wrong version",
            vec![("/f", "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n".to_owned())],
            vec!["--config=/f"],
        ),
        ("wrong type", vec![("/f", head("maxPods: many\n"))], vec!["--config=/f"]),
        ("wrong inner type", vec![("/f", head("logging:\n  verbosity: loud\n"))], vec!["--config=/f"]),
        ("number too large", vec![("/f", head("maxPods: 9999999999\n"))], vec!["--config=/f"]),
        ("duration without unit", vec![("/f", head("syncFrequency: '20'\n"))], vec!["--config=/f"]),
        ("duration as number", vec![("/f", head("syncFrequency: 20\n"))], vec!["--config=/f"]),
        ("unknown gate", vec![("/f", head("featureGates: {EventedPleg: true}\n"))], vec!["--config=/f"]),
        ("locked gate", vec![], vec!["--feature-gates=NodeSwap=false"]),
        ("unknown flag", vec![], vec!["--confg=/f"]),
        ("positional", vec![], vec!["run"]),
        ("one rule", vec![("/f", head("maxPods: -1\n"))], vec!["--config=/f"]),
        ("two rules", vec![("/f", head("port: 70000\npodLogsDir: /var/log/../x\n"))], vec!["--config=/f"]),
        ("log format", vec![("/f", head("logging: {format: xml}\n"))], vec!["--config=/f"]),
        (
            "webhook",
            vec![("/f", "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n".to_owned())],
            vec!["--config=/f"],
        ),
        ("control plane", vec![], vec!["--kubeconfig=/etc/kubernetes/kubelet.conf"]),
        ("cloud provider", vec![], vec!["--cloud-provider=aws"]),
        ("lock contention", vec![], vec!["--exit-on-lock-contention"]),
        ("endpoint", vec![], vec!["--container-runtime-endpoint=tcp://127.0.0.1:1"]),
        ("root dir", vec![], vec!["--root-dir=/a/../b"]),
        ("node ip", vec![], vec!["--node-ip=10.0.0.1,10.0.0.2"]),
        ("node labels", vec![], vec!["--node-labels=kubernetes.io/x=1"]),
        ("missing drop-in directory", vec![], vec!["--config-dir=/nowhere"]),
        ("drop-in without kind", vec![("/c/a.conf", "port: 1\n".to_owned())], vec!["--config-dir=/c"]),
        ("drop-in with a key twice", vec![("/c/a.conf", head("port: 1\nport: 2\n"))], vec!["--config-dir=/c"]),
        ("drop-in with a wrong type", vec![("/c/a.conf", head("port: x\n"))], vec!["--config-dir=/c"]),
    ];
    let mut out = String::new();
    for (name, files, args) in cases {
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
        let error = load_with(|_| {}, &files, &args).expect_err(name);
        out.push_str(&format!("# {name}\n{error}\n\n"));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn cgroup_v1_is_refused_unless_allowed() {
    let v1 = |sim: &SimWorld| sim.machine.update(|f| f.cgroups = CgroupVersion::V1);
    insta::assert_snapshot!(load_with(v1, &[], &[]).unwrap_err().to_string(), @"failed to validate kubelet configuration, error: kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a future release (boot the host with cgroup v2, or set failCgroupV1: false in the kubelet configuration), path: &TypeMeta{Kind:,APIVersion:,}");
    assert!(!load_with(v1, &[], &["--fail-cgroupv1=false"]).unwrap().config.fail_cgroup_v1);
}

#[test]
fn what_is_odd_but_harmless_is_remarked() {
    let args = ["--node-ip=10.0.0.1,nonsense", "--cluster-dns=10.0.0.10,x", "--feature-gates=NodeSwap=true"];
    let Loaded { config, notes } = load_with(|_| {}, &[], &args).unwrap();
    assert_eq!(config.node_ips, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.cluster_dns, ["10.0.0.10".parse::<IpAddr>().unwrap()]);
    assert!(notes.contains(&Note::UnparsableNodeIps(vec!["nonsense".to_owned()])), "{notes:?}");
    assert!(notes.contains(&Note::InvalidClusterDns("x".to_owned())), "{notes:?}");
    assert!(notes.iter().any(|n| matches!(n, Note::Gate(g) if g.name == "NodeSwap")), "{notes:?}");
}

#[rstest]
#[case("shutdownGracePeriod: 30s\nshutdownGracePeriodCriticalPods: 10s", &[(0, 20), (2_000_000_000, 10)])]
#[case("shutdownGracePeriodByPodPriority: [{priority: 5, shutdownGracePeriodSeconds: 9}, {priority: 1, shutdownGracePeriodSeconds: 3}]", &[(1, 3), (5, 9)])]
#[case("maxPods: 1", &[])]
fn shutdown_periods_are_by_priority(#[case] line: &str, #[case] periods: &[(i32, u64)]) {
    let config = load_file(&with_head(line), &[]).unwrap().config;
    let found: Vec<(i32, u64)> =
        config.shutdown_grace_periods.iter().map(|p| (p.priority, p.grace_period.as_secs())).collect();
    assert_eq!(found, periods);
}

#[rstest]
#[case("10Mi", Some(10_485_760))]
#[case("1k", Some(1000))]
#[case("5", Some(5))]
#[case("-1", None)]
fn log_sizes(#[case] text: &str, #[case] bytes: Option<u64>) {
    let config = load_file(&with_head(&format!("containerLogMaxSize: '{text}'")), &[]).unwrap().config;
    assert_eq!(config.container_log_max_size, bytes);
}

#[rstest]
#[case("--version", "Kubernetes v1.36.2\n")]
#[case("-h", "Runs the pods of a directory")]
#[case("--help", "Usage:\n  kubelet [flags]\n")]
fn some_command_lines_only_print(#[case] arg: &str, #[case] text: &'static str) {
    let arg = arg.to_owned();
    sim::run(1, Limits::default(), move |sim, _| async move {
        let Ok(Invocation::Print(printed)) = load(&sim.world, &[arg]) else { panic!("not printed") };
        assert!(printed.contains(text), "{printed}");
    })
    .unwrap();
}
