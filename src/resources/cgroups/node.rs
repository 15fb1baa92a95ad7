//! The control groups above pods: all of them together, bounded by what of the node is theirs, and one for each class of service. Set up
//! before the first pod; kept up to date after. As kubelet 1.36.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Notify;
use world::World;

use super::{Group, groups::Groups, values::Values};
use crate::{api::qos::QosClass, node::Enforced, runtime::RuntimeSettings};

/// Between two updates that nothing asked for.
const PERIOD: Duration = Duration::from_secs(60);

/// The groups above pods.
#[derive(Clone, Debug)]
pub struct NodeCgroups {
    groups: Groups,
    enforced: Enforced,
}

impl NodeCgroups {
    /// Groups on this node, which may use `enforced` in all.
    pub fn new(world: World, settings: RuntimeSettings, enforced: Enforced) -> Self {
        Self { groups: Groups::new(world, settings), enforced }
    }

    /// Whether there are hierarchies in which groups are ours to make.
    pub fn are_ours(&self) -> bool {
        self.groups.are_ours()
    }

    /// Makes the groups with their values, before any pod's.
    ///
    /// # Errors
    /// A group cannot be made.
    pub async fn set_up(&self) -> Result<(), String> {
        let facts = &self.groups.settings().facts;
        self.groups.put(Group::Node, Values::of_node(&self.enforced), false).await?;
        let best_effort = Values::of_best_effort(facts);
        self.groups.put(Group::Class(QosClass::BestEffort), best_effort, false).await?;
        self.update([].into_iter()).await
    }

    /// Gives the burstable class the weight of its pods.
    async fn update<'a>(&self, pods: impl Iterator<Item = &'a Pod>) -> Result<(), String> {
        let values = Values::of_burstable(pods, &self.groups.settings().facts);
        self.groups.put(Group::Class(QosClass::Burstable), values, false).await
    }

    /// Keeps the weight of the burstable class that of the pods that run, until it is dropped. `changed` says that they are others now.
    pub async fn keep(self, pods: impl Fn() -> Vec<Arc<Pod>> + Send + 'static, changed: Arc<Notify>) {
        loop {
            tokio::select! {
                biased;
                () = changed.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
            if let Err(error) = self.update(pods().iter().map(AsRef::as_ref)).await {
                tracing::error!(error, "Failed to update QoS cgroup configuration");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use world::{Tasks, machine::Facts, sim::SimWorld};

    use super::*;

    const KUBEPODS: &str = "/sys/fs/cgroup/kubepods";

    fn world() -> World {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        for (dir, files) in [
            ("", vec!["cgroup.procs"]),
            ("/kubepods", vec!["cpu.weight", "memory.max", "pids.max"]),
            ("/kubepods/besteffort", vec!["cpu.weight"]),
            ("/kubepods/burstable", vec!["cpu.weight"]),
        ] {
            let dir = format!("/sys/fs/cgroup{dir}");
            world.files.create_dir_all(Path::new(&dir), 0o755).unwrap();
            for file in files {
                world.files.write(&Path::new(&dir).join(file), b"", 0o644).unwrap();
            }
        }
        world
    }

    fn read(world: &World, file: &str) -> String {
        world.files.read_to_string(&Path::new(KUBEPODS).join(file), 64).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn classes_have_their_weights_from_the_start() {
        let world = world();
        let enforced = Enforced { milli_cpu: 4000, memory: 8 << 30, pids: 32_768, huge_pages: [].into() };
        let groups = NodeCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()), enforced);
        groups.set_up().await.unwrap();
        let found = ["cpu.weight", "memory.max", "pids.max", "besteffort/cpu.weight", "burstable/cpu.weight"];
        let found: Vec<String> = found.iter().map(|file| read(&world, file)).collect();
        assert_eq!(found, ["157", "8589934592", "32768", "1", "1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_burstable_class_follows_its_pods() {
        let (tasks, world) = (Tasks::root("test"), world());
        let enforced = Enforced { milli_cpu: 4000, memory: 8 << 30, pids: 32_768, huge_pages: [].into() };
        let groups = NodeCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()), enforced);
        let pod = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}});
        let pod: Arc<Pod> = Arc::new(serde_json::from_value(pod).unwrap());
        let changed = Arc::new(Notify::new());
        drop(tasks.spawn("keep", groups.keep(move || vec![pod.clone()], changed.clone())));
        changed.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(read(&world, "burstable/cpu.weight"), "79");
        tasks.shutdown().await;
    }
}
