//! Attacks on a kubelet by manifests, volumes, paths, names and a lying runtime: each test is named after what it attacks, and says what
//! must hold. Behaviour without malice is tested beside the code.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cri_proto::v1;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::{Value, json};
use tonic::Status;
use world::{
    Files, Tasks, WallClock,
    sim::{MemoryFiles, SimWorld, files::FileFault},
};

use crate::{
    api::{decode, identity::Source, labels, static_pod},
    images::names,
    node::Allocatable,
    observer::Unobserved,
    pods::admission::{self, Node},
    runtime::{
        Recorder, RuntimeSettings, naming, termination,
        testing::{Bench, Oracle, pod},
    },
    volumes::{VolumeManager, setup},
};

/// What becomes of a manifest: the pod, or why it is refused.
fn taken(metadata: &str, spec: &str) -> Result<Pod, String> {
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {spec}\n");
    let pod = decode::manifest(text.as_bytes()).map_err(|e| e.to_string())?;
    static_pod::accept(pod, Source::File("/etc/kubernetes/manifests/x.yaml"), "node1").map_err(|e| e.to_string())
}

fn refused(metadata: &str, spec: &str) -> String {
    taken(metadata, spec).expect_err("refused")
}

struct Volumes {
    sim: SimWorld,
    manager: Arc<VolumeManager>,
}

fn volumes() -> Volumes {
    let sim = SimWorld::new(1, &Tasks::root("test"));
    let settings = RuntimeSettings::new("node1", sim.world.machine.facts().unwrap());
    let recorder = Recorder::new(sim.world.clock.clone(), Arc::new(Unobserved));
    let manager = VolumeManager::new(sim.world.clone(), settings, recorder);
    Volumes { sim, manager }
}

/// Item 8: where a container's last words should be lies something else.
#[rstest]
#[case::a_link_to_a_directory("dir", "Error on reading termination log /t/log: ")]
#[case::a_fifo("fifo", "Error on reading termination log /t/log: ")]
#[case::a_device("device", "Error on reading termination log /t/log: ")]
#[case::a_loop("loop", "Error on reading termination log /t/log: ")]
#[case::nothing("nothing", "")]
#[tokio::test(start_paused = true)]
async fn termination_message_is_no_file(#[case] what: &str, #[case] says: &str) {
    let memory = MemoryFiles::new(WallClock::simulated());
    let files = Files::new(memory.clone());
    files.create_dir_all(Path::new("/t"), 0o755).unwrap();
    let log = Path::new("/t/log");
    match what {
        "dir" => files.symlink(Path::new("/etc"), log).unwrap(),
        "fifo" => memory.make_fifo(log).unwrap(),
        "device" => memory.make_device(log, false).unwrap(),
        "loop" => files.symlink(Path::new("log"), log).unwrap(),
        _ => {}
    }
    let message = termination::message(&files, &exited());
    assert!(message.starts_with(says) && message.is_empty() == says.is_empty(), "{message}");
}

/// Item 8: a huge one is read at its end only.
#[tokio::test(start_paused = true)]
async fn termination_message_is_huge() {
    let files = Files::new(MemoryFiles::new(WallClock::simulated()));
    files.create_dir_all(Path::new("/t"), 0o755).unwrap();
    files.write(Path::new("/t/log"), &vec![b'x'; 32 << 20], 0o666).unwrap();
    assert_eq!(termination::message(&files, &exited()).len(), 4096);
}

fn exited() -> v1::ContainerStatus {
    let mount =
        v1::Mount { container_path: "/dev/termination-log".into(), host_path: "/t/log".into(), ..Default::default() };
    v1::ContainerStatus {
        exit_code: 1,
        mounts: vec![mount],
        annotations: [(labels::CONTAINER_TERMINATION_MESSAGE_PATH.to_owned(), "/dev/termination-log".to_owned())]
            .into(),
        ..Default::default()
    }
}

/// Item 9: sub-paths that say that they lead out of their volume. Links are attacked in the world's own tests.
#[rstest]
#[case("subPath", "../x")]
#[case("subPath", "a/../../x")]
#[case("subPath", "/etc")]
#[case("subPathExpr", "../$(A)")]
#[case("subPathExpr", "/$(A)")]
fn sub_path_written_to_lead_out(#[case] field: &str, #[case] path: &str) {
    let spec = format!(
        "{{volumes: [{{name: v, emptyDir: {{}}}}], containers: [{{name: c, image: i, env: [{{name: A, value: a}}], \
         volumeMounts: [{{name: v, mountPath: /m, {field}: {path:?}}}]}}]}}"
    );
    let error = refused("{name: p}", &spec);
    assert!(error.contains(&format!("spec.containers[0].volumeMounts.{field}")), "{error}");
}

/// Item 9: what a sub-path expands to, and what links in the volume say; the runtime is never asked.
#[rstest]
#[case::dots_by_variable(json!({"subPathExpr": "$(UP)/x"}))]
#[case::absolute_by_variable(json!({"subPathExpr": "$(ROOT)"}))]
#[case::nothing_by_variable(json!({"subPathExpr": "$(NONE)"}))]
#[case::backticks_are_a_name(json!({"subPath": "`id`/../x"}))]
#[case::a_link_to_the_root(json!({"subPath": "root/etc"}))]
#[case::a_link_upwards(json!({"subPath": "up/x"}))]
#[tokio::test(start_paused = true)]
async fn sub_path_that_leads_out(#[case] how: Value) {
    let bench = Bench::new().await;
    let files = &bench.world.world.files;
    let volume = Path::new("/data");
    files.create_dir_all(volume, 0o755).unwrap();
    files.symlink(Path::new("/"), &volume.join("root")).unwrap();
    files.symlink(Path::new("../var"), &volume.join("up")).unwrap();
    let mut mount = json!({"name": "v", "mountPath": "/m"});
    mount.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
    let pod = pod(json!({"volumes": [{"name": "v", "hostPath": {"path": "/data"}}], "containers": [{"name": "c",
        "image": "busybox", "env": [{"name": "UP", "value": ".."}, {"name": "ROOT", "value": "/etc"}], "volumeMounts": [mount]}]}));
    let result = bench.sync(&pod).await;
    let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
    assert_eq!(failure.reason, "CreateContainerConfigError");
    assert!(!bench.calls().iter().any(|call| call.contains("CreateContainer")));
    assert!(!files.exists(Path::new("/var/x")));
}

/// Item 9: what a container put into its volume is not read from elsewhere for its next environment.
#[tokio::test(start_paused = true)]
async fn env_file_that_is_a_link_out() {
    let bench = Bench::new().await;
    let files = &bench.world.world.files;
    files.write(Path::new("/etc/shadow"), b"A=secret\n", 0o600).unwrap();
    let volume = bench.manager.settings().pod_dir("u").join("volumes/kubernetes.io~empty-dir/v");
    files.create_dir_all(&volume, 0o777).unwrap();
    files.symlink(Path::new("/etc/shadow"), &volume.join("env")).unwrap();
    let reference = json!({"fileKeyRef": {"volumeName": "v", "path": "env", "key": "A"}});
    let pod = pod(json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "c", "image": "busybox",
        "env": [{"name": "A", "valueFrom": reference}]}]}));
    let result = bench.sync(&pod).await;
    let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
    assert_eq!((failure.reason.as_str(), failure.message.contains("secret")), ("CreateContainerConfigError", false));
}

/// Item 10: what a hostPath names is a file now and a link to a directory the next moment; each check says one or the other, at once.
#[test]
fn host_path_type_while_the_path_is_swapped() {
    let base = tempfile::tempdir().unwrap();
    let world = world::World::real(1);
    let path = base.path().join("swapped");
    world.files.write(&path, b"", 0o600).unwrap();
    let settings = RuntimeSettings::new("node1", world::machine::Facts::simulated());
    let of_type = |kind: &str| {
        let pod = pod(json!({"volumes": [{"name": "h", "hostPath": {"path": path, "type": kind}}], "containers": []}));
        setup::set_up(&world, &settings, &pod, &pod.spec.as_ref().unwrap().volumes.as_ref().unwrap()[0])
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (link, file) = (base.path().join("link"), base.path().join("file"));
            for _ in 0..5000 {
                world.files.symlink(base.path(), &link).unwrap();
                world.files.rename(&link, &path).unwrap();
                world.files.write(&file, b"", 0o600).unwrap();
                world.files.rename(&file, &path).unwrap();
            }
            over.store(true, Ordering::Release);
        });
        let (mut files, mut directories) = (0, 0);
        while !over.load(Ordering::Acquire) {
            for (kind, what, count) in [("File", "a file", &mut files), ("Directory", "a directory", &mut directories)]
            {
                match of_type(kind) {
                    Ok(()) => *count += 1,
                    Err(why) => {
                        assert_eq!(why, format!("hostPath type check failed: {} is not {what}", path.display()))
                    }
                }
            }
            assert!(of_type("Socket").is_err() && of_type("BlockDevice").is_err());
        }
        assert!(files > 0 && directories > 0, "{files} {directories}");
    });
}

/// Item 11: somebody mounted a directory of the node into a pod's directory; the pod goes, and nothing of the node does.
#[rstest]
#[case::in_a_volume("volumes/kubernetes.io~empty-dir/v/in")]
#[case::on_a_volume("volumes/kubernetes.io~empty-dir/v")]
#[case::beside_the_volumes("containers/c")]
#[case::in_the_markers("plugins/kubernetes.io~empty-dir/v/in")]
#[case::among_the_sub_paths("volume-subpaths/v/c/0")]
#[tokio::test(start_paused = true)]
async fn clean_up_through_a_bind_mount(#[case] at: &str) {
    let Volumes { sim, manager } = volumes();
    let files = &sim.world.files;
    files.create_dir_all(Path::new("/precious"), 0o755).unwrap();
    files.write(Path::new("/precious/data"), b"kept", 0o644).unwrap();
    let pod = Arc::new(pod(json!({"volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]})));
    manager.make_pod_dirs("u").unwrap();
    manager.set_up(&pod).await.unwrap();
    let at = Path::new("/var/lib/kubelet/pods/u").join(at);
    files.create_dir_all(&at, 0o755).unwrap();
    sim.world.mounts.bind(Path::new("/precious"), &at).unwrap();
    let first = manager.tear_down("u").await.and_then(|()| manager.remove_pod_dir("u"));
    let second = manager.tear_down("u").await.and_then(|()| manager.remove_pod_dir("u"));
    assert_eq!(files.read(Path::new("/precious/data"), 10).unwrap(), b"kept");
    // A mount at the place of a sub-path counts as the kubelet's own and goes; every other stays with its directory.
    if at.to_string_lossy().contains("subpaths") {
        assert!(first.is_ok() && second.is_ok());
    } else {
        assert!(first.is_err() && second.is_err());
        sim.world.mounts.unmount(&at).unwrap();
        manager.tear_down("u").await.unwrap();
        manager.remove_pod_dir("u").unwrap();
    }
    assert_eq!(manager.pod_dirs(), [""; 0]);
}

/// Items 12 and 22: what is no name of a directory, whoever says it, leads nowhere.
#[rstest]
#[case("")]
#[case(".")]
#[case("..")]
#[case("../..")]
#[case("/etc")]
#[case("a/../../../../etc")]
#[case("a\0b")]
#[tokio::test(start_paused = true)]
async fn uid_that_is_a_path(#[case] uid: &str) {
    let Volumes { sim, manager } = volumes();
    let files = &sim.world.files;
    for kept in ["/etc/plugins/kubernetes.io~empty-dir/x", "/var/lib/kubelet/plugins/kubernetes.io~empty-dir/x"] {
        files.create_dir_all(Path::new(kept), 0o755).unwrap();
    }
    files.create_dir_all(Path::new("/var/lib/kubelet/pods/other/plugins"), 0o755).unwrap();
    let before: Vec<PathBuf> = sim.files.walk().into_iter().map(|(path, _)| path).collect();
    manager.tear_down(uid).await.unwrap();
    manager.remove_pod_dir(uid).unwrap();
    let after: Vec<PathBuf> = sim.files.walk().into_iter().map(|(path, _)| path).collect();
    assert_eq!(before, after);
    let dir = naming::pod_log_dir(Path::new("/var/log/pods"), "default", "p", uid);
    assert_eq!(dir.parent(), Some(Path::new("/var/log/pods")));
    assert!(!naming::log_link("p", "default", "c", uid).contains('/'));
}

/// Item 12: names that would be paths, lines or commands, in a manifest.
#[rstest]
#[case(r#"{name: "../p"}"#, "metadata.name")]
#[case(r#"{name: "p\nq"}"#, "metadata.name")]
#[case(r#"{name: "..", namespace: default}"#, "metadata.name")]
#[case(r#"{name: p, namespace: "../etc"}"#, "metadata.namespace")]
#[case(r#"{name: p, namespace: "a\n"}"#, "metadata.namespace")]
#[case(r#"{name: p, uid: "../../etc"}"#, "metadata.uid")]
#[case(r#"{name: p, uid: ".."}"#, "metadata.uid")]
#[case(r#"{name: p, uid: "a\u0000b"}"#, "metadata.uid")]
#[case(r#"{name: p, uid: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, "metadata.uid")]
#[case(r#"{name: p, labels: {a: "b\u0007"}}"#, "metadata.labels")]
fn manifest_names(#[case] metadata: &str, #[case] field: &str) {
    let error = refused(metadata, "{containers: [{name: c, image: i}]}");
    assert!(error.contains(&format!("{field}: Invalid value")), "{error}");
}

/// Item 12: annotations larger than an API server takes.
#[test]
fn manifest_with_ten_megabytes_of_annotations() {
    let metadata = format!("{{name: p, annotations: {{a: \"{}\"}}}}", "x".repeat(10_000_000));
    let error = refused(&metadata, "{containers: [{name: c, image: i}]}");
    assert!(error.len() < 10_000 && error.contains("metadata.annotations: Too long"), "{}", error.len());
}

/// Item 16: confinement that is none, or not what it says.
#[rstest]
#[case("seccompProfile: {type: Localhost}", "localhostProfile: Required value")]
#[case("seccompProfile: {type: Localhost, localhostProfile: ../../etc/passwd}", "must not contain '..'")]
#[case("seccompProfile: {type: Localhost, localhostProfile: /etc/passwd}", "must be a relative path")]
#[case("seccompProfile: {type: Odd}", "Unsupported value")]
#[case("appArmorProfile: {type: Localhost}", "localhostProfile: Required value")]
#[case("appArmorProfile: {type: Odd}", "Unsupported value")]
#[case("runAsUser: -1", "runAsUser: Invalid value: -1")]
#[case("runAsUser: 4294967296", "runAsUser: Invalid value: 4294967296")]
#[case("runAsGroup: -1", "runAsGroup: Invalid value: -1")]
#[case("privileged: true, allowPrivilegeEscalation: false", "allowPrivilegeEscalation")]
fn security_contexts(#[case] context: &str, #[case] says: &str) {
    let error =
        refused("{name: p}", &format!("{{containers: [{{name: c, image: i, securityContext: {{{context}}}}}]}}"));
    assert!(error.contains(says), "{error}");
}

fn node() -> Node {
    Node {
        name: "node1".to_owned(),
        labels: Node::standard_labels("node1", "amd64", &BTreeMap::new()),
        allocatable: Allocatable { milli_cpu: 4000, memory: 8 << 30, pods: 110, ..Allocatable::default() },
        apparmor: true,
        supplemental_groups_policy: true,
        allowed_sysctls: vec!["net.core.*".to_owned()],
    }
}

/// Item 17: kernel parameters of the node, and names that are written to look like others.
#[rstest]
#[case("kernel.panic")]
#[case("kernel/panic")]
#[case("vm.overcommit_memory")]
#[case("net/ipv4/ip_local_port_range.")]
#[case("net.ipv4/ip_local_port_range")]
#[case("net.ipv4.conf.all/../../../kernel/core_pattern")]
#[case("net/ipv4/../../kernel/core_pattern")]
#[case("net/core/../../kernel/core_pattern")]
#[case("net.core...kernel.core_pattern")]
fn sysctls(#[case] name: &str) {
    let spec = format!(
        "{{securityContext: {{sysctls: [{{name: {name:?}, value: x}}]}}, containers: [{{name: c, image: i}}]}}"
    );
    if let Ok(pod) = taken("{name: p}", &spec) {
        let refused = admission::admit(&pod, &[], &node());
        assert!(refused.is_err(), "{name} was admitted");
    }
}

/// Item 20: image names that are options, lines or paths never reach the runtime.
#[rstest]
#[case("--privileged")]
#[case("-v")]
#[case("a\nb")]
#[case("a b")]
#[case("../../etc")]
#[case("http://a/b")]
#[case("a\0b")]
#[case("a;b")]
#[case("docker-archive:/etc/passwd")]
#[tokio::test(start_paused = true)]
async fn image_names(#[case] image: &str) {
    let bench = Bench::new().await;
    let result = bench.sync(&pod(json!({"containers": [{"name": "c", "image": image}]}))).await;
    let calls = bench.calls();
    if names::with_default_tag(image).is_err() {
        let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
        assert_eq!(failure.reason, "InvalidImageName", "{image:?}");
        assert!(!calls.iter().any(|c| c.contains("Image") || c.contains("CreateContainer")), "{calls:?}");
    } else {
        assert!(image.chars().all(|c| c.is_ascii_graphic()) && !image.starts_with('-'), "{image:?} is asked for");
    }
}

/// Item 20: with the policy Never nothing is pulled, whatever is missing.
#[tokio::test(start_paused = true)]
async fn pull_policy_never() {
    let bench = Bench::new().await;
    let spec = json!({"containers": [{"name": "c", "image": "absent", "imagePullPolicy": "Never"}],
        "initContainers": [{"name": "i", "image": "absent", "imagePullPolicy": "Never"}]});
    for _ in 0..5 {
        let result = bench.sync(&pod(spec.clone())).await;
        assert!(result.starts.iter().any(|s| s.failure.as_ref().is_some_and(|f| f.reason == "ErrImageNeverPull")));
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert!(!bench.calls().iter().any(|call| call.contains("PullImage")));
}

/// Item 22: a runtime that says absurd things is listed, observed, synced with and collected without a panic and without a path left.
#[rstest]
#[case::far_future(i64::MAX, i32::MAX, "u")]
#[case::before_time(i64::MIN, i32::MIN, "u")]
#[case::nothing(0, 0, "")]
#[case::foreign_pod(1, 300, "../../../etc")]
#[case::up(1, -1, "..")]
#[tokio::test(start_paused = true)]
async fn runtime_that_lies(#[case] time: i64, #[case] number: i32, #[case] uid: &str) {
    let bench = Bench::new().await;
    let wanted = pod(json!({"containers": [{"name": "c", "image": "busybox"}]}));
    bench.sync(&wanted).await;
    {
        let mut runtime = bench.runtime();
        for (_, status) in runtime.containers.values_mut() {
            (status.created_at, status.started_at, status.finished_at) = (time, time, time);
            (status.exit_code, status.state) = (number, number);
            status.labels.insert(labels::POD_UID.to_owned(), uid.to_owned());
            status.labels.insert(labels::CONTAINER_NAME.to_owned(), "../../x".to_owned());
            status.annotations.insert(labels::CONTAINER_RESTART_COUNT.to_owned(), "99999999999999999999".to_owned());
            status.annotations.insert(labels::CONTAINER_HASH.to_owned(), "../..".to_owned());
            status.log_path = "/../../etc/passwd".to_owned();
        }
        for status in runtime.sandboxes.values_mut() {
            (status.created_at, status.state) = (time, number);
            status.labels.insert(labels::POD_UID.to_owned(), uid.to_owned());
        }
    }
    let files = &bench.world.world.files;
    files.write(Path::new("/etc/passwd"), b"root", 0o644).unwrap();
    for listed in bench.manager.list(None).await.unwrap() {
        let _ = bench.manager.observe(&listed).await;
    }
    // Without a time of creation there is nothing to sync with: the listing is refused, as upstream refuses it.
    if time != 0 {
        bench.sync(&wanted).await;
    }
    let _ = bench.manager.collect_garbage(&Oracle(true)).await;
    assert_eq!(files.read(Path::new("/etc/passwd"), 10).unwrap(), b"root");
}

/// Item 23: lines that would be added to `/etc/hosts`, `/etc/hostname` or `resolv.conf`.
#[rstest]
#[case(r#"hostAliases: [{ip: "1.2.3.4", hostnames: ["a\n6.6.6.6 bank"]}]"#, "spec.hostAliases[0].hostnames[0]")]
#[case(r#"hostAliases: [{ip: "1.2.3.4\n6.6.6.6 bank", hostnames: [a]}]"#, "spec.hostAliases[0].ip")]
#[case(r#"hostname: "a\nb""#, "spec.hostname")]
#[case(r#"subdomain: "a\nb""#, "spec.subdomain")]
#[case(r#"hostnameOverride: "a\nb""#, "spec.hostnameOverride")]
#[case(r#"dnsConfig: {searches: ["a\nnameserver 6.6.6.6"]}"#, "spec.dnsConfig.searches[0]")]
#[case(r#"dnsConfig: {nameservers: ["1.1.1.1\nnameserver 6.6.6.6"]}"#, "spec.dnsConfig.nameservers[0]")]
fn lines_in_host_files(#[case] field: &str, #[case] path: &str) {
    let error = refused("{name: p}", &format!("{{{field}, containers: [{{name: c, image: i}}]}}"));
    assert!(error.contains(&format!("{path}: Invalid value")), "{error}");
}

/// Item 26: what needs an API server is refused, and the reason names it.
#[rstest]
#[case("serviceAccountName: s", "serviceaccounts")]
#[case("volumes: [{name: v, configMap: {name: m}}]", "configmaps")]
#[case("volumes: [{name: v, secret: {secretName: s}}]", "secrets")]
#[case("volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]", "persistentvolumeclaims")]
#[case("resourceClaims: [{name: r, resourceClaimName: r}]", "resourceclaims")]
#[case("imagePullSecrets: [{name: s}]", "secrets")]
fn references_to_an_api_server(#[case] field: &str, #[case] kind: &str) {
    let error = refused("{name: p}", &format!("{{{field}, containers: [{{name: c, image: i}}]}}"));
    assert!(error.starts_with(&format!("static pods may not reference {kind}")), "{field}: {error}");
}

/// Item 28: each write of a pod's way up fails once, for want of room, of descriptors, of memory; the next syncs make it good.
#[rstest]
#[case::enospc(28)]
#[case::emfile(24)]
#[case::enomem(12)]
#[tokio::test(start_paused = true)]
async fn every_write_fails_once(#[case] errno: i32) {
    let spec = json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "c", "image": "busybox",
        "terminationMessagePath": "/dev/termination-log", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}]}]});
    for nth in 0..40 {
        let bench = Bench::new().await;
        let settings = bench.manager.settings().clone();
        let recorder = Recorder::new(bench.world.world.clock.clone(), Arc::new(Unobserved));
        let volumes = VolumeManager::new(bench.world.world.clone(), settings, recorder);
        let pod = Arc::new(pod(spec.clone()));
        let fault = bench.world.files.inject(FileFault::errno("/var", errno).after(nth).times(1));
        let mut runs = false;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_secs(15)).await;
            if volumes.make_pod_dirs("u").is_err() || volumes.set_up(&pod).await.is_err() {
                continue;
            }
            // The bench makes the pod's directory itself.
            if bench.world.world.files.metadata(Path::new("/var/lib/kubelet/pods/u")).is_err() {
                continue;
            }
            let result = bench.sync(&pod).await;
            runs = result.error().is_none();
            if runs {
                break;
            }
        }
        assert!(runs, "operation {nth} failed and the pod never came up");
        if bench.world.files.hits(fault) == 0 {
            assert!(nth > 5, "operations were counted");
            return;
        }
        bench.world.files.clear_all();
        volumes.tear_down("u").await.unwrap();
        volumes.remove_pod_dir("u").unwrap();
        assert_eq!(volumes.pod_dirs(), [""; 0]);
    }
}

/// Items 20 and 22: what the runtime says in an error is shown as it is, once, and asks for nothing.
#[tokio::test(start_paused = true)]
async fn error_text_of_the_runtime() {
    let bench = Bench::new().await;
    let text = "a%b %s {} $(A) ../..";
    bench.runtime().fail.insert("CreateContainer".into(), Status::unknown(text));
    let result = bench.sync(&pod(json!({"containers": [{"name": "c", "image": "busybox"}]}))).await;
    let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
    assert_eq!((failure.reason.as_str(), failure.message.as_str()), ("CreateContainerError", text));
}
