//! A history as text: JSON lines for machines (`--trace`), one short line each for people. Byte for byte the same for the same run.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Entry, What};
use crate::format::length::Length;

/// All entries as JSON lines.
pub fn json_lines(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&json_line(entry).to_string());
        text.push('\n');
    }
    text
}

/// Microseconds of a time, as a decimal number of seconds.
fn seconds(at: Duration) -> String {
    format!("{}.{:06}", at.as_secs(), at.subsec_micros())
}

fn json_line(entry: &Entry) -> Value {
    let mut line = match &entry.what {
        What::Step { line, text } => json!({"step": text, "line": line}),
        What::Pod(pod) => json!({"pod": &**pod}),
        What::PodGone { namespace, name, uid } => {
            json!({"podGone": {"namespace": namespace, "name": name, "uid": uid}})
        }
        What::Event(e) => json!({"event": {
            "object": e.object, "fieldPath": e.field_path, "type": e.kind, "reason": e.reason, "message": e.message,
        }}),
        What::Call(c) => {
            json!({"call": c.rpc, "seq": c.seq, "took": seconds(c.took), "request": c.request, "response": c.response,
            "code": c.code, "error": c.error, "fault": c.fault})
        }
        What::Log(text) => json!({"log": text}),
        What::Answer { url, status: Ok(status), body } => json!({"get": url, "status": status, "body": body}),
        What::Answer { url, status: Err(error), .. } => json!({"get": url, "error": error}),
        What::Kubelet(text) => json!({"kubelet": text}),
        What::Runtime(text) => json!({"runtime": text}),
        What::Node(text) => json!({"node": text}),
        What::Clock(by) => json!({"clock": by.to_string()}),
        What::Faults { in_force, .. } => json!({"faults": in_force}),
        What::File { path, content } => {
            let content = content.as_ref().map(|text| text.as_deref());
            json!({"file": path, "content": content.flatten(), "there": content.is_some()})
        }
        What::Fact(fact) => json!({"fact": fact}),
    };
    // Maps of a protocol message have no order of their own.
    line.sort_all_objects();
    if let Value::Object(map) = &mut line {
        map.retain(|_, value| !value.is_null());
        map.shift_insert(0, "t".to_owned(), Value::String(seconds(entry.at)));
    }
    line
}

/// One entry in one line for people.
pub fn line(entry: &Entry) -> String {
    let text = match &entry.what {
        What::Step { line, text } => format!("step     line {line}: {text}"),
        What::Pod(pod) => format!("pod      {}", pod_summary(pod)),
        What::PodGone { name, .. } => format!("pod      {name} is gone"),
        What::Event(e) => format!("event    {} {} {}: {}", e.kind, e.object, e.reason, e.message),
        What::Call(c) => {
            let about = about(&c.request, c.response.as_deref());
            let code = if c.code == "OK" {
                String::new()
            } else {
                format!(" -> {} {}", c.code, c.error.as_deref().unwrap_or_default())
            };
            format!("call     {}{about}{code}", c.rpc)
        }
        What::Log(text) => format!("log      {text}"),
        What::Answer { url, status: Ok(status), body } => format!("get      {url} -> {status}, {} bytes", body.len()),
        What::Answer { url, status: Err(error), .. } => format!("get      {url} -> {error}"),
        What::Kubelet(text) => format!("kubelet  {text}"),
        What::Runtime(text) => format!("runtime  {text}"),
        What::Node(text) => format!("node     {text}"),
        What::Clock(by) => format!("clock    {by}"),
        What::Faults { in_force, .. } => format!("faults   {}", if *in_force { "in force" } else { "none" }),
        What::File { path, content } => format!("file     {path}{}", if content.is_some() { "" } else { " is gone" }),
        What::Fact(fact) => format!("fact     {}", serde_json::to_string(fact).unwrap_or_default()),
    };
    let text = text.replace('\n', "\\n");
    let short: String = text.chars().take(200).collect();
    format!(
        "{:>12}  {short}",
        Length(Duration::from_millis(u64::try_from(entry.at.as_millis()).unwrap_or(u64::MAX))).to_string()
    )
}

/// What a call is about, as far as its request names it.
fn about(request: &Value, response: Option<&Value>) -> String {
    let names = ["/config/metadata/name", "/container_id", "/pod_sandbox_id", "/image/image"];
    let name = names.iter().find_map(|pointer| request.pointer(pointer).and_then(Value::as_str));
    let id = |text: &str| if text.len() == 64 { text[..12].to_owned() } else { text.to_owned() };
    let given =
        response.and_then(|r| r.get("container_id").or_else(|| r.get("pod_sandbox_id"))).and_then(Value::as_str);
    let given = given.map(|text| format!(" = {}", id(text))).unwrap_or_default();
    name.map(|name| format!(" {}{given}", id(name))).unwrap_or_default()
}

/// A pod in a few words: phase, readiness, and each container's state.
fn pod_summary(pod: &Value) -> String {
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut out = format!("{} {}", text(pod, "/metadata/name"), text(pod, "/status/phase"));
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for container in pod.pointer(list).and_then(Value::as_array).into_iter().flatten() {
            let state = container.get("state").and_then(Value::as_object).and_then(|state| state.iter().next());
            let state =
                state.map_or_else(String::new, |(kind, detail)| match detail.get("reason").and_then(Value::as_str) {
                    Some(reason) => format!("{kind} {reason}"),
                    None => kind.clone(),
                });
            let ready = if container.get("ready") == Some(&Value::Bool(true)) { ", ready" } else { "" };
            let restarts = match container.get("restartCount").and_then(Value::as_u64) {
                None | Some(0) => String::new(),
                Some(n) => format!(", restarted {n}"),
            };
            out.push_str(&format!("; {} {state}{ready}{restarts}", text(container, "/name")));
        }
    }
    out
}
