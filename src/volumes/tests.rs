//! Volumes in a simulated world: what is made, with which modes, and what is left.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::{Value, json};
use world::{Tasks, sim::SimWorld};

use super::*;
use crate::{
    observer::{Observer, PodEvent},
    runtime::{Recorder, RuntimeSettings},
};

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn pod_event(&self, event: &PodEvent) {
        self.0.lock().unwrap().push(format!("{} {}", event.reason, event.message));
    }
}

struct Bench {
    world: SimWorld,
    volumes: Arc<VolumeManager>,
    events: Arc<Events>,
}

fn bench() -> Bench {
    let world = SimWorld::new(1, &Tasks::root("test"));
    let settings = RuntimeSettings::new("node1", world.world.machine.facts().unwrap());
    let events = Arc::new(Events::default());
    let recorder = Recorder::new(world.world.clock.clone(), events.clone());
    let volumes = VolumeManager::new(world.world.clone(), settings, recorder);
    Bench { world, volumes, events }
}

/// A pod that mounts everything it has.
fn pod(volumes: Value, fs_group: Option<i64>) -> Arc<Pod> {
    let mounts: Vec<Value> =
        volumes.as_array().unwrap().iter().map(|v| json!({"name": v["name"], "mountPath": "/m"})).collect();
    let pod = json!({
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"b": "2", "a": "1\n"}},
        "spec": {"volumes": volumes, "securityContext": {"fsGroup": fs_group},
            "containers": [{"name": "c", "image": "i", "volumeMounts": mounts, "resources": {"limits": {"cpu": "250m"}}}]}
    });
    Arc::new(serde_json::from_value(pod).unwrap())
}

/// Modes and owners below a directory, times of volume directories left out.
fn tree(bench: &Bench, dir: &str) -> Vec<String> {
    fn walk(bench: &Bench, dir: &Path, base: &Path, out: &mut Vec<String>) {
        let files = &bench.world.world.files;
        for entry in files.read_dir(dir).unwrap_or_default() {
            let path = dir.join(&entry.name);
            let meta = files.symlink_metadata(&path).unwrap();
            let mut line = format!("{:o} {} {}", meta.mode, meta.gid, path.strip_prefix(base).unwrap().display());
            if let Ok(target) = files.read_link(&path) {
                line = format!("{} -> {}", path.strip_prefix(base).unwrap().display(), target.display());
            }
            out.push(line);
            if entry.kind == world::files::FileKind::Directory {
                walk(bench, &path, base, out);
            }
        }
    }
    let mut out = Vec::new();
    walk(bench, Path::new(dir), Path::new(dir), &mut out);
    out
}

#[tokio::test(start_paused = true)]
async fn an_empty_dir_is_open_to_all_and_goes_with_the_pod() {
    let bench = bench();
    let pod = pod(json!([{"name": "v", "emptyDir": {}}]), None);
    bench.volumes.make_pod_dirs("u").unwrap();
    bench.volumes.set_up(&pod).await.unwrap();
    let expected = [
        "750 0 plugins",
        "750 0 plugins/kubernetes.io~empty-dir",
        "750 0 plugins/kubernetes.io~empty-dir/v",
        "644 0 plugins/kubernetes.io~empty-dir/v/ready",
        "750 0 volumes",
        "755 0 volumes/kubernetes.io~empty-dir",
        "777 0 volumes/kubernetes.io~empty-dir/v",
    ];
    assert_eq!(tree(&bench, "/var/lib/kubelet/pods/u"), expected);
    let file = Path::new("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/v/data");
    bench.world.world.files.write(file, b"kept", 0o600).unwrap();
    bench.volumes.set_up(&pod).await.unwrap();
    assert!(bench.world.world.files.exists(file), "content survives another sync");
    assert!(bench.volumes.has_volumes("u"));
    bench.volumes.remove_pod_dir("u").unwrap_err();
    bench.volumes.tear_down("u").await.unwrap();
    assert!(!bench.volumes.has_volumes("u"));
    bench.volumes.remove_pod_dir("u").unwrap();
    assert_eq!(bench.volumes.pod_dirs(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn fs_group_owns_what_is_ours() {
    let bench = bench();
    let volumes = json!([
        {"name": "v", "emptyDir": {}},
        {"name": "d", "downwardAPI": {"items": [{"path": "x/labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "cpu", "mode": 256, "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu", "divisor": "1m"}}]}},
    ]);
    bench.volumes.set_up(&pod(volumes, Some(2000))).await.unwrap();
    assert_eq!(
        tree(&bench, "/var/lib/kubelet/pods/u/volumes"),
        [
            "755 0 kubernetes.io~downward-api",
            "3777 2000 kubernetes.io~downward-api/d",
            "2755 2000 kubernetes.io~downward-api/d/..2026_01_01_00_00_00.9187878914",
            "440 2000 kubernetes.io~downward-api/d/..2026_01_01_00_00_00.9187878914/cpu",
            "2755 2000 kubernetes.io~downward-api/d/..2026_01_01_00_00_00.9187878914/x",
            "644 2000 kubernetes.io~downward-api/d/..2026_01_01_00_00_00.9187878914/x/labels",
            "kubernetes.io~downward-api/d/..data -> ..2026_01_01_00_00_00.9187878914",
            "kubernetes.io~downward-api/d/cpu -> ..data/cpu",
            "kubernetes.io~downward-api/d/x -> ..data/x",
            "755 0 kubernetes.io~empty-dir",
            "2777 2000 kubernetes.io~empty-dir/v",
        ]
    );
    let read = |name: &str| {
        let path = Path::new("/var/lib/kubelet/pods/u/volumes/kubernetes.io~downward-api/d").join(name);
        bench.world.world.files.read_to_string(&path, 4096).unwrap()
    };
    assert_eq!(read("x/labels"), "a=\"1\\n\"\nb=\"2\"");
    assert_eq!(read("cpu"), "250");
}

#[rstest]
#[case("", "/nothing", None)]
#[case("Directory", "/dir", None)]
#[case("Directory", "/nothing", Some("hostPath type check failed: /nothing is not a directory"))]
#[case("Directory", "/file", Some("hostPath type check failed: /file is not a directory"))]
#[case("DirectoryOrCreate", "/new/dir", None)]
#[case("DirectoryOrCreate", "/file", Some("hostPath type check failed: /file is not a directory"))]
#[case("File", "/file", None)]
#[case("File", "/nothing", Some("hostPath type check failed: /nothing is not a file"))]
#[case("FileOrCreate", "/dir/new", None)]
#[case("FileOrCreate", "/none/new", Some("open /none/new: no such file or directory"))]
#[case("Socket", "/file", Some("hostPath type check failed: /file is not a socket file"))]
#[case("Socket", "/fifo", Some("hostPath type check failed: /fifo is not a socket file"))]
#[case("Socket", "/socket", None)]
#[case("CharDevice", "/char", None)]
#[case("CharDevice", "/block", Some("hostPath type check failed: /block is not a character device"))]
#[case("BlockDevice", "/block", None)]
#[case("BlockDevice", "/char", Some("hostPath type check failed: /char is not a block device"))]
#[case("BlockDevice", "/nothing", Some("hostPath type check failed: /nothing is not a block device"))]
#[case("File", "/char", Some("hostPath type check failed: /char is not a file"))]
#[case("Directory", "/socket", Some("hostPath type check failed: /socket is not a directory"))]
#[case("", "/a/../b", Some("invalid HostPath `/a/../b`: must not contain '..'"))]
#[tokio::test(start_paused = true)]
async fn host_paths_are_checked(#[case] kind: &str, #[case] path: &str, #[case] error: Option<&str>) {
    let bench = bench();
    let files = &bench.world.world.files;
    files.create_dir_all(Path::new("/dir"), 0o755).unwrap();
    files.write(Path::new("/file"), b"", 0o644).unwrap();
    bench.world.files.make_fifo("/fifo").unwrap();
    bench.world.files.make_dead_socket("/socket").unwrap();
    bench.world.files.make_device("/char", false).unwrap();
    bench.world.files.make_device("/block", true).unwrap();
    let pod = pod(json!([{"name": "h", "hostPath": {"path": path, "type": kind}}]), None);
    let result = tokio::time::timeout(Duration::from_secs(1), bench.volumes.set_up(&pod)).await;
    assert_eq!(result.is_ok(), error.is_none());
    let expected = error.map(|e| format!("FailedMount MountVolume.SetUp failed for volume \"h\" : {e}"));
    assert_eq!(bench.events.0.lock().unwrap().first(), expected.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_cannot_be_made_is_retried_and_then_given_up() {
    let bench = bench();
    let pod = pod(
        json!([{"name": "v", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/late", "type": "Directory"}}]),
        None,
    );
    let error = bench.volumes.set_up(&pod).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "unmounted volumes=[h], unattached volumes=[], failed to process volumes=[]: context deadline exceeded"
    );
    assert_eq!(bench.events.0.lock().unwrap().len(), 8, "at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 and 63.5 s");
    bench.world.world.files.create_dir_all(Path::new("/late"), 0o755).unwrap();
    bench.volumes.set_up(&pod).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_nothing_mounts_is_told_at_once_and_the_others_are_made() {
    let bench = bench();
    let volumes = json!([{"name": "v", "emptyDir": {}}, {"name": "r", "rbd": {"image": "i", "monitors": ["m"]}}]);
    let error = bench.volumes.set_up(&pod(volumes, None)).await.unwrap_err();
    assert_eq!(
        error,
        VolumeError::Unknown(
            "unmounted volumes=[r], unattached volumes=[], failed to process volumes=[r]: \
             failed to get Plugin from volumeSpec for volume \"r\" err=no volume plugin matched"
                .to_owned()
        )
    );
    assert!(bench.events.0.lock().unwrap().is_empty());
    assert!(bench.world.world.files.exists(Path::new("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/v")));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_attaches_is_waited_for() {
    let bench = bench();
    let pod = pod(
        json!([{"name": "b", "fc": {"wwids": ["w"]}}, {"name": "a", "iscsi": {"iqn": "iqn.x", "lun": 0, "targetPortal": "p"}}]),
        None,
    );
    let begun = tokio::time::Instant::now();
    let error = bench.volumes.set_up(&pod).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "unmounted volumes=[a b], unattached volumes=[a b], failed to process volumes=[]: context deadline exceeded"
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(123));
    assert!(bench.events.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mount_that_hangs_holds_up_no_other_volume() {
    let bench = bench();
    bench.world.programs.register("/bin/mount", |_| std::future::pending());
    let pod = pod(json!([{"name": "n", "nfs": {"server": "s", "path": "/p"}}, {"name": "v", "emptyDir": {}}]), None);
    let error = bench.volumes.set_up(&pod).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "unmounted volumes=[n], unattached volumes=[], failed to process volumes=[]: context deadline exceeded"
    );
    bench.volumes.tear_down("u").await.unwrap();
    bench.volumes.remove_pod_dir("u").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_nobody_mounts_is_left_alone() {
    let bench = bench();
    let mut pod =
        Arc::unwrap_or_clone(pod(json!([{"name": "v", "hostPath": {"path": "/no", "type": "Directory"}}]), None));
    pod.spec.as_mut().unwrap().containers[0].volume_mounts = None;
    bench.volumes.set_up(&Arc::new(pod)).await.unwrap();
}
