//! The pod-level control group: made with its limits before the first sandbox, removed after the last container. How groups are made is
//! `groups`.

use k8s_openapi::api::core::v1::Pod;
use world::World;

use super::{Group, groups::Groups, values::Values};
use crate::{
    api::qos,
    runtime::{RuntimeSettings, naming},
};

/// Pod-level control groups, with the driver and below the root that the settings say.
#[derive(Clone, Debug)]
pub struct PodCgroups(Groups);

impl PodCgroups {
    /// Groups on this node.
    pub fn new(world: World, settings: RuntimeSettings) -> Self {
        Self(Groups::new(world, settings))
    }

    /// Makes the pod's group with its limits, where it is ours to make. Nothing is written to one that exists.
    ///
    /// # Errors
    /// The text behind `unable to ensure pod container exists: ` in the event `FailedCreatePodContainer`.
    pub async fn ensure(&self, pod: &Pod) -> Result<(), String> {
        let group = Group::Pod(qos::class(pod), naming::uid(pod));
        let values = Values::of_pod(pod, self.0.settings());
        let parts = group.components(&self.0.settings().cgroup_root);
        let put = self.0.put(group, values, true).await;
        put.map_err(|error| format!("failed to create container for [{}] : {error}", parts.join(" ")))
    }

    /// Whether the pod has a group of another class of service than it is of by now, and none of its own.
    pub fn is_elsewhere(&self, pod: &Pod) -> bool {
        self.0.is_elsewhere(qos::class(pod), naming::uid(pod))
    }

    /// Writes some values of a pod's group, which must be there.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) async fn set(&self, class: qos::QosClass, uid: &str, values: Values) -> Result<(), String> {
        self.0.put(Group::Pod(class, uid), values, false).await
    }

    /// Bytes of memory that a pod's group counts; `None` where there is no such group of ours.
    pub(crate) fn memory_used(&self, class: qos::QosClass, uid: &str) -> Option<u64> {
        self.0.memory_used(Group::Pod(class, uid))
    }

    /// Removes the pod's group with what is below it, in whatever class of service it is. Done when there is none.
    ///
    /// # Errors
    /// The kernel keeps it.
    pub async fn destroy(&self, uid: &str) -> Result<(), String> {
        self.0.remove_pod(uid).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use world::{Tasks, machine::Facts, programs::Outcome, sim::SimWorld};

    use super::*;
    use crate::runtime::CgroupDriver;

    fn pod() -> Pod {
        serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "c"}]}})).unwrap()
    }

    fn hierarchy(world: &World) {
        world.files.create_dir_all(Path::new("/sys/fs/cgroup"), 0o755).unwrap();
        world.files.write(Path::new("/sys/fs/cgroup/cgroup.procs"), b"", 0o644).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_comes_and_goes() {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        hierarchy(&world);
        let cgroups = PodCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()));
        cgroups.ensure(&pod()).await.unwrap();
        let dir = Path::new("/sys/fs/cgroup/kubepods/besteffort/podu");
        assert!(world.files.exists(dir));
        world.files.create_dir(&dir.join("container"), 0o755).unwrap();
        cgroups.ensure(&pod()).await.unwrap();
        cgroups.destroy("u").await.unwrap();
        assert!(!world.files.exists(dir) && world.files.exists(Path::new("/sys/fs/cgroup/kubepods/besteffort")));
        cgroups.destroy("u").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_of_another_class_is_elsewhere() {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        hierarchy(&world);
        let cgroups = PodCgroups::new(world, RuntimeSettings::new("n", Facts::simulated()));
        assert!(!cgroups.is_elsewhere(&pod()), "it is nowhere yet");
        cgroups.ensure(&pod()).await.unwrap();
        assert!(!cgroups.is_elsewhere(&pod()));
        let resources = json!({"requests": {"cpu": "1"}});
        let spec = json!({"containers": [{"name": "c", "resources": resources}]});
        let resized: Pod = serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": spec})).unwrap();
        assert!(cgroups.is_elsewhere(&resized));
        cgroups.ensure(&resized).await.unwrap();
        assert!(!cgroups.is_elsewhere(&resized));
        cgroups.destroy("u").await.unwrap();
        assert!(!cgroups.is_elsewhere(&pod()) && !cgroups.is_elsewhere(&resized), "both are gone");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_made_where_there_is_no_hierarchy() {
        let world = SimWorld::new(1, &Tasks::root("test")).world;
        let cgroups = PodCgroups::new(world.clone(), RuntimeSettings::new("n", Facts::simulated()));
        cgroups.ensure(&pod()).await.unwrap();
        assert!(!world.files.exists(Path::new("/sys/fs/cgroup/kubepods")));
        cgroups.destroy("u").await.unwrap();
    }

    /// Once made, a slice is left alone until its pod has gone.
    #[tokio::test(start_paused = true)]
    async fn slices_are_systemds_to_make() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        hierarchy(&sim.world);
        let slice = "/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podu.slice";
        let files = sim.world.files.clone();
        sim.programs.register("/usr/bin/busctl", move |_| {
            files.create_dir_all(Path::new(slice), 0o755).unwrap();
            files.write(&Path::new(slice).join("cpu.weight"), b"100", 0o644).unwrap();
            async { Ok(Outcome::default()) }
        });
        sim.programs.register("/usr/bin/systemctl", |_| async { Ok(Outcome::default()) });
        let settings =
            RuntimeSettings { cgroup_driver: CgroupDriver::Systemd, ..RuntimeSettings::new("n", Facts::simulated()) };
        let cgroups = PodCgroups::new(sim.world.clone(), settings);
        cgroups.ensure(&pod()).await.unwrap();
        cgroups.ensure(&pod()).await.unwrap();
        let weight = sim.world.files.read_to_string(&Path::new(slice).join("cpu.weight"), 64).unwrap();
        assert_eq!(weight, "1");
        cgroups.destroy("u").await.unwrap();
        let programs: Vec<String> =
            sim.programs.calls().iter().map(|call| call.program.display().to_string()).collect();
        assert_eq!(programs, ["/usr/bin/busctl", "/usr/bin/systemctl"]);
    }
}
