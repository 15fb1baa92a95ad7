//! What is shown of a pod against what was shown before, and against what is true: phases, counts, conditions, states, addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fake_cri::truth::Fact;
use kubelet::api::reasons::waiting::RESTARTING_ALL_CONTAINERS;
use serde_json::Value;

use super::{Findings, Rule, node::Node, shown};
use crate::history::{Entry, What};

/// How long a change may stay unseen: a full listing every ten seconds, and time to read what it says.
const SEEN: Duration = Duration::from_secs(13);

/// Rules 16 to 18, 20, 21, 23.
#[derive(Default)]
pub(super) struct Changes {
    /// Pods as shown last, by uid, whichever kubelet showed them.
    last: BTreeMap<String, Arc<Value>>,
    /// Those that the kubelet that runs now has shown.
    since_start: BTreeSet<String>,
    /// Pods that have had a sandbox before the one they have: their init containers run once more.
    anew: BTreeSet<String>,
    /// Init containers whose newest remains were taken away, by uid and name: as upstream, newest first, before the new sandbox is made.
    purged: BTreeSet<(String, String)>,
}

impl Rule for Changes {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::Pod(pod) => {
                let uid = shown::uid(pod);
                // A kubelet that has just started shows what its file says, before it has looked at the runtime.
                let fresh = !self.since_start.contains(uid) && shown::statuses(pod).next().is_none();
                if fresh && shown::phase(pod) == "Pending" {
                    return;
                }
                let told = !node.gone.contains(uid) && !node.lied;
                if let Some(before) = self.last.get(uid).filter(|_| told) {
                    // A phase is kept in memory: after a restart it is that of the containers.
                    if self.since_start.contains(uid) {
                        self.phases(before, pod, findings);
                    }
                    // With the old sandbox go its init containers, their logs, and so their numbers.
                    counts(
                        before,
                        pod,
                        &|name| self.since_start.contains(uid) || node.newest(uid, name).is_some(),
                        &|name| self.anew.contains(uid) || self.purged.contains(&(uid.to_owned(), name.to_owned())),
                        findings,
                    );
                    endings(before, pod, findings);
                    if self.since_start.contains(uid) {
                        times(before, pod, !node.went_back, findings);
                    }
                }
                alone(pod, findings);
                // Who comes back after another version was there begins anew.
                let name = shown::full_name(pod);
                self.last.retain(|other, pod| other == uid || shown::full_name(pod) != name);
                self.since_start.insert(uid.to_owned());
                self.last.insert(uid.to_owned(), pod.clone());
            }
            What::PodGone { uid, .. } => {
                self.last.remove(uid);
                self.since_start.remove(uid);
                self.anew.remove(uid);
                self.purged.retain(|(of, _)| of != uid);
            }
            What::Fact(Fact::ContainerRemoved { id }) => {
                if let Some(container) = node.containers.get(id)
                    && node.sandboxes.get(&container.sandbox).is_none_or(|sandbox| !sandbox.ready)
                    && node.newest(&container.uid, &container.name).is_some_and(|(newest, _)| newest == id)
                {
                    self.purged.insert((container.uid.clone(), container.name.clone()));
                }
            }
            What::Kubelet(_) => self.since_start.clear(),
            What::Fact(Fact::SandboxReady { uid, .. }) if node.sandboxes.values().any(|s| s.uid == *uid) => {
                self.anew.insert(uid.clone());
            }
            // Books that were lost leave no count to go on from.
            What::Fact(Fact::PowerLost { containers_forgotten: true, .. }) => self.last.clear(),
            _ => {}
        }
    }
}

impl Changes {
    fn phases(&self, before: &Value, after: &Value, findings: &mut Findings) {
        let (from, to) = (shown::phase(before), shown::phase(after));
        let back = match (from, to) {
            ("Succeeded" | "Failed", to) => to != from,
            // A new sandbox begins with the init containers, and so does a restart of all; a container that could not be started and of
            // which nothing older is left has nothing else to show.
            ("Running", "Pending") => {
                let anew = self.anew.contains(shown::uid(after)) || shown::has_restart_rules(after);
                let nothing =
                    |s: &Value| s.pointer("/state/waiting").is_some() && s.pointer("/lastState/terminated").is_none();
                !anew && !shown::statuses(after).any(nothing)
            }
            _ => false,
        };
        if back {
            findings.add(16, format!("phase of {} went from {from} to {to}", shown::full_name(after)));
        }
    }
}

/// `kept` says of a container whether its count is still kept anywhere: in the memory of the kubelet or by a container; `anew` says of an
/// init container whether it begins anew.
fn counts(
    before: &Value,
    after: &Value,
    kept: &dyn Fn(&str) -> bool,
    anew: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
) {
    for status in shown::statuses(after) {
        let name = shown::text(status, "/name");
        if anew(name) && shown::is_init(after, name) || !kept(name) {
            continue;
        }
        let Some(old) = shown::status(before, name) else { continue };
        let (from, to) = (shown::restart_count(old), shown::restart_count(status));
        if to < from {
            findings.add(17, format!("restartCount of {name} in {} fell from {from} to {to}", shown::full_name(after)));
        }
    }
}

/// What is said of an init container of which the runtime knows nothing.
const NOT_FOUND: &str = "Unable to get init container status from container runtime";

/// A container that was shown as ended is shown as ended in the same way as long as it is shown at all.
fn endings(before: &Value, after: &Value, findings: &mut Findings) {
    for status in shown::statuses(after) {
        let name = shown::text(status, "/name");
        let Some(ended) = shown::status(before, name).and_then(|old| old.pointer("/state/terminated")) else {
            continue;
        };
        let id = shown::text(ended, "/containerID");
        if id.is_empty() {
            continue;
        }
        let now = ["/state", "/lastState"].into_iter().filter_map(|place| status.pointer(place));
        let same = now.filter_map(|state| state.get("terminated")).find(|t| shown::text(t, "/containerID") == id);
        match same {
            Some(now) if now != ended => {
                let how =
                    format!("container {name} of {} had ended as {ended}, and now as {now}", shown::full_name(after));
                findings.add(20, how);
            }
            // An init container whose remains went with its sandbox is taken for one that ended well where all restart, as upstream.
            None if shown::text(status, "/state/terminated/message").starts_with(NOT_FOUND)
                && shown::has_restart_rules(after) => {}
            // A rule that restarts all containers has them removed, and shows so; why one did not start before is shown in its place.
            None if ["/state/waiting/reason", "/lastState/terminated/reason"]
                .iter()
                .any(|place| shown::text(status, place) == RESTARTING_ALL_CONTAINERS) => {}
            None if shown::text(status, "/containerID") == id => {
                let state = status.pointer("/state").unwrap_or(&Value::Null);
                findings.add(
                    20,
                    format!("container {name} of {} had ended and is shown as {state}", shown::full_name(after)),
                );
            }
            _ => {}
        }
    }
}

fn times(before: &Value, after: &Value, ordered: bool, findings: &mut Findings) {
    for condition in shown::conditions(after) {
        let kind = shown::text(condition, "/type");
        let Some(old) = shown::condition(before, kind) else { continue };
        let same = shown::text(old, "/status") == shown::text(condition, "/status");
        let (from, to) = (shown::text(old, "/lastTransitionTime"), shown::text(condition, "/lastTransitionTime"));
        if same && from != to {
            findings
                .add(21, format!("{kind} of {} did not change, its time did: {from}, {to}", shown::full_name(after)));
        }
        if ordered && !same && to < from {
            findings.add(
                21,
                format!("{kind} of {} changed, and its time went back: {from}, {to}", shown::full_name(after)),
            );
        }
    }
}

/// What one showing of a pod says against itself.
fn alone(pod: &Value, findings: &mut Findings) {
    let mut kinds = BTreeSet::new();
    for condition in shown::conditions(pod) {
        let kind = shown::text(condition, "/type");
        if !kinds.insert(kind) {
            findings.add(21, format!("{} has the condition {kind} twice", shown::full_name(pod)));
        }
        if matches!(kind, "Ready" | "ContainersReady") && shown::text(condition, "/status") == "True" {
            let regular = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
            for status in regular.filter(|s| s.pointer("/ready") != Some(&Value::Bool(true))) {
                let name = shown::text(status, "/name");
                findings.add(18, format!("{} is {kind}, and its container {name} is not", shown::full_name(pod)));
            }
        }
    }
    // One that ran and cannot be found any more is shown as ended before, and as waiting now.
    let ran = shown::statuses(pod)
        .any(|status| ["/state", "/lastState"].iter().any(|at| status.pointer(&format!("{at}/terminated")).is_some()));
    if shown::phase(pod) == "Failed" && !ran && shown::text(pod, "/status/reason").is_empty() {
        findings.add(23, format!("{} failed before any container ended, and says no reason", shown::full_name(pod)));
    }
}

/// Rule 19.
#[derive(Default)]
pub(super) struct Restarts {
    /// Containers that ran when the kubelet ended, as they were shown: by id, with the pod's uid.
    ran: BTreeMap<String, (String, Value)>,
}

impl Rule for Restarts {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::Kubelet(word) if word != "started" => {
                for (uid, pod) in &node.pods {
                    for status in shown::statuses(pod).filter(|s| s.pointer("/state/running").is_some()) {
                        let id = shown::container_id(status);
                        if node.containers.get(id).is_some_and(|c| c.runs()) {
                            self.ran.insert(id.to_owned(), (uid.clone(), status.clone()));
                        }
                    }
                }
            }
            What::Fact(Fact::ContainerExited { id, .. } | Fact::ContainerSignalled { id, .. }) => {
                drop(self.ran.remove(id))
            }
            What::Fact(Fact::PowerLost { .. }) | What::Runtime(_) => self.ran.clear(),
            What::Faults { in_force: true, .. } => self.ran.clear(),
            What::Pod(_) if node.lied => {}
            What::Pod(pod) => {
                for status in shown::statuses(pod) {
                    let id = shown::container_id(status);
                    // A pod that was not looked at yet is shown without ids.
                    let Some((_, before)) = self.ran.remove(id) else { continue };
                    for field in ["/restartCount", "/started", "/ready", "/state/running/startedAt"] {
                        let (was, is) = (before.pointer(field), status.pointer(field));
                        // Without an API server a kubelet has no memory of what was not so yet: it takes what runs as it is.
                        let lost = match field {
                            // With an old sandbox went the numbers of its init containers.
                            "/restartCount" if shown::is_init(pod, shown::text(status, "/name")) => false,
                            // Whether it is ready, its probe is asked anew.
                            "/ready" if shown::has(pod, shown::text(status, "/name"), "/readinessProbe") => false,
                            "/started" | "/ready" => was == Some(&Value::Bool(true)) && is != was,
                            _ => was != is,
                        };
                        if lost {
                            let name = shown::text(status, "/name");
                            let value = |v: Option<&Value>| v.cloned().unwrap_or(Value::Null);
                            let (was, is) = (value(was), value(is));
                            let of = shown::full_name(pod);
                            findings.add(19, format!("{name} of {of} ran on, and its {field} went from {was} to {is}"));
                        }
                    }
                }
            }
            What::PodGone { uid, .. } => self.ran.retain(|_, (of, _)| of != uid),
            _ => {}
        }
    }
}

/// Rules 15, 22 and 29.
#[derive(Default)]
pub(super) struct Truthful {
    /// Since when a container is other than shown, by its id.
    wrong: BTreeMap<String, Duration>,
    /// Since when a pod's addresses are, by uid.
    addresses: BTreeMap<String, Duration>,
    /// When a container was said last to be killed, by the pod's name.
    killing: BTreeMap<String, Duration>,
}

impl Truthful {
    /// How long a change of a pod may stay unseen that is there since then: who waits for a container to end does not look.
    fn patience(&self, pod: &Value, since: Duration) -> Duration {
        let names = shown::containers(pod).map(|(c, _)| shown::text(c, "/name"));
        let grace = names.map(|name| shown::grace_of(pod, name).1).max().unwrap_or_default();
        match self.killing.get(shown::text(pod, "/metadata/name")) {
            Some(killing) if *killing + grace >= since => SEEN + grace,
            _ => SEEN,
        }
    }
}

impl Rule for Truthful {
    fn see(&mut self, entry: &Entry, _node: &Node, _findings: &mut Findings) {
        match &entry.what {
            What::Event(event) if event.reason == "Killing" => {
                self.killing.insert(event.object.clone(), entry.at);
            }
            What::Kubelet(_) => self.killing.clear(),
            _ => {}
        }
    }

    fn lasted(&mut self, now: Duration, node: &Node, findings: &mut Findings) {
        let healthy = node.healthy_for(now);
        let mut wrong = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        for (uid, pod) in &node.pods {
            for status in shown::statuses(pod) {
                let name = shown::text(status, "/name");
                let Some((id, container)) = node.newest(uid, name) else { continue };
                let running = status.pointer("/state/running").is_some();
                // A container that only was made is shown as waiting, as is one that ended and waits for its next start.
                if container.started.is_some()
                    && (running != container.runs() || running && shown::container_id(status) != id)
                {
                    wrong.insert(id.clone(), (name.to_owned(), pod, running));
                }
            }
            let Some((_, sandbox)) = node.ready_sandbox(uid) else { continue };
            if shown::ended(pod) || sandbox.addresses.is_empty() {
                continue;
            }
            let ips = pod.pointer("/status/podIPs").and_then(Value::as_array).into_iter().flatten();
            let ips: Vec<&str> = ips.map(|ip| shown::text(ip, "/ip")).collect();
            if ips != sandbox.addresses.iter().map(String::as_str).collect::<Vec<_>>() {
                addresses.insert(
                    uid.clone(),
                    format!("{} shows {ips:?}, its sandbox has {:?}", shown::full_name(pod), sandbox.addresses),
                );
            }
        }
        self.wrong.retain(|id, _| wrong.contains_key(id));
        for (id, (name, pod, running)) in wrong {
            let since = *self.wrong.entry(id.clone()).or_insert(now);
            if now.saturating_sub(since).min(healthy) > self.patience(pod, since) {
                let pod = shown::full_name(pod);
                let number = if node.events_fail { 29 } else { 15 };
                let (said, not) = if running { ("running", "is not") } else { ("not running", "is") };
                findings.add(
                    number,
                    format!("{name} of {pod} has been shown as {said} since {since:?}, and it {not} ({id})"),
                );
            }
        }
        self.addresses.retain(|uid, _| addresses.contains_key(uid));
        for (uid, how) in addresses {
            let since = *self.addresses.entry(uid).or_insert(now);
            if now.saturating_sub(since).min(healthy) > SEEN {
                findings.add(22, how);
            }
        }
    }
}
