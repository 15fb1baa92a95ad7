//! How long a container that ends again and again is kept waiting: never shorter than its back-off says.

use std::{collections::BTreeMap, time::Duration};

use fake_cri::truth::Fact;

use super::{Findings, Rule, node::Node, shown};
use crate::{
    format::{Scenario, length::Length},
    history::{Entry, What},
};

/// The wait after the second end.
const FIRST: Duration = Duration::from_secs(10);

/// The longest wait.
const CAP: Duration = Duration::from_secs(300);

/// First and longest wait where the feature gate that shortens both is on.
const REDUCED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a container must run until its ends are forgotten, if the longest wait does not say more.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// How much earlier still counts as in time: times of ends are kept in whole seconds.
const EARLY: Duration = Duration::from_millis(1100);

/// Rule 34.
pub(super) struct BackOff {
    first: Duration,
    cap: Duration,
    /// How often a container was started again, and when last, by uid, name and image: another image has failed at nothing yet.
    starts: BTreeMap<(String, String, String), (u32, Duration)>,
    /// When the wall clock went ahead, and by how much, where events fail: an end that is heard of after that is as old as the wall clock
    /// says.
    ahead: Vec<(Duration, Duration)>,
}

impl BackOff {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let config = scenario.kubelet.config.as_ref().map(crate::format::tree::Tree::to_json).unwrap_or_default();
        let reduced = config.pointer("/featureGates/ReduceDefaultCrashLoopBackOffDecay") == Some(&true.into());
        let (first, cap) = if reduced { REDUCED } else { (FIRST, CAP) };
        let longest = shown::text(&config, "/crashLoopBackOff/maxContainerRestartPeriod");
        let cap = longest.parse::<Length>().map_or(cap, |length| length.0);
        Self { first: first.min(cap), cap, starts: BTreeMap::new(), ahead: Vec::new() }
    }

    /// How long the start after `restarts` earlier restarts has to wait.
    fn wait(&self, restarts: u32) -> Duration {
        let doubled = restarts.checked_sub(1).map(|times| self.first.saturating_mul(1 << times.min(16)));
        doubled.map_or(Duration::ZERO, |wait| wait.min(self.cap))
    }

    /// From one moment to a later one, as a kubelet can tell at best.
    fn between(&self, from: Duration, to: Duration) -> Duration {
        let jumped = self.ahead.iter().filter(|(at, _)| (from..=to).contains(at)).map(|(_, by)| *by);
        to.saturating_sub(from) + jumped.sum::<Duration>()
    }
}

impl Rule for BackOff {
    fn see(&mut self, entry: &Entry, node: &Node, findings: &mut Findings) {
        match &entry.what {
            What::Fact(Fact::ContainerStarted { id }) => {
                let Some(own) = node.containers.get(id) else { return };
                let Some(pod) = node.pods.get(&own.uid).filter(|pod| !shown::has_restart_rules(pod)) else { return };
                let others = node.containers.iter().filter(|(other, c)| {
                    *other != id && c.sandbox == own.sandbox && c.name == own.name && c.image == own.image
                });
                let ended = others.filter_map(|(_, c)| Some((c.exited?.0, c.asked.or(c.killed).is_some()))).max();
                let Some((ended, was_told)) = ended else { return };
                let key = (own.uid.clone(), own.name.clone(), own.image.clone());
                let (mut restarts, last) = self.starts.get(&key).copied().unwrap_or_default();
                if self.between(last, ended) > FORGOTTEN.max(self.cap * 2) {
                    restarts = 0;
                }
                let (wait, had) = (self.wait(restarts), self.between(ended, entry.at));
                // One that the kubelet itself ended starts again in the same sync: then the end before counts.
                // What a runtime does not tell cannot be counted.
                let all_seen = node.faultless.is_some_and(|since| since <= last);
                if had + EARLY < wait && !was_told && all_seen {
                    let of = shown::full_name(pod);
                    findings.add(
                        34,
                        format!("{} of {of} was started {had:?} after its end, and {wait:?} are due", own.name),
                    );
                }
                self.starts.insert(key, (restarts + 1, entry.at));
            }
            What::Clock(by) if node.events_fail => {
                self.ahead.extend(Duration::try_from(by.0).ok().map(|by| (entry.at, by)))
            }
            // Waits are kept in memory.
            What::Kubelet(_) | What::Fact(Fact::PowerLost { .. }) => self.starts.clear(),
            // Init containers begin anew in a new sandbox.
            What::Fact(Fact::SandboxReady { uid, .. }) | What::PodGone { uid, .. } => {
                self.starts.retain(|(of, ..), _| of != uid)
            }
            _ => {}
        }
    }
}
