//! A node as a history tells of it so far: sandboxes and containers as they really are, pods as they are shown, files as they were
//! written, and since when nothing has been wrong. Judges nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fake_cri::truth::Fact;
use serde_json::Value;

use super::shown;
use crate::{
    format::Scenario,
    history::{Entry, What},
    setup,
};

/// A sandbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Sandbox {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub ready: bool,
    pub addresses: Vec<String>,
    pub host_ports: Vec<String>,
}

/// A container.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub sandbox: String,
    pub uid: String,
    pub name: String,
    pub attempt: u32,
    /// As the manifest wrote it.
    pub image: String,
    pub created: Duration,
    pub started: Option<Duration>,
    pub exited: Option<(Duration, i32)>,
    /// When the runtime sent the stop signal.
    pub asked: Option<Duration>,
    /// When it sent KILL.
    pub killed: Option<Duration>,
}

impl Container {
    pub fn runs(&self) -> bool {
        self.started.is_some() && self.exited.is_none()
    }
}

/// Everything known.
#[derive(Debug)]
pub(super) struct Node {
    pub sandboxes: BTreeMap<String, Sandbox>,
    pub containers: BTreeMap<String, Container>,
    /// Pods as last shown, by uid.
    pub pods: BTreeMap<String, Arc<Value>>,
    /// Pods as last shown by the kubelet that runs now, those that are gone from there too: they may still be ending.
    pub known: BTreeMap<String, Arc<Value>>,
    /// How long a pod may take to end, by uid.
    pub graces: BTreeMap<String, Duration>,
    /// Uids by full name, in the order in which they appeared.
    pub appeared: BTreeMap<String, Vec<String>>,
    /// Files in the manifest directory, with what they hold.
    pub files: BTreeMap<String, Option<Arc<str>>>,
    /// When a file changed last.
    pub files_changed: Duration,
    /// Since when the kubelet runs.
    pub kubelet: Option<Duration>,
    /// Since when the runtime runs.
    pub runtime: Option<Duration>,
    /// Since when no fault is in force.
    pub faultless: Option<Duration>,
    /// When power was lost last, or the runtime changed without its client's doing.
    pub disturbed: Duration,
    /// Whether objects of an API server lie on the node.
    pub local_objects: bool,
    /// Whether the wall clock has ever gone back: what is dated is out of order then.
    pub went_back: bool,
    /// Whether the runtime has ever said what was not so.
    pub lied: bool,
    /// Whether container events go wrong on their way.
    pub events_fail: bool,
    /// Whether the target tells facts at all.
    pub facts: bool,
    /// Uids of pods that have been shown as refused or ended.
    pub gone: BTreeSet<String>,
}

impl Node {
    pub fn new(scenario: &Scenario) -> Self {
        let runtime = scenario.runtime.clone().unwrap_or_default();
        Self {
            sandboxes: BTreeMap::new(),
            containers: BTreeMap::new(),
            pods: BTreeMap::new(),
            known: BTreeMap::new(),
            graces: BTreeMap::new(),
            appeared: BTreeMap::new(),
            files: BTreeMap::new(),
            files_changed: Duration::ZERO,
            kubelet: None,
            runtime: Some(Duration::ZERO),
            faultless: runtime.faults.is_empty().then_some(Duration::ZERO),
            disturbed: Duration::ZERO,
            local_objects: scenario.kubelet.flags.iter().any(|flag| flag.starts_with("--local-objects")),
            went_back: false,
            lied: false,
            events_fail: runtime.event_faults != fake_cri::events::EventFaults::default(),
            facts: false,
            gone: BTreeSet::new(),
        }
    }

    /// How long kubelet and runtime have run without fault at `now`.
    pub fn healthy_for(&self, now: Duration) -> Duration {
        match (self.kubelet, self.runtime, self.faultless) {
            (Some(kubelet), Some(runtime), Some(faultless)) => {
                now.saturating_sub(kubelet.max(runtime).max(faultless).max(self.disturbed))
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether kubelet and runtime run without a fault.
    pub fn is_whole(&self) -> bool {
        self.kubelet.is_some() && self.runtime.is_some() && self.faultless.is_some()
    }

    /// The newest container of that name in a pod.
    pub fn newest(&self, uid: &str, name: &str) -> Option<(&String, &Container)> {
        let of = self.containers.iter().filter(|(_, c)| c.uid == uid && c.name == name);
        of.max_by_key(|(_, c)| (c.attempt, c.created))
    }

    /// The ready sandbox of a pod.
    pub fn ready_sandbox(&self, uid: &str) -> Option<(&String, &Sandbox)> {
        self.sandboxes.iter().find(|(_, s)| s.ready && s.uid == uid)
    }

    pub fn apply(&mut self, entry: &Entry) {
        match &entry.what {
            What::Fact(fact) => {
                self.facts = true;
                self.fact(entry.at, fact);
            }
            What::Pod(pod) => {
                let uid = shown::uid(pod).to_owned();
                let all = self.appeared.entry(shown::full_name(pod)).or_default();
                if !self.pods.contains_key(&uid) {
                    all.push(uid.clone());
                }
                self.graces.insert(uid.clone(), shown::grace(pod));
                self.known.insert(uid.clone(), pod.clone());
                self.pods.insert(uid, pod.clone());
            }
            What::PodGone { uid, .. } => {
                self.pods.remove(uid);
                self.gone.insert(uid.clone());
            }
            What::Kubelet(word) => {
                self.kubelet = (word == "started").then_some(entry.at);
                if self.kubelet.is_none() {
                    // Nobody shows a pod; who starts next has to find those that are left.
                    self.pods.clear();
                    self.known.clear();
                }
            }
            What::Clock(by) => self.went_back |= by.0.is_negative(),
            What::Runtime(word) => {
                self.disturbed = entry.at;
                self.runtime = matches!(word.as_str(), "start" | "restart").then_some(entry.at);
            }
            What::Faults { in_force, lying } => {
                self.faultless = (!in_force).then_some(entry.at);
                self.lied |= lying;
            }
            What::File { path, content } => {
                let Some(name) = path.strip_prefix(setup::MANIFESTS) else { return };
                let name = name.trim_start_matches('/').to_owned();
                self.files_changed = entry.at;
                match content {
                    Some(content) => self.files.insert(name, content.clone()),
                    None => self.files.remove(&name),
                };
            }
            _ => {}
        }
    }

    fn fact(&mut self, at: Duration, fact: &Fact) {
        match fact {
            Fact::SandboxReady { id, namespace, name, uid, addresses, host_ports, .. } => {
                let sandbox = Sandbox {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: uid.clone(),
                    ready: true,
                    addresses: addresses.clone(),
                    host_ports: host_ports.clone(),
                };
                self.sandboxes.insert(id.clone(), sandbox);
            }
            Fact::SandboxNotReady { id } => {
                if let Some(sandbox) = self.sandboxes.get_mut(id) {
                    sandbox.ready = false;
                }
            }
            Fact::SandboxRemoved { id } => drop(self.sandboxes.remove(id)),
            Fact::ContainerCreated { id, sandbox, name, attempt, image } => {
                let uid = self.sandboxes.get(sandbox).map(|s| s.uid.clone()).unwrap_or_default();
                let container = Container {
                    sandbox: sandbox.clone(),
                    uid,
                    name: name.clone(),
                    attempt: *attempt,
                    image: image.clone(),
                    created: at,
                    ..Container::default()
                };
                self.containers.insert(id.clone(), container);
            }
            Fact::ContainerStarted { id } => self.with(id, |c| c.started = Some(at)),
            Fact::ContainerSignalled { id, kill } => self.with(id, |c| {
                let when = if *kill { &mut c.killed } else { &mut c.asked };
                when.get_or_insert(at);
            }),
            Fact::ContainerExited { id, code } => self.with(id, |c| c.exited = Some((at, *code))),
            Fact::ContainerRemoved { id } => drop(self.containers.remove(id)),
            Fact::PowerLost { containers_forgotten, sandboxes_forgotten } => {
                self.disturbed = at;
                for container in self.containers.values_mut().filter(|c| c.runs()) {
                    container.exited = Some((at, 255));
                }
                for sandbox in self.sandboxes.values_mut() {
                    sandbox.ready = false;
                }
                if *containers_forgotten {
                    self.containers.clear();
                }
                if *sandboxes_forgotten {
                    self.sandboxes.clear();
                }
            }
        }
    }

    fn with(&mut self, id: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.containers.get_mut(id) {
            change(container);
        }
    }
}
