//! What must hold in every scenario, whatever it is about: rules by number, looked at after every event. Each number stands for a bug that
//! kubelets really had. Rules judge what a history holds; what only the node knows is looked at in between by `node_looks`.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    format::Scenario,
    history::{Entry, History, What},
};

mod backoff;
mod desired;
mod identity;
mod node;
pub mod node_looks;
mod probes;
mod shown;
mod status;
mod termination;
#[cfg(test)]
mod tests;

use node::Node;

/// The rules by number, in a few words each. 13 has no look of its own: a pod that is held up by a source breaks 6 or 10.
pub const NAMES: [(u8, &str); 38] = [
    (1, "at most one running container of a name in a pod"),
    (2, "at most one live pod of a name"),
    (3, "at most one ready sandbox of a pod, and attempts rise"),
    (4, "nothing is made for a pod that has ended for good"),
    (5, "the number of a container is not used again"),
    (6, "a pod that is wanted gets its containers, or something says why not"),
    (7, "the manifest written last wins, and no version before it starts after it was seen"),
    (8, "a container that was made and not started does not hold up its pod"),
    (9, "the same manifest written again changes nothing"),
    (10, "the pods are those of the directory, whatever the order of its changes"),
    (11, "a file that cannot be read makes no pod"),
    (12, "a pod that nobody wants is stopped, whenever its file went"),
    (13, "a source that is not ready holds up no other"),
    (14, "a pod that needs an API server never runs half"),
    (15, "what is shown of a container is what is true of it"),
    (16, "a phase never goes back"),
    (17, "a restart count never falls"),
    (18, "a pod is ready only if its containers are"),
    (19, "a restart of the kubelet alone changes nothing that is shown of a container that runs on"),
    (20, "a container that ended keeps how it ended"),
    (21, "a condition's time changes when its status does, and only then"),
    (22, "a pod's addresses are those of its sandbox"),
    (23, "a pod that was refused says why and gets no container"),
    (24, "a container has its grace, and not more"),
    (25, "grace only shrinks"),
    (26, "a sandbox is stopped after its last container"),
    (27, "liveness and startup are not asked of a container that is being ended"),
    (28, "termination ends"),
    (29, "an event that was lost is made good"),
    (30, "sidecars end last, in reverse order"),
    (31, "every network that was attached is detached"),
    (32, "nothing is left of a pod that is gone"),
    (33, "tasks of a pod end with it"),
    (34, "a container that ends again and again waits ever longer"),
    (35, "the sync loop does not stall"),
    (36, "rotated logs are bounded in number"),
    (37, "every probe is asked, whatever becomes of others"),
    (38, "a port of the node has one owner at a time"),
];

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number.
    pub number: u8,
    /// When.
    pub at: Duration,
    /// How, in one line.
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(number, _)| *number == self.number).map_or("", |(_, name)| name);
        write!(f, "invariant {} ({name}): {}", self.number, self.how)
    }
}

/// What rules say.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Broken>,
    at: Duration,
}

impl Findings {
    fn add(&mut self, number: u8, how: impl Into<String>) {
        self.found.push(Broken { number, at: self.at, how: how.into() });
    }
}

/// One rule, or a few that look at the same things.
trait Rule {
    /// Something happened. `node` is as it was before.
    fn see(&mut self, _entry: &Entry, _node: &Node, _findings: &mut Findings) {}

    /// All is still as `node` says, at `now`.
    fn lasted(&mut self, _now: Duration, _node: &Node, _findings: &mut Findings) {}
}

/// The rules and what they have seen so far of one run.
pub struct Invariants {
    seen: usize,
    node: Node,
    rules: Vec<Box<dyn Rule>>,
    excepted: BTreeMap<u8, String>,
}

impl fmt::Debug for Invariants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invariants({} entries seen)", self.seen)
    }
}

impl Invariants {
    /// All rules but those that the scenario excepts, and those that cannot be told when not every status is seen.
    pub fn new(scenario: &Scenario, every_status: bool) -> Self {
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::<identity::Identity>::default(),
            Box::<identity::Ports>::default(),
            Box::<desired::Wanted>::default(),
            Box::<desired::Progress>::default(),
            Box::<desired::Rewrites>::default(),
            Box::<status::Changes>::default(),
            Box::<status::Restarts>::default(),
            Box::<status::Truthful>::default(),
            Box::<termination::Grace>::default(),
            Box::<termination::Order>::default(),
            Box::new(backoff::BackOff::new(scenario)),
            Box::<probes::Probes>::default(),
        ];
        let mut excepted = scenario.except.clone();
        if !every_status {
            // A condition that became another and the same again has another time, rightly.
            excepted.insert(21, "not every status is seen".to_owned());
        }
        Self { seen: 0, node: Node::new(scenario), rules, excepted }
    }

    /// Looks at all that happened since the last look, one thing after another. The first rule that was broken and is not excepted.
    pub fn catch_up(&mut self, history: &History) -> Option<Broken> {
        let now = history.now();
        let entries = history.since(self.seen);
        self.seen += entries.len();
        let mut findings = Findings::default();
        for entry in &entries {
            self.step(entry, &mut findings);
            if let Some(broken) = self.first(&mut findings) {
                return Some(broken);
            }
        }
        self.lasted(now, &mut findings);
        self.first(&mut findings)
    }

    fn first(&self, findings: &mut Findings) -> Option<Broken> {
        findings.found.drain(..).find(|broken| !self.excepted.contains_key(&broken.number))
    }

    /// Uids of the pods that are shown.
    pub fn shown(&self) -> Vec<String> {
        self.node.pods.keys().cloned().collect()
    }

    /// Whether kubelet and runtime run, and nothing goes wrong on purpose.
    pub fn node_is_whole(&self) -> bool {
        self.node.is_whole()
    }

    /// Whether the scenario excepts a rule.
    pub fn excepts(&self, number: u8) -> bool {
        self.excepted.contains_key(&number)
    }

    fn lasted(&mut self, now: Duration, findings: &mut Findings) {
        findings.at = now;
        for rule in &mut self.rules {
            rule.lasted(now, &self.node, findings);
        }
    }

    fn step(&mut self, entry: &Entry, findings: &mut Findings) {
        // What a kubelet says to itself and asks all the time tells nothing.
        if matches!(&entry.what, What::Log(_) | What::Answer { .. }) {
            return;
        }
        if entry.at > findings.at {
            self.lasted(entry.at, findings);
        }
        findings.at = entry.at;
        for rule in &mut self.rules {
            rule.see(entry, &self.node, findings);
        }
        self.node.apply(entry);
    }
}
