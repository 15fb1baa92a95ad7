//! What can be seen of a kubelet process from outside, put into the history: `/pods` every 100 ms, and events among its log lines.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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

/// What `/pods` showed last, whoever asked.
#[derive(Clone, Default)]
pub(super) struct Shown(Arc<Mutex<Last>>);

#[derive(Default)]
struct Last {
    pods: BTreeMap<String, Arc<Value>>,
    /// How often somebody has asked.
    asked: u64,
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what changed since.
    pub fn note(&self, items: &[Value], history: &History) {
        let text =
            |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let now: BTreeMap<String, Arc<Value>> =
            items.iter().map(|pod| (text(pod, "/metadata/uid"), Arc::new(pod.clone()))).collect();
        let mut last = self.lock();
        last.asked += 1;
        for (uid, pod) in last.pods.iter().filter(|(uid, _)| !now.contains_key(*uid)) {
            let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            history.push(What::PodGone { namespace, name, uid: uid.clone() });
        }
        for (uid, pod) in &now {
            if last.pods.get(uid) != Some(pod) {
                history.push(What::Pod(pod.clone()));
            }
        }
        last.pods = now;
    }
}

/// Starts looking at `/pods`.
pub(super) fn start(target: &ProcessTarget) {
    let url: Url = "http://localhost:10255/pods".parse().expect("this is a URL");
    let (net, address) = (target.world.net.clone(), target.address(&url));
    let (shown, history) = (target.shown.clone(), target.history.clone());
    target.tasks.spawn("poll-pods", poll(net, address, url, shown, history));
}

async fn poll(net: Net, address: Address, url: Url, shown: Shown, history: History) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let asked = shown.lock().asked;
        let Ok(answer) = http::get(&net, &address, &url).await else { continue };
        let Ok(body) = serde_json::from_str::<Value>(&history.known(answer.body)) else { continue };
        // An answer that somebody else's has overtaken is old.
        if answer.status == 200 && shown.lock().asked == asked {
            shown.note(body.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice), &history);
        }
    }
}

/// A log line with the lines that belong to it, once the last of them is there. klog writes a text of several lines as they are, between
/// `key=<` and ` >`, with a tab before each.
pub(super) fn whole(open: &mut Option<String>, line: String) -> Option<String> {
    let text = match open.take() {
        Some(begun) => format!("{begun}\n{line}"),
        None => line,
    };
    let last = text.rsplit('\n').next().unwrap_or_default();
    let more = last.ends_with("=<") || (text.contains("=<\n") && last.starts_with('\t'));
    if more {
        *open = Some(text);
        return None;
    }
    Some(text)
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
            None if after.starts_with("<\n") => several_lines(after),
            None => after.split_once(' ').map_or((after.to_owned(), ""), |(value, after)| (value.to_owned(), after)),
        };
        found.insert(key.trim().to_owned(), value);
        rest = after.trim_start();
    }
    found
}

/// The text of a `<`, its lines and ` >`, and what follows.
fn several_lines(text: &str) -> (String, &str) {
    let (lines, after) = text.split_once("\n >").unwrap_or((text, ""));
    let lines: Vec<&str> = lines.lines().skip(1).map(|line| line.strip_prefix('\t').unwrap_or(line)).collect();
    (lines.join("\n"), after)
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
    fn what_is_shown_twice_is_recorded_once() {
        let (shown, history) = (Shown::default(), History::new());
        let pod = |phase: &str| serde_json::json!({"metadata": {"uid": "1", "name": "a"}, "status": {"phase": phase}});
        for items in [&[pod("Pending")][..], &[pod("Pending")], &[pod("Running")], &[], &[]] {
            shown.note(items, &history);
        }
        assert_eq!(history.len(), 3, "pending, running, gone");
    }

    #[test]
    fn events_are_read_from_log_lines() {
        let line = r#"I1123 08:09:10.123456    4321 event.go:389] "Event occurred" object="default/web-node1" fieldPath="spec.containers{web}" kind="Pod" apiVersion="v1" type="Warning" reason="BackOff" message="Back-off \"restarting\" failed""#;
        let event = event(line).unwrap();
        assert_eq!((event.object.as_str(), event.field_path.as_str()), ("web-node1", "spec.containers{web}"));
        assert_eq!((event.kind.as_str(), event.reason.as_str()), ("Warning", "BackOff"));
        assert_eq!(event.message, "Back-off \"restarting\" failed");
        assert_eq!(super::event("I1123 x] \"Started kubelet\""), None);
    }

    #[test]
    fn a_message_of_several_lines_is_one_event() {
        let said = [
            r#"I1126 event.go:389] "Event occurred" object="default/web-n" reason="Unhealthy" message=<"#,
            "\tLiveness probe failed: cat: no file",
            "\tand more",
            r#" > type="Warning""#,
            r#"I1126 next] "Started""#,
        ];
        let mut open = None;
        let whole: Vec<String> = said.iter().filter_map(|line| super::whole(&mut open, (*line).to_owned())).collect();
        assert_eq!(whole.len(), 2);
        let event = event(&whole[0]).unwrap();
        assert_eq!(event.message, "Liveness probe failed: cat: no file\nand more");
        assert_eq!((event.reason.as_str(), event.kind.as_str()), ("Unhealthy", "Warning"));
    }
}
