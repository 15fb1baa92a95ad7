//! A random scenario as the text of a scenario file, with what must be so in the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    QUIET,
    acts::{Act, Story},
    pods::RandomPod,
};
use crate::format::{parse::yaml, tree::Tree};

/// The text.
pub fn text(story: &Story) -> String {
    let mut steps = Vec::new();
    let mut wanted: BTreeMap<&str, &RandomPod> = BTreeMap::new();
    // Whether processes were lost since a pod was put.
    let mut crashed: BTreeMap<&str, bool> = BTreeMap::new();
    let (mut kubelet, mut runtime, mut hidden) = (true, true, false);
    for act in &story.acts {
        match act {
            Act::Put(name, pod) => {
                steps.push(json!({"put": format!("{name}.yaml"), "manifest": pod.manifest}));
                if wanted.get(name.as_str()).is_none_or(|held| held.manifest != pod.manifest) {
                    crashed.insert(name, false);
                }
                // The same pod again, and a kubelet that forgets that it was to end first: it may have had its run.
                let before = story
                    .acts
                    .iter()
                    .filter(|act| matches!(act, Act::Put(n, p) if n == name && p.manifest == pod.manifest));
                if before.count() > 1 {
                    crashed.insert(name, true);
                }
                wanted.insert(name, pod);
            }
            Act::Remove(name) => {
                if wanted.remove(name.as_str()).is_some() {
                    steps.push(json!({"remove": format!("{name}.yaml")}));
                }
            }
            Act::Wait(milliseconds) => steps.push(json!({"wait": format!("{milliseconds}ms")})),
            Act::Kubelet("restart") if kubelet && runtime => steps.push(json!({"kubelet": "restart"})),
            Act::Kubelet("start") => {
                // Without its runtime a kubelet does not start.
                if !kubelet && runtime {
                    steps.push(json!({"kubelet": "start"}));
                    kubelet = true;
                }
            }
            Act::Kubelet(word) => {
                if kubelet && *word != "restart" {
                    steps.push(json!({"kubelet": word}));
                    kubelet = false;
                }
            }
            // Whether it has come to that is not known: who goes on starts it, which is another start where it still runs.
            Act::Crash(nth, when) => {
                if kubelet {
                    steps.push(json!({"kubelet": "crash", "nth": nth, "when": when, "or-not": true}));
                    kubelet = false;
                }
            }
            Act::Clock(seconds) => steps.push(json!({"clock": format!("{seconds:+}s")})),
            Act::Runtime("start") => {
                if !runtime {
                    steps.push(json!({"runtime": "start"}));
                    runtime = true;
                }
            }
            Act::Runtime(word) => {
                if runtime {
                    steps.push(json!({"runtime": word}));
                    runtime = *word == "restart";
                    if *word == "crash" {
                        crashed.values_mut().for_each(|crashed| *crashed = true);
                    }
                }
            }
            Act::Reboot => {
                if kubelet && runtime {
                    steps.push(json!({"node": "reboot"}));
                    crashed.values_mut().for_each(|crashed| *crashed = true);
                }
            }
            Act::Faults(faults) => {
                // What is not listed has ended, as far as the kubelet can know.
                let hides = |fault: &Value| matches!(fault["do"].as_str(), Some("stale" | "missing"));
                hidden |= faults.iter().any(hides);
                steps.push(json!({"faults": faults}));
            }
        }
    }
    steps.push(json!({"name": "quiet from here on", "faults": []}));
    if !runtime {
        steps.push(json!({"runtime": "start"}));
    }
    // It may have given up while the runtime was away.
    steps.push(json!({"kubelet": "restart"}));
    steps.push(json!({"wait": format!("{}s", QUIET.as_secs())}));
    let ends: Vec<Value> = wanted
        .iter()
        .map(|(name, pod)| {
            let lost = pod.fragile && (hidden || crashed.get(name).copied().unwrap_or(false));
            json!({"pod": name, "is": {"status": end(pod, lost)}})
        })
        .collect();
    if !ends.is_empty() {
        // A container in back-off is looked at only now and then.
        steps.push(json!({"name": "every pod is what its manifest says", "eventually": ends, "within": "5m"}));
    }
    for name in wanted.keys() {
        steps.push(json!({"remove": format!("{name}.yaml")}));
    }
    let mut gone: Vec<Value> = wanted.keys().map(|name| json!({"no-pod": name})).collect();
    gone.push(json!({"no-leaks": true}));
    steps.push(json!({"name": "nothing is left", "eventually": gone, "within": "5m"}));
    let scenario = json!({
        "name": format!("random pods, edits, faults and crashes, seed {}", story.seed),
        "tags": ["random"],
        "targets": ["sim"],
        "seed": story.seed,
        "limit": "3h",
        "runtime": story.runtime,
        "steps": steps,
    });
    yaml(&Tree::from(scenario))
}

fn end(pod: &RandomPod, lost: bool) -> Value {
    if lost {
        // As upstream: a pod that must not restart and lost its sandbox between two containers stays as it is.
        return json!({"phase": {"$one-of": ["Pending", "Running", "Succeeded", "Failed"]}});
    }
    let mut status = json!({"phase": {"$one-of": pod.end.phases}});
    for (key, spec) in [("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")] {
        let names: Vec<&str> =
            pod.manifest["spec"][spec].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
        let ready: Vec<Value> = pod
            .end
            .ready
            .iter()
            .filter(|name| names.contains(&name.as_str()))
            .map(|name| json!({"name": name, "ready": true}))
            .collect();
        if !ready.is_empty() {
            status[key] = ready.into();
        }
    }
    status
}
