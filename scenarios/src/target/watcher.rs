//! Puts what a kubelet in this process tells, and what it logs, into a history.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;
use kubelet::{
    api::gojson,
    observer::{NodeEvent, Observer, PodEvent},
};
use serde_json::Value;

use crate::history::{Event, History, What};

/// Records events and pods. A status that was recorded already is not recorded again.
#[derive(Debug)]
pub(super) struct Watcher {
    history: History,
    shown: Mutex<BTreeMap<String, Arc<Value>>>,
}

impl Watcher {
    pub(super) fn new(history: History) -> Self {
        Self { history, shown: Mutex::default() }
    }

    fn record(&self, pod: &Pod, shown: &mut BTreeMap<String, Arc<Value>>) {
        let Ok(value) = serde_json::from_str::<Value>(&gojson::pod(pod)) else { return };
        let value = Arc::new(value);
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if shown.insert(uid, value.clone()).as_ref() != Some(&value) {
            self.history.push(What::Pod(value));
        }
    }
}

impl Observer for Watcher {
    fn pod_event(&self, event: &PodEvent) {
        self.history.push(What::Event(Event {
            object: event.name.clone(),
            field_path: event.field_path.clone(),
            kind: event.kind.to_string(),
            reason: event.reason.clone(),
            message: event.message.clone(),
        }));
    }

    fn node_event(&self, event: &NodeEvent) {
        self.history.push(What::Event(Event {
            object: event.node.clone(),
            field_path: String::new(),
            kind: event.kind.to_string(),
            reason: event.reason.clone(),
            message: event.message.clone(),
        }));
    }

    fn pod_shown(&self, pod: &Arc<Pod>) {
        self.record(pod, &mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn pod_status(&self, pod: &Arc<Pod>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // A pod that is gone has a status until it has ended, and nobody is shown it.
        if pod.metadata.uid.as_ref().is_some_and(|uid| shown.contains_key(uid)) {
            self.record(pod, &mut shown);
        }
    }

    fn pod_gone(&self, pod: &Arc<Pod>) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        if shown.is_some() {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (namespace, name) = (text(&pod.metadata.namespace), text(&pod.metadata.name));
            self.history.push(What::PodGone { namespace, name, uid });
        }
    }
}

/// Records each line written to it.
#[derive(Debug)]
pub(super) struct LogLines {
    history: History,
    partial: Vec<u8>,
}

impl LogLines {
    pub(super) fn new(history: History) -> Self {
        Self { history, partial: Vec::new() }
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.history.push(What::Log(String::from_utf8_lossy(&line).trim_end().to_owned()));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_put_together() {
        let history = History::new();
        let mut lines = LogLines::new(history.clone());
        for part in ["one\ntw", "o\n", "three"] {
            lines.write_all(part.as_bytes()).unwrap();
        }
        let seen: Vec<_> = history.since(0).into_iter().map(|entry| entry.what).collect();
        assert_eq!(seen, [What::Log("one".into()), What::Log("two".into())]);
    }

    #[tokio::test(start_paused = true)]
    async fn pods_are_recorded_once_per_change() {
        let history = History::new();
        let watcher = Watcher::new(history.clone());
        let mut pod = Pod::default();
        pod.metadata.uid = Some("u".to_owned());
        watcher.pod_shown(&Arc::new(pod.clone()));
        watcher.pod_status(&Arc::new(pod.clone()));
        pod.metadata.name = Some("web".to_owned());
        let pod = Arc::new(pod);
        watcher.pod_status(&pod);
        watcher.pod_gone(&pod);
        watcher.pod_gone(&pod);
        assert_eq!(history.len(), 3);
        watcher.pod_status(&pod);
        assert_eq!(history.len(), 3, "nobody is shown a pod that is gone");
    }
}
