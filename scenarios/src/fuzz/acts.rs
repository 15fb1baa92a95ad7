//! What is done in a random scenario, as data that can be made smaller. Not how it is written down.

use rand::RngExt as _;
use serde_json::{Value, json};
use world::{Rng, random::Random};

use super::pods::{self, RandomPod};

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A manifest is written: a new one, or over the one that is there.
    Put(String, Box<RandomPod>),
    /// A manifest is removed.
    Remove(String),
    /// Milliseconds pass.
    Wait(u64),
    /// `kill`, `stop`, `start` or `restart` the kubelet.
    Kubelet(&'static str),
    /// The kubelet is killed at this call that changes something, before it or after it, if it comes to that.
    Crash(u64, &'static str),
    /// The wall clock is moved by seconds.
    Clock(i64),
    /// `stop`, `start`, `restart` or `crash` the runtime.
    Runtime(&'static str),
    /// The node loses power and boots, if kubelet and runtime run.
    Reboot,
    /// Faults that are in force from here on.
    Faults(Vec<Value>),
}

/// A random scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What it was drawn from.
    pub seed: u64,
    /// Set-up of the runtime.
    pub runtime: Value,
    /// What is done before the quiet.
    pub acts: Vec<Act>,
}

/// Calls that go wrong, and that have a deadline: one that hangs is given up in the end.
const CALLS: [&str; 12] = [
    "RunPodSandbox",
    "StopPodSandbox",
    "RemovePodSandbox",
    "PodSandboxStatus",
    "ListPodSandbox",
    "CreateContainer",
    "StartContainer",
    "StopContainer",
    "RemoveContainer",
    "ContainerStatus",
    "ListContainers",
    "ImageStatus",
];

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Random::from_seed(seed).fork("story");
        let rng = &mut rng;
        let mut runtime = json!({"behaviours": pods::behaviours()});
        match rng.random_range(0..10) {
            // Without events it is listed every second: slow to simulate.
            0 => runtime["personality"] = "containerd-1.6".into(),
            1..=3 => runtime["personality"] = "crio".into(),
            _ => {}
        }
        if rng.random_range(0..3) == 0 {
            runtime["event-faults"] = match rng.random_range(0..4) {
                0 => json!({"drop-every": 2}),
                1 => json!({"duplicate": true}),
                2 => json!({"late": "3s"}),
                _ => json!({"swap": true}),
            };
        }
        let mut acts = Vec::new();
        for number in 0..rng.random_range(1..=3) {
            let name = format!("p{number}");
            acts.push(Act::Put(name.clone(), Box::new(pods::pod(rng, &name))));
        }
        let mut state = State::default();
        for _ in 0..rng.random_range(3..=12) {
            acts.push(Act::Wait(wait(rng)));
            let act = state.next(rng, &acts);
            acts.push(act);
        }
        acts.push(Act::Wait(wait(rng)));
        Self { seed, runtime, acts }
    }

    /// The story without `count` acts from `at` on. What would make no sense any more is left out of the text.
    pub fn without(&self, at: usize, count: usize) -> Self {
        let mut acts = self.acts.clone();
        acts.drain(at..(at + count).min(acts.len()));
        Self { acts, ..self.clone() }
    }
}

/// Mostly short, so that things meet half done.
fn wait(rng: &mut Rng) -> u64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(1..200),
        1 | 2 => rng.random_range(200..8_000),
        _ => rng.random_range(8_000..60_000),
    }
}

#[derive(Debug, Default)]
struct State {
    kubelet_away: bool,
    runtime_away: bool,
}

impl State {
    fn next(&mut self, rng: &mut Rng, before: &[Act]) -> Act {
        let file = format!("p{}", rng.random_range(0..4));
        match rng.random_range(0..20) {
            0..=4 => {
                // The same pod again, now and then.
                let earlier: Vec<&RandomPod> = before
                    .iter()
                    .filter_map(|act| match act {
                        Act::Put(name, pod) if *name == file => Some(&**pod),
                        _ => None,
                    })
                    .collect();
                match earlier.first() {
                    Some(pod) if rng.random_range(0..4) == 0 => Act::Put(file, Box::new((*pod).clone())),
                    _ => {
                        let pod = pods::pod(rng, &file);
                        Act::Put(file, Box::new(pod))
                    }
                }
            }
            5..=7 => Act::Remove(file),
            8..=10 => {
                self.kubelet_away = !self.kubelet_away;
                let word = ["kill", "stop"][rng.random_range(0..2)];
                match rng.random_range(0..2) {
                    0 if self.kubelet_away => {
                        self.kubelet_away = false;
                        Act::Kubelet("restart")
                    }
                    _ if self.kubelet_away => Act::Kubelet(word),
                    _ => Act::Kubelet("start"),
                }
            }
            11 | 12 => {
                if self.runtime_away {
                    self.runtime_away = false;
                    return Act::Runtime("start");
                }
                let word = ["stop", "restart", "crash"][rng.random_range(0..3)];
                self.runtime_away = word != "restart";
                Act::Runtime(word)
            }
            13 => Act::Reboot,
            14 => {
                self.kubelet_away = true;
                Act::Crash(rng.random_range(1..12), ["before", "after"][rng.random_range(0..2)])
            }
            // Forward only: a runtime whose clock goes back tells of containers that ended before they started, which the fake takes ill.
            15 => Act::Clock([1, 30, 3600][rng.random_range(0..3)]),
            _ => Act::Faults((0..rng.random_range(1..=3)).map(|_| fault(rng)).collect()),
        }
    }
}

fn fault(rng: &mut Rng) -> Value {
    let rpc = CALLS[rng.random_range(0..CALLS.len())];
    let list = rpc.starts_with("List");
    let script = match rng.random_range(0..12) {
        9 if list => "shuffled",
        10 if list => "stale",
        11 if list => "missing",
        9 => "twice",
        0 | 1 => "error UNAVAILABLE try again",
        2 | 3 => "fail INTERNAL half done",
        4 => "delay 3s",
        5 => "late 5s",
        6 => "cut",
        7 => "lost",
        _ => "hang",
    };
    let seconds = rng.random_range(1..40);
    let mut fault = json!({"rpc": rpc, "do": script, "for": format!("{seconds}s")});
    if rng.random_range(0..2) == 0 {
        fault["chance"] = json!(0.4);
    }
    fault
}
