//! Differences between two JSON documents, one a line, each with its path.

use serde_json::Value;

/// What one run asked and showed: calls by rpc in order, and the last `/pods`.
#[derive(Debug)]
pub struct Run {
    /// Name of the rpc and request.
    pub calls: Vec<(String, Value)>,
    /// Body of `/pods`.
    pub pods: Value,
}

/// All differences.
pub fn differences(recorded: &Run, replayed: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for rpc in ["RunPodSandbox", "CreateContainer", "StopContainer"] {
        let of =
            |run: &Run| run.calls.iter().filter(|(name, _)| name == rpc).map(|(_, r)| r.clone()).collect::<Vec<_>>();
        let (mut theirs, mut ours) = (of(recorded), of(replayed));
        if rpc == "StopContainer" {
            // Containers of a pod are stopped side by side: no order is promised.
            theirs.sort_by_key(Value::to_string);
            ours.sort_by_key(Value::to_string);
        }
        if theirs.len() != ours.len() {
            lines.push(format!("{rpc}: upstream {} times, here {} times", theirs.len(), ours.len()));
        }
        for (i, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            walk(&format!("{rpc}[{i}]"), theirs, ours, &mut lines);
        }
    }
    walk("/pods", &recorded.pods, &replayed.pods, &mut lines);
    lines
}

fn walk(path: &str, theirs: &Value, ours: &Value, lines: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, theirs) in a {
                walk(&format!("{path}.{key}"), theirs, b.get(key).unwrap_or(&Value::Null), lines);
            }
            for (key, ours) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                walk(&format!("{path}.{key}"), &Value::Null, ours, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                let at = |list: &[Value]| list.get(i).cloned().unwrap_or_default();
                walk(&format!("{path}[{i}]"), &at(a), &at(b), lines);
            }
        }
        _ if theirs != ours => lines.push(format!("{path}: upstream {theirs}, here {ours}")),
        _ => {}
    }
}
