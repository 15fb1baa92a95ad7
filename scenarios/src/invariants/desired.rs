//! What is wanted comes about, and only that: rules on pods against the manifests they come from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fake_cri::truth::Fact;
use serde_json::Value;

use super::{Findings, Rule, node::Node, shown};
use crate::history::{Entry, What};

/// How long a pod that nobody wants may keep its sandbox beyond its grace.
const LEAVING: Duration = Duration::from_secs(150);

/// How long a file's pod may take to be shown: the period of full listings, twice.
const LISTED: Duration = Duration::from_secs(45);

/// How long a container may wait without a word.
const SILENCE: Duration = Duration::from_secs(150);

/// How long what was under way may go on after a newer version was seen.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Names of the pods in the directory, by what its files say. `None` where a file cannot be understood: then nothing is known.
fn named(files: &BTreeMap<String, Option<Arc<str>>>) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (path, content) in files {
        if path.starts_with('.') || path.contains('/') {
            continue;
        }
        names.insert(pod_name(content.as_deref()?)?);
    }
    Some(names)
}

fn pod_name(content: &str) -> Option<String> {
    let value: Value = serde_saphyr::from_str(content).ok()?;
    let namespace = match shown::text(&value, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    Some(format!("{namespace}/{}", shown::text(&value, "/metadata/name")))
}

/// A shown pod's name as its manifest has it: without the node's.
fn manifest_name(pod: &Value) -> String {
    let name = shown::full_name(pod);
    let node = shown::text(pod, "/spec/nodeName");
    name.strip_suffix(&format!("-{node}")).map(str::to_owned).unwrap_or(name)
}

fn from_file(pod: &Value) -> bool {
    pod.pointer("/metadata/annotations/kubernetes.io~1config.source").and_then(Value::as_str) == Some("file")
}

/// Rules 7, 10 to 13 and 28.
#[derive(Default)]
pub(super) struct Wanted {
    /// When a pod appeared, by uid.
    appeared: BTreeMap<String, Duration>,
    /// Names that were shown.
    known: BTreeSet<String>,
    /// Every name that a file ever said.
    said: BTreeSet<String>,
    /// Files were there that this cannot read.
    unclear: bool,
    /// Since when a pod was not wanted, by uid.
    unwanted: BTreeMap<String, Duration>,
    /// What the directory says; worked out again when it changes.
    named: Option<BTreeSet<String>>,
}

impl Rule for Wanted {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::File { content, .. } => {
                let mut after = node.files.clone();
                if let What::File { path, .. } = &entry.what
                    && let Some(name) = path.strip_prefix(crate::setup::MANIFESTS)
                {
                    let name = name.trim_start_matches('/').to_owned();
                    match content {
                        Some(content) => after.insert(name, content.clone()),
                        None => after.remove(&name),
                    };
                }
                self.named = named(&after);
                match content {
                    Some(Some(text)) => self.said.extend(pod_name(text)),
                    Some(None) => self.unclear = true,
                    None => {}
                }
            }
            What::Pod(pod) if from_file(pod) => {
                let name = manifest_name(pod);
                if !self.unclear && !self.said.is_empty() && !self.said.contains(&name) {
                    findings.add(11, format!("pod {name} is shown, and no file ever said so"));
                }
                self.known.insert(name);
                if !node.pods.contains_key(shown::uid(pod)) {
                    self.appeared.insert(shown::uid(pod).to_owned(), entry.at);
                }
            }
            What::PodGone { uid, .. } => drop(self.appeared.remove(uid)),
            What::Call(call) if call.rpc == "StartContainer" => {
                let id = shown::text(&call.request, "/container_id");
                let Some(container) = node.containers.get(id) else { return };
                let Some(pod) = node.pods.get(&container.uid) else { return };
                let newest = node.appeared.get(&shown::full_name(pod)).and_then(|all| all.last());
                let Some(newest) = newest.filter(|newest| **newest != container.uid) else { return };
                let Some(seen) = self.appeared.get(newest) else { return };
                if entry.at.saturating_sub(call.took) > *seen + UNDER_WAY {
                    findings.add(
                        7,
                        format!("{} of an old version of {} was started", container.name, shown::full_name(pod)),
                    );
                }
            }
            _ => {}
        }
    }

    fn lasted(&mut self, now: Duration, node: &Node, findings: &mut Findings) {
        let healthy = node.healthy_for(now);
        // Sandboxes that belong to nobody.
        let nobodys = node.sandboxes.values().filter(|s| s.ready && !node.pods.contains_key(&s.uid));
        let mut unwanted: BTreeMap<String, &str> = nobodys.map(|s| (s.uid.clone(), s.name.as_str())).collect();
        // Pods whose file is gone.
        if let Some(named) = &self.named {
            for (uid, pod) in node.pods.iter().filter(|(_, pod)| from_file(pod)) {
                if !named.contains(&manifest_name(pod)) {
                    unwanted.insert(uid.clone(), shown::text(pod, "/metadata/name"));
                }
            }
            let still = now.saturating_sub(node.files_changed);
            if still > LISTED && healthy > LISTED {
                let shown: BTreeSet<String> = node.pods.values().map(|pod| manifest_name(pod)).collect();
                for name in named.iter().filter(|name| self.known.contains(*name) && !shown.contains(*name)) {
                    findings
                        .add(10, format!("pod {name} has a file that has not changed for {still:?}, and is not shown"));
                }
            }
        }
        self.unwanted.retain(|uid, _| unwanted.contains_key(uid));
        for (uid, name) in unwanted {
            let since = *self.unwanted.entry(uid.clone()).or_insert(now);
            let pod = node.pods.get(&uid);
            let patience = LEAVING + node.graces.get(&uid).copied().unwrap_or_default();
            if now.saturating_sub(since).min(healthy) > patience {
                let number = if pod.is_some() { 28 } else { 12 };
                findings.add(
                    number,
                    format!("nobody has wanted pod {name} for {:?}, and it is still there", now.saturating_sub(since)),
                );
            }
        }
    }
}

/// Rules 6, 8.
#[derive(Default)]
pub(super) struct Progress {
    /// Since when a container waits without a word, by uid and name.
    silent: BTreeMap<(String, String), Duration>,
    /// When an event last told something of a pod.
    told: BTreeMap<String, Duration>,
}

impl Rule for Progress {
    fn see(&mut self, entry: &Entry, _node: &Node, _findings: &mut Findings) {
        if let What::Event(event) = &entry.what {
            self.told.insert(event.object.clone(), entry.at);
        }
    }

    fn lasted(&mut self, now: Duration, node: &Node, findings: &mut Findings) {
        let healthy = node.healthy_for(now);
        let mut waiting = BTreeMap::new();
        for (uid, pod) in node.pods.iter().filter(|(uid, pod)| !shown::ended(pod) && !is_over(uid, pod, node)) {
            for status in shown::statuses(pod) {
                if shown::text(status, "/state/waiting/reason") == "ContainerCreating" {
                    let name = shown::text(status, "/name").to_owned();
                    waiting.insert((uid.clone(), name), shown::text(pod, "/metadata/name"));
                }
            }
        }
        self.silent.retain(|key, _| waiting.contains_key(key));
        for (key, pod) in waiting {
            let since = *self.silent.entry(key.clone()).or_insert(now);
            let since = self.told.get(pod).copied().unwrap_or_default().max(since);
            if now.saturating_sub(since).min(healthy) > SILENCE {
                let made = node.newest(&key.0, &key.1).is_some_and(|(_, c)| c.started.is_none());
                let number = if made { 8 } else { 6 };
                findings
                    .add(number, format!("{} of pod {pod} has waited since {since:?}, and nothing says why", key.1));
            }
        }
    }
}

/// Whether a pod that never restarts has lost its sandbox after one of its containers was made: it gets no other, and those of its
/// containers that never ran wait for good. So upstream's computePodActions.
fn is_over(uid: &str, pod: &Value, node: &Node) -> bool {
    shown::text(pod, "/spec/restartPolicy") == "Never"
        && node.ready_sandbox(uid).is_none()
        && node.containers.values().any(|c| c.uid == uid)
}

/// Rule 9.
#[derive(Default)]
pub(super) struct Rewrites {
    /// The pod whose manifest was written again just now, and when.
    same: Option<(String, Duration)>,
}

impl Rule for Rewrites {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::File { path, content } => {
                let name = path.strip_prefix(crate::setup::MANIFESTS).unwrap_or_default().trim_start_matches('/');
                let before = node.files.get(name);
                self.same = match (before, content) {
                    (Some(Some(before)), Some(Some(after))) if before == after => {
                        pod_name(after).map(|pod| (pod, entry.at))
                    }
                    _ => None,
                };
            }
            What::Kubelet(_) | What::Runtime(_) | What::Faults { .. } | What::Fact(Fact::ContainerExited { .. }) => {
                self.same = None;
            }
            What::Fact(Fact::SandboxNotReady { id }) => {
                let Some((pod, at)) = &self.same else { return };
                let Some(sandbox) = node.sandboxes.get(id) else { return };
                let name = format!("{}/{}", sandbox.namespace, sandbox.name);
                if name.starts_with(pod.as_str()) && entry.at < *at + Duration::from_secs(5) {
                    findings.add(
                        9,
                        format!("the sandbox of {name} was stopped after its manifest was written again unchanged"),
                    );
                }
            }
            _ => {}
        }
    }
}
