//! Collection against the fake runtime: a file system that fills up, images in use, pinned ones, ages, and what is told.

use std::sync::Mutex;

use fake_cri::{Config, FakeCri, catalogue::ImageSpec};
use world::{
    Tasks,
    files::Usage,
    net::Address,
    sim::{self, Limits, SimWorld},
};

use super::*;
use crate::{
    cri::{CriClient, Endpoints},
    observer::{NodeEvent, Observer},
    runtime::RuntimeSettings,
};

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn node_event(&self, event: &NodeEvent) {
        self.0.lock().unwrap().push(format!("{} {}", event.reason, event.message));
    }
}

const DISK: &str = "/images";

fn room(sim: &SimWorld, percent_free: u64) {
    let usage = Usage { capacity: 100 << 30, available: percent_free << 30, inodes: 1000, inodes_free: 1000 };
    sim.files.set_room(DISK, usage).unwrap();
}

async fn collector(sim: &SimWorld, tasks: &Tasks, told: &Arc<Told>) -> (ImageCollector, FakeCri) {
    sim.world.files.create_dir_all(DISK.as_ref(), 0o755).unwrap();
    sim.files.mount(DISK).unwrap();
    let mut config = Config { image_mountpoint: DISK.to_owned(), ..Config::default() };
    for (name, size, pinned) in [("small", 1_u64 << 30, false), ("large", 20 << 30, false), ("kept", 30 << 30, true)] {
        let spec = ImageSpec {
            name: format!("registry.example/{name}:1"),
            present: true,
            size: Some(size),
            pinned,
            ..ImageSpec::default()
        };
        assert!(config.images.add(&spec));
    }
    let address: Address = config.listen.clone();
    let fake = FakeCri::start(&sim.world, config, tasks).await.unwrap();
    let endpoints = Endpoints { runtime: address.clone(), image: address, timeout: Duration::from_secs(120) };
    let cri = CriClient::new(&sim.world.net, &endpoints, tasks);
    cri.handshake().await.unwrap();
    let settings = RuntimeSettings::new("node", sim.world.machine.facts().unwrap());
    let runtime = RuntimeManager::new(sim.world.clone(), tasks.clone(), cri, settings, told.clone());
    let policy = Policy { high: 85, low: 80, minimum_age: Duration::from_secs(120), maximum_age: None };
    let collector = ImageCollector {
        runtime,
        pods: Arc::default(),
        policy,
        node: "node".to_owned(),
        started: sim.world.clock.now(),
        records: Records::new(),
    };
    (collector, fake)
}

fn removed(fake: &FakeCri) -> usize {
    fake.journal().entries().iter().filter(|entry| entry.rpc == "RemoveImage").count()
}

#[test]
fn a_full_disk_is_cleared_of_old_unused_images() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let told = Arc::new(Told::default());
        let (mut collector, fake) = collector(&sim, &tasks, &told).await;
        room(&sim, 50);
        collector.collect().await.unwrap();
        assert_eq!(removed(&fake), 0, "there is room");
        room(&sim, 10);
        let error = collector.collect().await.unwrap_err();
        assert_eq!(removed(&fake), 0, "too young, all of them");
        assert!(error.to_string().starts_with(
            "Insufficient free disk space on the node's image filesystem (90% of 100.0 GiB used). Failed to free sufficient space by \
             deleting unused images (freed 0 bytes)."
        ));
        tokio::time::sleep(Duration::from_secs(120)).await;
        collector.collect().await.unwrap();
        let ids = fake.journal().entries();
        assert!(ids.iter().any(|entry| entry.rpc == "RemoveImage"), "room was made");
        let left = collector.runtime.cri().list_images().await.unwrap();
        assert!(left.iter().any(|image| image.pinned), "what is pinned stays");
        assert_eq!(told.0.lock().unwrap().iter().filter(|e| e.starts_with("FreeDiskSpaceFailed")).count(), 1);
    })
    .unwrap();
}

#[test]
fn old_images_go_whatever_the_room() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let told = Arc::new(Told::default());
        let (mut collector, fake) = collector(&sim, &tasks, &told).await;
        collector.policy.maximum_age = Some(Duration::from_secs(3600));
        room(&sim, 90);
        let before = collector.runtime.cri().list_images().await.unwrap().len();
        collector.collect().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3601)).await;
        collector.collect().await.unwrap();
        let left = collector.runtime.cri().list_images().await.unwrap();
        assert!(left.iter().all(|image| image.pinned), "{left:?}");
        assert_eq!(before - left.len(), removed(&fake));
    })
    .unwrap();
}

#[test]
fn a_file_system_without_size_is_told() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let told = Arc::new(Told::default());
        let (collector, _fake) = collector(&sim, &tasks, &told).await;
        let usage = Usage { capacity: 0, available: 0, inodes: 0, inodes_free: 0 };
        sim.files.set_room(DISK, usage).unwrap();
        let running = tasks.spawn("image-gc", collector.run());
        tokio::time::sleep(Duration::from_secs(301)).await;
        let text = "invalid capacity 0 on image filesystem";
        let expected = [
            format!("InvalidDiskCapacity {text}"),
            format!("InvalidDiskCapacity {text}"),
            format!("ImageGCFailed {text}"),
        ];
        assert_eq!(*told.0.lock().unwrap(), expected, "the second failure is told");
        drop(running);
    })
    .unwrap();
}

#[test]
fn references_in_full() {
    assert_eq!(full_name("nginx").as_deref(), Some("docker.io/library/nginx:latest"));
    assert_eq!(full_name("a.b/c:1").as_deref(), Some("a.b/c:1"));
    assert_eq!(full_name("UPPER/Bad:::x"), None);
}
