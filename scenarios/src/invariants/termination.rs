//! How containers are ended: with their grace and not more, in order, before their sandbox, and without being asked how they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fake_cri::truth::Fact;
use serde_json::Value;

use super::{
    Findings, Rule,
    node::{Container, Node},
    shown,
};
use crate::history::{Entry, Event, What};

/// The least that StopContainer gives, and time for calls to come and go.
const LEAST: Duration = Duration::from_secs(3);

/// How much earlier than promised still counts as in time: requests say whole seconds.
const EARLY: Duration = Duration::from_millis(1100);

/// How long a client waits at most before it dials a runtime again that was away: until then its calls fail.
const REDIAL: Duration = Duration::from_secs(4);

/// A container that is being ended.
struct Ending {
    /// When it was said first, and when last: a try that failed begins anew.
    at: Duration,
    last: Duration,
    least: Duration,
    most: Duration,
    name: String,
}

/// Rules 24, 25 and 27.
#[derive(Default)]
pub(super) struct Grace {
    /// By id.
    endings: BTreeMap<String, Ending>,
    /// When a container was said to be killed, by pod name and container name, until it starts again.
    said: BTreeMap<(String, String), Duration>,
    /// Containers that are killed because their postStart failed: a kill that fails is not tried again, as upstream.
    unhooked: BTreeSet<String>,
    /// When a container was last said to be killed, by id.
    told: BTreeMap<String, Duration>,
    /// Numbers of the stop calls for a container, and how long from its last kill on it was to have.
    stops: BTreeMap<String, Vec<(u64, i64)>>,
}

/// The least timeout of a stop call, in seconds: all that is left when a hook or another container's end took the grace.
const LEFT: i64 = 2;

/// The container that an event is about.
fn part(event: &Event) -> Option<&str> {
    let inner = event.field_path.split_once('{')?.1;
    inner.strip_suffix('}')
}

/// The containers that run and that an event may be about.
fn running<'a>(event: &'a Event, node: &'a Node) -> impl Iterator<Item = (&'a String, &'a Container)> {
    let of_pod = |c: &Container| node.sandboxes.get(&c.sandbox).is_some_and(|s| s.name == event.object);
    node.containers.iter().filter(move |(_, c)| c.runs() && part(event) == Some(c.name.as_str()) && of_pod(c))
}

impl Rule for Grace {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        if let What::Event(event) = &entry.what
            && event.reason == "Killing"
        {
            let ids = running(event, node).map(|(id, _)| (id.clone(), entry.at));
            self.told.extend(ids);
        }
        match &entry.what {
            // Who was told of a container that it is not there makes a twin: an event does not tell them apart.
            What::Event(_) if node.lied => {}
            What::Event(event) if event.reason == "Killing" => self.killing(entry.at, event, node),
            // Calls that did not come through are made again when the kubelet tries again, and tells of it.
            What::Event(event) if event.reason == "FailedKillPod" => self.endings.retain(|id, _| {
                let sandbox = node.containers.get(id).and_then(|container| node.sandboxes.get(&container.sandbox));
                sandbox.is_none_or(|sandbox| sandbox.name != event.object)
            }),
            What::Event(event) if event.reason == "Unhealthy" => self.unhealthy(entry.at, event, node, findings),
            What::Call(call) if call.rpc == "StopContainer" => {
                let id = shown::text(&call.request, "/container_id").to_owned();
                let Some(container) = node.containers.get(&id) else { return };
                if call.code != "OK" && self.unhooked.remove(&id) {
                    self.spared(&id, node);
                }
                // Probes may give a container a grace of its own, which the pod's own end replaces.
                let plain = node.known.get(&container.uid).is_some_and(|pod| {
                    let (least, most) = shown::grace_of(pod, &container.name);
                    least == most && !shown::has_restart_rules(pod)
                });
                let timeout = match call.request.pointer("/timeout") {
                    Some(Value::String(text)) => text.parse().unwrap_or(0),
                    Some(value) => value.as_i64().unwrap_or(0),
                    None => 0,
                };
                // A hook and the ends of others take of it what they take, and each try begins anew.
                let asked = entry.at.saturating_sub(call.took);
                let waited = self.told.get(&id).map_or(0, |told| asked.saturating_sub(*told).as_secs());
                let given = timeout.saturating_add(i64::try_from(waited).unwrap_or(i64::MAX));
                // Both are counted in whole seconds.
                let slack = i64::from(waited > 0);
                let stops = self.stops.entry(id).or_default();
                let grew = stops.iter().find(|(seq, earlier)| *seq < call.seq && *earlier + slack < given);
                if let (Some((_, earlier)), true) = (grew, plain && (timeout > LEFT || waited == 0)) {
                    let name = &container.name;
                    findings.add(25, format!("{name} was given {earlier} s to end, and then {given} s"));
                }
                stops.push((call.seq, given));
            }
            What::Fact(Fact::ContainerSignalled { id, kill: true }) => {
                if let Some(ending) = self.endings.get(id)
                    && entry.at + EARLY < ending.at + ending.least
                {
                    let had = entry.at.saturating_sub(ending.at);
                    findings
                        .add(24, format!("{} had {had:?} to end, and {:?} were promised", ending.name, ending.least));
                }
            }
            What::Fact(Fact::ContainerExited { id, .. } | Fact::ContainerRemoved { id }) => {
                drop(self.endings.remove(id))
            }
            What::Fact(Fact::ContainerStarted { id }) => {
                if let Some(container) = node.containers.get(id)
                    && let Some(sandbox) = node.sandboxes.get(&container.sandbox)
                {
                    self.said.remove(&(sandbox.name.clone(), container.name.clone()));
                }
            }
            // Whom a request does not reach runs on.
            What::Runtime(_) => {
                self.endings.clear();
                for id in std::mem::take(&mut self.unhooked) {
                    self.spared(&id, node);
                }
            }
            What::Fact(Fact::PowerLost { .. }) | What::Kubelet(_) => {
                self.endings.clear();
                self.said.clear();
                // The next kubelet knows nothing of what was promised.
                self.stops.clear();
            }
            _ => {}
        }
    }

    fn lasted(&mut self, now: Duration, node: &Node, findings: &mut Findings) {
        let healthy = node.healthy_for(now);
        let late = self.endings.iter().find(|(_, e)| now.saturating_sub(e.last).min(healthy) > e.most);
        let Some((id, ending)) = late else { return };
        findings.add(
            24,
            format!("{} ({id}) still runs {:?} after it was to be ended", ending.name, now.saturating_sub(ending.at)),
        );
        let id = id.clone();
        self.endings.remove(&id);
    }
}

impl Grace {
    /// A container runs on: its kill did not reach it, and is not tried again.
    fn spared(&mut self, id: &str, node: &Node) {
        self.endings.remove(id);
        let Some(container) = node.containers.get(id) else { return };
        let pod = node.sandboxes.get(&container.sandbox).map(|s| s.name.clone()).unwrap_or_default();
        self.said.remove(&(pod, container.name.clone()));
    }

    fn killing(&mut self, at: Duration, event: &Event, node: &Node) {
        let Some(name) = part(event) else { return };
        // Sidecars serve until it is their turn, and are probed as long.
        if !event.field_path.contains("initContainers") {
            self.said.entry((event.object.clone(), name.to_owned())).or_insert(at);
        }
        let Some((id, container)) = running(event, node).next() else { return };
        if event.message == "FailedPostStartHook" {
            self.unhooked.insert(id.clone());
        } else {
            self.unhooked.remove(id);
        }
        // What is ended for a restart of all has no grace, and of a pod that nobody knows nobody knows the grace.
        let Some(pod) = node.known.get(&container.uid).filter(|pod| !shown::has_restart_rules(pod)) else { return };
        let (least, most) = shown::grace_of(pod, name);
        let sidecars = u32::try_from(shown::containers(pod).filter(|(c, init)| shown::is_sidecar(c, *init)).count());
        let most = most + LEAST * (1 + sidecars.unwrap_or(0));
        let ending = Ending { at, last: at, least, most, name: name.to_owned() };
        self.endings.entry(id.clone()).or_insert(ending).last = at;
    }

    fn unhealthy(&self, at: Duration, event: &Event, node: &Node, findings: &mut Findings) {
        let about = ["Liveness", "Startup"]
            .into_iter()
            .find(|probe| event.message.starts_with(&format!("{probe} probe failed")));
        let (Some(probe), Some(name)) = (about, part(event)) else { return };
        let Some(since) = self.said.get(&(event.object.clone(), name.to_owned())) else { return };
        let pod = node.known.values().find(|pod| shown::text(pod, "/metadata/name") == event.object);
        let field = if probe == "Liveness" { "livenessProbe" } else { "startupProbe" };
        let timeout = pod
            .and_then(|pod| shown::container(pod, name))
            .and_then(|c| c.pointer(&format!("/{field}/timeoutSeconds")));
        // A probe that was under way says what it saw.
        let slack = Duration::from_secs(1 + timeout.and_then(Value::as_u64).unwrap_or(1));
        if at > *since + slack {
            findings
                .add(27, format!("{name} of {} was probed while it was being ended: {}", event.object, event.message));
        }
    }
}

/// Rules 26 and 30.
#[derive(Default)]
pub(super) struct Order {
    /// When a container of a pod was first said to be killed, by the pod's name, until it has a new sandbox.
    told: BTreeMap<String, Duration>,
    /// The same, of the last: what was to be stopped was asked for from then on.
    last: BTreeMap<String, Duration>,
}

/// Whether every call that was made since then can have come through.
fn reached_since(node: &Node, since: Duration) -> bool {
    let (Some(runtime), Some(faultless)) = (node.runtime, node.faultless) else { return false };
    faultless <= since && (runtime.is_zero() || runtime + REDIAL <= since)
}

impl Rule for Order {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::Event(event) if event.reason == "Killing" => {
                self.told.entry(event.object.clone()).or_insert(entry.at);
                self.last.insert(event.object.clone(), entry.at);
            }
            What::Fact(Fact::SandboxReady { name, .. }) => {
                self.told.remove(name);
                self.last.remove(name);
            }
            _ => {}
        }
        let What::Fact(Fact::SandboxNotReady { id }) = &entry.what else { return };
        let Some(sandbox) = node.sandboxes.get(id) else { return };
        if node.faultless.is_none() {
            return;
        }
        let inside: Vec<&Container> = node.containers.values().filter(|c| c.sandbox == *id).collect();
        // A container that could not be stopped does not keep its sandbox, which waits for the others.
        let reached = self.last.get(&sandbox.name).is_none_or(|since| reached_since(node, *since));
        for container in inside.iter().filter(|_| reached) {
            let shown = node.known.get(&sandbox.uid).and_then(|pod| shown::status(pod, &container.name));
            // It ended by itself, in the same moment.
            if shown.is_some_and(|status| status.pointer("/state/terminated").is_some()) {
                continue;
            }
            let with_it = container.exited == Some((entry.at, 137)) || container.runs();
            if with_it && container.asked.is_none() && container.killed.is_none() && container.started.is_some() {
                findings.add(26, format!("{} of pod {} ended with its sandbox", container.name, sandbox.name));
            }
        }
        let Some(pod) = node.known.get(&sandbox.uid).filter(|pod| !shown::has_restart_rules(pod)) else { return };
        let told = self.told.get(&sandbox.name).copied().unwrap_or_default();
        sidecars_last(pod, &inside, told, findings);
    }
}

/// The newest container of each name, in the order of the specification, with whether it is a sidecar.
fn newest<'a>(pod: &'a Value, inside: &[&'a Container]) -> Vec<(&'a Container, bool)> {
    let of = |name: &str| inside.iter().copied().filter(|c| c.name == name).max_by_key(|c| (c.attempt, c.created));
    let kinds = shown::containers(pod).filter(|(c, init)| !*init || shown::is_sidecar(c, *init));
    kinds.filter_map(|(c, init)| Some((of(shown::text(c, "/name"))?, init))).collect()
}

fn sidecars_last(pod: &Value, inside: &[&Container], told: Duration, findings: &mut Findings) {
    let all = newest(pod, inside);
    // When their grace is over, all are told at once.
    let over = told + shown::grace(pod).saturating_sub(LEAST);
    let probed = |c: &Container| {
        let spec = shown::container(pod, &c.name);
        spec.is_none_or(|c| c.get("livenessProbe").is_some() || c.get("startupProbe").is_some())
    };
    for (index, (sidecar, is_sidecar)) in all.iter().enumerate() {
        let Some(asked) = sidecar.asked.filter(|asked| *is_sidecar && *asked < over && !probed(sidecar)) else {
            continue;
        };
        // Those that go before it: every regular container, and the sidecars declared after it.
        let before = all.iter().enumerate().filter(|(other, (_, sidecar))| !sidecar || *other > index);
        for (_, (other, _)) in before {
            let ended = other.exited.map(|(at, _)| at);
            if other.started.is_some() && ended.is_none_or(|ended| ended > asked) && other.created <= asked {
                let pod = shown::full_name(pod);
                findings.add(
                    30,
                    format!("sidecar {} of {pod} was told to end before {} had ended", sidecar.name, other.name),
                );
            }
        }
    }
}
