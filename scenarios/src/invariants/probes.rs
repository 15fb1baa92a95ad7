//! Whether every container that wants to be probed is, whatever the others do.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fake_cri::truth::Fact;
use serde_json::Value;

use super::{Findings, Rule, node::Node, shown};
use crate::history::{Entry, What};

/// Beyond its delay, two periods and its timeout: a probe that waits for a listing to learn of its container.
const SLACK: Duration = Duration::from_secs(12);

/// A container that had run for this long when the kubelet came up has started, as upstream's prober takes it: its startup probe is not
/// asked, whatever the kubelet before knew. Statuses tell whole seconds, so one either way is unclear.
const FOUND: [Duration; 2] = [Duration::from_secs(9), Duration::from_secs(11)];

/// Rule 37, as far as probes that run a program show it.
#[derive(Default)]
pub(super) struct Probes {
    /// Containers whose probe has been asked.
    asked: BTreeSet<String>,
    /// Those that are waited for: by id, until when.
    due: BTreeMap<String, Duration>,
}

/// The probe of a container that is asked first, if it runs a program, and how long until it must have been. `before` is how long it ran
/// before the kubelet did.
fn first_probe(container: &Value, before: Duration) -> Option<Duration> {
    let probe = match container.get("startupProbe") {
        Some(_) if before > FOUND[0] && before < FOUND[1] => return None,
        Some(probe) if before <= FOUND[0] => probe,
        _ => ["livenessProbe", "readinessProbe"].iter().find_map(|kind| container.get(kind))?,
    };
    probe.get("exec")?;
    let number = |field: &str, default: u64| probe.get(field).and_then(Value::as_u64).unwrap_or(default);
    let seconds = number("initialDelaySeconds", 0) + 2 * number("periodSeconds", 10) + number("timeoutSeconds", 1);
    Some(Duration::from_secs(seconds) + SLACK)
}

impl Rule for Probes {
    fn see(&mut self, entry: &Entry, node: &Node, _findings: &mut Findings) {
        match &entry.what {
            What::Call(call) if call.rpc == "ExecSync" => {
                let id = shown::text(&call.request, "/container_id");
                self.due.remove(id);
                self.asked.insert(id.to_owned());
            }
            // Without the runtime nobody can be asked.
            What::Pod(pod) if node.runtime.is_some() => {
                for status in shown::statuses(pod).filter(|s| s.pointer("/state/running").is_some()) {
                    let id = shown::container_id(status);
                    let spec = shown::container(pod, shown::text(status, "/name"));
                    let running = node.containers.get(id).filter(|c| c.runs() && c.asked.is_none());
                    let Some(started) = running.and_then(|c| c.started) else { continue };
                    let before = node.kubelet.unwrap_or_default().saturating_sub(started);
                    let Some(patience) = spec.and_then(|spec| first_probe(spec, before)) else { continue };
                    if !self.asked.contains(id) {
                        self.due.entry(id.to_owned()).or_insert(entry.at + patience);
                    }
                }
            }
            What::Fact(Fact::ContainerExited { id, .. } | Fact::ContainerSignalled { id, .. }) => {
                self.due.remove(id);
            }
            What::Kubelet(_) | What::Runtime(_) | What::Faults { .. } | What::Fact(Fact::PowerLost { .. }) => {
                self.due.clear()
            }
            What::PodGone { uid, .. } => {
                let of = |id: &String| node.containers.get(id).is_some_and(|c| c.uid == *uid);
                self.due.retain(|id, _| !of(id));
            }
            _ => {}
        }
    }

    fn lasted(&mut self, now: Duration, node: &Node, findings: &mut Findings) {
        let late = self.due.iter().find(|(_, until)| now > **until).map(|(id, _)| id.clone());
        let Some(id) = late else { return };
        self.due.remove(&id);
        // What a pod is doing while it ends is not probed any more.
        let Some(container) = node.containers.get(&id).filter(|c| c.asked.is_none()) else { return };
        if node.is_whole() && node.pods.get(&container.uid).is_some_and(|pod| !shown::ended(pod)) {
            findings.add(37, format!("the probe of {} ({id}) was never asked", container.name));
        }
    }
}
