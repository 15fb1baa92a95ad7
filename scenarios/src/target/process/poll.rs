//! What can be seen of a kubelet process from outside, put into the history: `/pods` every 100 ms, and events among its log lines.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use world::{Net, net::Address};

use super::ProcessTarget;
use crate::{
    history::{Event, History, What},
    http::{self, Url},
    target::Target as _,
};

/// How often `/pods` is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// Starts looking at `/pods`.
pub(super) fn start(target: &ProcessTarget) {
    let url: Url = "http://localhost:10255/pods".parse().expect("this is a URL");
    let (net, address, history) = (target.world.net.clone(), target.address(&url), target.history.clone());
    target.tasks.spawn("poll-pods", poll(net, address, url, history));
}

async fn poll(net: Net, address: Address, url: Url, history: History) {
    let mut shown: BTreeMap<String, Arc<Value>> = BTreeMap::new();
    loop {
        tokio::time::sleep(PERIOD).await;
        let Ok(answer) = http::get(&net, &address, &url).await else { continue };
        let Ok(body) = serde_json::from_str::<Value>(&answer.body) else { continue };
        if answer.status != 200 {
            continue;
        }
        let items = body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let text =
            |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let now: BTreeMap<String, Arc<Value>> =
            items.into_iter().map(|pod| (text(&pod, "/metadata/uid"), Arc::new(pod))).collect();
        for (uid, pod) in shown.iter().filter(|(uid, _)| !now.contains_key(*uid)) {
            let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            history.push(What::PodGone { namespace, name, uid: uid.clone() });
        }
        for (uid, pod) in &now {
            if shown.get(uid) != Some(pod) {
                history.push(What::Pod(pod.clone()));
            }
        }
        shown = now;
    }
}

/// The event that a log line tells of, if it is one: `… "Event occurred" object="default/web-node1" … reason="Started" …`.
pub(super) fn event(line: &str) -> Option<Event> {
    let (_, rest) = line.split_once("\"Event occurred\" ")?;
    let fields = fields(rest);
    let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let object = get("object");
    let object = object.rsplit('/').next().unwrap_or_default().to_owned();
    Some(Event {
        object,
        field_path: get("fieldPath"),
        kind: get("type"),
        reason: get("reason"),
        message: get("message"),
    })
}

/// `key="quoted"` and `key=plain` pairs of a klog line.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => after.split_once(' ').map_or((after.to_owned(), ""), |(value, after)| (value.to_owned(), after)),
        };
        found.insert(key.trim().to_owned(), value);
        rest = after.trim_start();
    }
    found
}

/// The text up to the closing quote, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c)) => value.push(c),
                None => break,
            },
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_from_log_lines() {
        let line = r#"I1123 08:09:10.123456    4321 event.go:389] "Event occurred" object="default/web-node1" fieldPath="spec.containers{web}" kind="Pod" apiVersion="v1" type="Warning" reason="BackOff" message="Back-off \"restarting\" failed""#;
        let event = event(line).unwrap();
        assert_eq!((event.object.as_str(), event.field_path.as_str()), ("web-node1", "spec.containers{web}"));
        assert_eq!((event.kind.as_str(), event.reason.as_str()), ("Warning", "BackOff"));
        assert_eq!(event.message, "Back-off \"restarting\" failed");
        assert_eq!(super::event("I1123 x] \"Started kubelet\""), None);
    }
}
