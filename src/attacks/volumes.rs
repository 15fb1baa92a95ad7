//! Attacks through volumes, paths and names of directories, and by a disk that fails.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cri_proto::v1;
use rstest::rstest;
use serde_json::{Value, json};
use world::{
    Files, Tasks, WallClock,
    sim::{MemoryFiles, SimWorld, files::FileFault},
};

use crate::{
    api::labels,
    observer::Unobserved,
    runtime::{
        Recorder, RuntimeSettings, naming, termination,
        testing::{Bench, pod},
    },
    volumes::{VolumeManager, setup},
};

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
