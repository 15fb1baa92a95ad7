//! Who there may be at a time: containers, sandboxes and pods of one name, and their numbers.

use std::collections::{BTreeMap, BTreeSet};

use fake_cri::truth::Fact;

use super::{Findings, Rule, node::Node, shown};
use crate::history::{Entry, What};

/// Rules 1 to 5 and 14, 23 as far as containers are made.
#[derive(Default)]
pub(super) struct Identity {
    /// The highest attempt of a container, by uid and name.
    attempts: BTreeMap<(String, String), u32>,
    /// Those whose container was removed before it ever ran: it has left no log from which its number could be known.
    unused: BTreeSet<(String, String, u32)>,
    /// The highest attempt of a sandbox, by uid.
    sandboxes: BTreeMap<String, u32>,
}

impl Rule for Identity {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        // Who is told that nothing is there makes it again.
        if node.lied {
            return;
        }
        match &entry.what {
            What::Fact(Fact::SandboxReady { id, uid, name, attempt, .. }) => {
                if let Some((other, _)) = node.sandboxes.iter().find(|(_, s)| s.ready && s.uid == *uid) {
                    findings.add(3, format!("pod {name} has the sandboxes {other} and {id} at once"));
                }
                // Of whose pod nothing is left begins anew.
                if *attempt == 0 && !node.sandboxes.values().any(|s| s.uid == *uid) {
                    self.sandboxes.remove(uid);
                    self.attempts.retain(|(of, _), _| of != uid);
                }
                if let Some(last) = self.sandboxes.insert(uid.clone(), *attempt).filter(|last| last >= attempt) {
                    findings.add(3, format!("sandbox {id} of pod {name} is attempt {attempt} after attempt {last}"));
                }
                nothing_after_the_end(node, uid, &format!("a sandbox of pod {name}"), findings);
            }
            What::Fact(Fact::ContainerCreated { id, sandbox, name, attempt, .. }) => {
                let Some(sandbox) = node.sandboxes.get(sandbox) else { return };
                let what = format!("container {name} of pod {}", sandbox.name);
                let last = self.attempts.insert((sandbox.uid.clone(), name.clone()), *attempt);
                // With an old sandbox go its init containers, their logs, and so their numbers.
                let of_old = self.sandboxes.get(&sandbox.uid).is_some_and(|attempt| *attempt > 0)
                    && node.known.get(&sandbox.uid).is_some_and(|pod| shown::is_init(pod, name));
                // A restart rule has all containers removed, those too that were only made. As upstream.
                let of_name = |(uid, of, _): &(String, String, u32)| *uid == sandbox.uid && of == name;
                let most = self.unused.extract_if(.., of_name).map(|(_, _, attempt)| attempt).max();
                let unused = most.is_some_and(|most| most >= *attempt)
                    && node.known.get(&sandbox.uid).is_some_and(|pod| shown::has_restart_rules(pod));
                if let Some(last) = last.filter(|last| last >= attempt && !of_old && !unused) {
                    findings.add(5, format!("{what} ({id}) is attempt {attempt} after attempt {last}"));
                }
                nothing_after_the_end(node, &sandbox.uid, &what, findings);
                if !node.local_objects && node.pods.get(&sandbox.uid).is_some_and(|pod| shown::needs_api_server(pod)) {
                    findings.add(14, format!("{what} was made, although the pod needs an API server"));
                }
            }
            What::Fact(Fact::ContainerRemoved { id }) => {
                if let Some(container) = node.containers.get(id).filter(|c| c.started.is_none()) {
                    self.unused.insert((container.uid.clone(), container.name.clone(), container.attempt));
                }
            }
            What::Fact(Fact::ContainerStarted { id }) => {
                let Some(own) = node.containers.get(id) else { return };
                let Some(sandbox) = node.sandboxes.get(&own.sandbox) else { return };
                for (other, container) in node.containers.iter().filter(|(other, c)| *other != id && c.runs()) {
                    let Some(beside) = node.sandboxes.get(&container.sandbox) else { continue };
                    if container.uid == own.uid && container.name == own.name {
                        findings.add(1, format!("{} of pod {} runs twice: {other} and {id}", own.name, sandbox.name));
                    } else if beside.uid != sandbox.uid
                        && (&beside.namespace, &beside.name) == (&sandbox.namespace, &sandbox.name)
                    {
                        findings.add(
                            2,
                            format!("{} of {} runs before the pod it replaces has ended", own.name, sandbox.name),
                        );
                    }
                }
            }
            // Whoever comes back under his old uid begins anew.
            What::PodGone { uid, .. } => {
                self.attempts.retain(|(of, _), _| of != uid);
                self.unused.retain(|(of, ..)| of != uid);
                self.sandboxes.remove(uid);
            }
            What::Fact(Fact::PowerLost { .. }) => {
                self.attempts.clear();
                self.unused.clear();
                self.sandboxes.clear();
            }
            _ => {}
        }
    }
}

fn nothing_after_the_end(node: &Node, uid: &str, what: &str, findings: &mut Findings) {
    let Some(pod) = node.pods.get(uid).filter(|pod| shown::ended(pod)) else { return };
    findings.add(4, format!("{what} was made, although its phase is {}", shown::phase(pod)));
    let refused =
        shown::phase(pod) == "Failed" && shown::statuses(pod).all(|s| s.pointer("/state/terminated").is_none());
    if refused && !shown::text(pod, "/status/reason").is_empty() {
        findings.add(23, format!("{what} was made, although the pod was refused"));
    }
}

/// Rule 38.
#[derive(Default)]
pub(super) struct Ports;

impl Rule for Ports {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        let What::Fact(Fact::SandboxReady { name, host_ports, .. }) = &entry.what else { return };
        let taken: BTreeSet<&String> =
            node.sandboxes.values().filter(|s| s.ready).flat_map(|s| s.host_ports.iter()).collect();
        for port in host_ports.iter().filter(|port| taken.contains(port)) {
            findings.add(38, format!("pod {name} got {port}, which another pod has"));
        }
    }
}
