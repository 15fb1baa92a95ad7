//! What one run asked of the runtime, showed and left on disk; upstream's is read from a fixture. Not the comparison.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{cases::Case, fixture};

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it began, in seconds after the manifest appeared.
    pub t: f64,
    /// How long it took, in seconds.
    pub dur: f64,
    /// Name of the rpc.
    pub rpc: String,
    /// Request.
    pub request: Value,
    /// Response, or null.
    pub response: Value,
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// Calls in the order in which they began.
    pub calls: Vec<Call>,
    /// Pods as `/pods` showed them, in time.
    pub shown: Vec<Value>,
    /// Files just before the manifest was removed.
    pub tree: Vec<String>,
}

/// What upstream asked and showed.
pub fn recorded(case: &Case) -> Run {
    let lines = |name| -> Vec<Value> {
        fixture(case.name, name).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
    };
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut calls: Vec<Call> = lines("calls.jsonl")
        .iter()
        .map(|c| Call {
            t: c["t"].as_f64().unwrap_or(0.0),
            dur: c["dur"].as_f64().unwrap_or(0.0),
            rpc: text(&c["rpc"]),
            request: c["request"].clone(),
            response: c["response"].clone(),
        })
        .collect();
    calls.sort_by(|a, b| a.t.total_cmp(&b.t));
    let mut shown = Vec::new();
    for snapshot in lines("pods.jsonl") {
        shown.extend(snapshot["body"]["items"].as_array().into_iter().flatten().cloned());
    }
    let tree = match case.name {
        "endpoints" => Vec::new(),
        name => fixture(name, "tree.txt").lines().map(str::to_owned).collect(),
    };
    Run { calls, shown, tree }
}

/// A call about a pod, in words.
#[derive(Clone, Debug)]
pub struct Word {
    /// `create main#0`, `start main#0`, `stop main#0`, `sandbox #0`, `stop sandbox #0`, `pull busybox:latest`, `exec main#0 [...]`.
    pub word: String,
    /// The call.
    pub call: Call,
}

impl Run {
    /// Calls that change something, by pod name, in order. The second pod of a name is `NAME/2`.
    pub fn by_pod(&self) -> BTreeMap<String, Vec<Word>> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let mut uids: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut pod_of = |metadata: &Value| {
            let name = text(&metadata["name"]);
            let seen = uids.entry(name.clone()).or_default();
            let uid = text(&metadata["uid"]);
            if !seen.contains(&uid) {
                seen.push(uid.clone());
            }
            match seen.iter().position(|u| *u == uid) {
                Some(0) | None => name,
                Some(i) => format!("{name}/{}", i + 1),
            }
        };
        // Sandboxes and containers by id: their pod and their word.
        let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut by_pod: BTreeMap<String, Vec<Word>> = BTreeMap::new();
        for call in &self.calls {
            let request = &call.request;
            let metadata = &request["config"]["metadata"];
            let attempt = metadata["attempt"].as_u64().unwrap_or(0);
            let of = |key: &str| known.get(request[key].as_str().unwrap_or_default()).cloned();
            let (pod, word) = match call.rpc.as_str() {
                "RunPodSandbox" => {
                    let (pod, word) = (pod_of(metadata), format!("sandbox #{attempt}"));
                    known.insert(text(&call.response["pod_sandbox_id"]), (pod.clone(), word.clone()));
                    (pod, word)
                }
                "CreateContainer" => {
                    let pod = pod_of(&request["sandbox_config"]["metadata"]);
                    let word = format!("{}#{attempt}", text(&metadata["name"]));
                    known.insert(text(&call.response["container_id"]), (pod.clone(), word.clone()));
                    (pod, format!("create {word}"))
                }
                "PullImage" => (
                    pod_of(&request["sandbox_config"]["metadata"]),
                    format!("pull {}", text(&request["image"]["image"])),
                ),
                "ExecSync" => {
                    let Some((pod, word)) = of("container_id") else { continue };
                    // Those with a time limit are probes.
                    let verb = if request.get("timeout").is_none() { "hook" } else { "probe" };
                    (pod, format!("{verb} {word} {}", request["cmd"]))
                }
                rpc => {
                    let (key, verb) = match rpc {
                        "StartContainer" => ("container_id", "start"),
                        "StopContainer" => ("container_id", "stop"),
                        "RemoveContainer" => ("container_id", "remove"),
                        "StopPodSandbox" => ("pod_sandbox_id", "stop"),
                        "RemovePodSandbox" => ("pod_sandbox_id", "remove"),
                        _ => continue,
                    };
                    let Some((pod, word)) = of(key) else { continue };
                    (pod, format!("{verb} {word}"))
                }
            };
            let words = by_pod.entry(pod).or_default();
            if call.rpc == "RemovePodSandbox" {
                // A sandbox is stopped once more before it is removed.
                let id = &request["pod_sandbox_id"];
                let stop = words
                    .iter_mut()
                    .rev()
                    .find(|w| w.word.starts_with("stop ") && w.call.request["pod_sandbox_id"] == *id);
                if let Some(stop) = stop {
                    stop.word = format!("remove after {}", stop.word);
                }
            }
            words.push(Word { word, call: call.clone() });
        }
        by_pod
    }
}
