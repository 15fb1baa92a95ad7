//! Pods that are to have other amounts than they were given: tried when their manifests change, when others leave, and again every few
//! minutes. As the part of kubelet 1.36's allocation manager that is about resizes; static pods get there with a `metadata.uid` of their
//! own, without which an edited pod is another pod.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::time::Instant;

use super::sync_loop::SyncLoop;
use crate::{
    api::{
        gojson, pod as api_pod,
        reasons::event,
        schema,
        totals::{self, Side},
    },
    observer::EventKind,
    pods::admission,
};

/// How often what waits is tried again, although nothing has left.
const AGAIN: Duration = Duration::from_secs(3 * 60);

/// How often it is looked whether all sources have spoken: pods that they bring may have been given what is asked for.
const AT_FIRST: Duration = Duration::from_secs(30);

/// Who waits for other amounts.
#[derive(Debug)]
pub(super) struct Waiting {
    uids: Vec<String>,
    again: Instant,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { uids: Vec::new(), again: Instant::now() + AGAIN }
    }
}

impl Waiting {
    /// Whether a pod waits. One that does not was given what its manifest asks for.
    pub(super) fn includes(&self, uid: &str) -> bool {
        self.uids.iter().any(|waiting| waiting == uid)
    }
}

impl SyncLoop {
    /// A manifest asks for something: whether that is other than what it was given. Whoever waits is tried later.
    pub(super) fn note_resize(&mut self, pod: &Arc<Pod>) {
        let uid = api_pod::uid(pod);
        if Arc::ptr_eq(&self.allocated.granted(pod), pod) {
            // It may have been taken back.
            self.resizes.uids.retain(|waiting| waiting != uid);
            self.status.resizes().not_pending(uid);
        } else if !self.resizes.includes(uid) {
            self.resizes.uids.push(uid.to_owned());
        }
    }

    /// Tries what waits, if its time has come.
    pub(super) async fn resizes_due(&mut self) {
        if Instant::now() >= self.resizes.again {
            self.retry_resizes().await;
        }
    }

    /// When that is, if something waits.
    pub(super) fn next_resize(&self) -> Option<Instant> {
        (!self.resizes.uids.is_empty()).then_some(self.resizes.again)
    }

    /// Tries all that wait: those that give something back before those that want more, then the more important first.
    pub(super) async fn retry_resizes(&mut self) {
        let ready = self.sources.all_ready();
        self.resizes.again = Instant::now() + if ready { AGAIN } else { AT_FIRST };
        if !ready || self.resizes.uids.is_empty() {
            return;
        }
        // One that is being tried waits as long: the others see it with what it has.
        let mut pods: Vec<Arc<Pod>> = self.resizes.uids.iter().filter_map(|uid| self.pods.by_uid(uid)).collect();
        self.resizes.uids.retain(|uid| pods.iter().any(|pod| api_pod::uid(pod) == uid));
        pods.sort_by_key(|pod| {
            (
                asks_for_more(pod, &self.allocated.granted(pod)),
                std::cmp::Reverse(api_pod::spec(pod).priority.unwrap_or(0)),
            )
        });
        for pod in pods {
            if self.try_resize(&pod).await {
                self.resizes.uids.retain(|uid| uid != api_pod::uid(&pod));
            }
        }
    }

    /// Whether it need not be tried again.
    async fn try_resize(&mut self, pod: &Arc<Pod>) -> bool {
        let (uid, generation) = (api_pod::uid(pod), pod.metadata.generation.unwrap_or(0));
        let recorder = self.workers.parts().runtime.recorder().clone();
        let now = self.workers.parts().world.clock.now();
        let mut others = self.neighbours();
        others.remove(uid);
        match admission::admit(pod, &others, &self.node()) {
            Ok(victims) => {
                for victim in &victims {
                    self.preempt(victim).await;
                }
                self.allocated.set_pod(pod);
                self.status.resizes().granted(uid, generation, now);
                recorder.pod(pod, EventKind::Normal, event::RESIZE_STARTED, started(pod, generation));
                self.demand.notify_one();
                self.workers.update(pod);
                true
            }
            Err(rejection) => {
                let message = &rejection.message;
                if self.status.resizes().defer(uid, message, generation, now) {
                    let said = format!("Pod resize {}: {}", rejection.reason, summary(pod, generation, message));
                    recorder.pod(pod, EventKind::Warning, event::RESIZE_DEFERRED, said);
                    self.workers.wake(uid);
                }
                false
            }
        }
    }
}

fn started(pod: &Pod, generation: i64) -> String {
    format!("Pod resize started: {}", summary(pod, generation, ""))
}

/// Message of the event of a resize that is done.
pub(crate) fn completed(pod: &Pod, generation: i64) -> String {
    format!("Pod resize completed: {}", summary(pod, generation, ""))
}

/// Message of the event of a resize that has failed.
pub(crate) fn failed(pod: &Pod, generation: i64, why: &str) -> String {
    format!("Pod resize error: {}", summary(pod, generation, why))
}

/// What the pod asks for, as upstream's events have it.
fn summary(pod: &Pod, generation: i64, error: &str) -> String {
    let one = |container: &Container| {
        let resources = container.resources.clone().unwrap_or_default();
        let resources = gojson::render(&resources, &schema::RESOURCE_REQUIREMENTS);
        format!("{{\"name\":{},\"resources\":{resources}}}", gojson::quoted(&container.name))
    };
    let spec = api_pod::spec(pod);
    let list = |containers: &[Container]| format!("[{}]", containers.iter().map(one).collect::<Vec<_>>().join(","));
    let mut parts = Vec::new();
    if let Some(inits) = spec.init_containers.as_deref().filter(|inits| !inits.is_empty()) {
        parts.push(format!("\"initContainers\":{}", list(inits)));
    }
    if !spec.containers.is_empty() {
        parts.push(format!("\"containers\":{}", list(&spec.containers)));
    }
    parts.push(format!("\"generation\":{generation}"));
    if !error.is_empty() {
        parts.push(format!("\"error\":{}", gojson::quoted(error)));
    }
    format!("{{{}}}", parts.join(","))
}

fn asks_for_more(wanted: &Pod, granted: &Pod) -> bool {
    let (wanted, granted) = (totals::of_pod(wanted, Side::Requests), totals::of_pod(granted, Side::Requests));
    ["cpu", "memory"].iter().any(|name| {
        let amount = |list: &totals::Amounts| list.get(*name).map_or(0, |amount| amount.milli_value());
        amount(&wanted) > amount(&granted)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As an upstream kubelet has told it.
    #[test]
    fn events_tell_what_is_asked_for() {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "i"}],
            "containers": [{"name": "main", "resources": {"requests": {"cpu": "200m"}, "limits": {"memory": "64Mi"}}}]
        }}))
        .unwrap();
        assert_eq!(
            started(&pod, 0),
            r#"Pod resize started: {"initContainers":[{"name":"i","resources":{}}],"containers":[{"name":"main","resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"200m"}}}],"generation":0}"#
        );
        assert!(failed(&pod, 2, "no \"room\"").ends_with(r#""generation":2,"error":"no \"room\""}"#));
    }
}
