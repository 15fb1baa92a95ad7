//! Sets up the control groups above pods before the first pod starts, and has them kept up to date. What they hold is `resources`'.

use std::sync::Arc;

use tokio::sync::Notify;
use world::Tasks;

use crate::{
    api::{pod as api_pod, reasons::event},
    config::KubeletConfig,
    observer::EventKind,
    pods::PodManager,
    resources::NodeCgroups,
    worker::Workers,
};

/// Returns whom to tell that pods have come or gone. A failure is told as an event, as upstream's: pods run all the same, unbounded.
pub(super) async fn start(
    groups: NodeCgroups,
    config: &KubeletConfig,
    pods: &Arc<PodManager>,
    workers: &Workers,
    tasks: &Tasks,
) -> Arc<Notify> {
    let changed = Arc::new(Notify::new());
    if !groups.are_ours() {
        return changed;
    }
    let recorder = workers.parts().runtime.recorder();
    match groups.set_up().await {
        Ok(()) => recorder.node(
            &config.node_name,
            EventKind::Normal,
            event::NODE_ALLOCATABLE_ENFORCED,
            "Updated Node Allocatable limit across pods",
        ),
        Err(error) => {
            let message = format!("Failed to update Node Allocatable Limits {error:?}");
            recorder.node(&config.node_name, EventKind::Warning, event::FAILED_NODE_ALLOCATABLE_ENFORCEMENT, message);
        }
    }
    let (pods, workers) = (pods.clone(), workers.clone());
    let running = move || pods.pods().into_iter().filter(|pod| workers.may_run(api_pod::uid(pod))).collect();
    drop(tasks.spawn("qos-cgroups", groups.keep(running, changed.clone())));
    changed
}
