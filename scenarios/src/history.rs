//! What happened in one run, in order: status changes, events, CRI calls, log lines, answers, steps. Records and finds; judges nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use cri_proto::Document;
use fake_cri::truth::Fact;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::format::length::Shift;

mod places;
pub mod trace;

use places::Places;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When, counted from the start of the run.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The scenario did a step.
    Step {
        /// Its line in the file.
        line: u64,
        /// What it does.
        text: String,
    },
    /// A pod is shown, or shown differently.
    Pod(Arc<Value>),
    /// A pod is no longer shown.
    PodGone {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// An event about a pod or the node.
    Event(Event),
    /// A CRI call ended.
    Call(Call),
    /// The kubelet logged a line.
    Log(String),
    /// A server answered the scenario.
    Answer {
        /// What was asked for.
        url: String,
        /// The status, or why there is none.
        status: Result<u16, String>,
        /// The body as text.
        body: String,
    },
    /// The kubelet started or ended.
    Kubelet(String),
    /// The runtime was started or ended.
    Runtime(String),
    /// The node lost power, or booted.
    Node(String),
    /// The node's wall clock was moved.
    Clock(Shift),
    /// Faults of the runtime were set.
    Faults {
        /// Whether there are any now.
        in_force: bool,
        /// Whether one makes the runtime say what is not so.
        lying: bool,
    },
    /// The scenario wrote or removed a file of the manifest directory.
    File {
        /// Where.
        path: String,
        /// What it holds: nothing if it is gone, nothing inside if it cannot be read as text.
        content: Option<Option<Arc<str>>>,
    },
    /// Something became true of the runtime's sandboxes and containers, whatever it says of them.
    Fact(Fact),
}

/// A Kubernetes event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Name of the pod or node.
    pub object: String,
    /// Which part of it.
    pub field_path: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// The reason.
    pub reason: String,
    /// The message.
    pub message: String,
}

/// A CRI call that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its number, in the order in which calls began.
    pub seq: u64,
    /// How long it took.
    pub took: Duration,
    /// Its name.
    pub rpc: String,
    /// The request as protobuf JSON.
    pub request: Document,
    /// The reply as protobuf JSON.
    pub response: Option<Document>,
    /// The gRPC code in capitals: `OK`, `NOT_FOUND` …
    pub code: String,
    /// The gRPC message of a failure.
    pub error: Option<String>,
    /// The fault applied.
    pub fault: Option<String>,
}

/// The record of a run. Clones share it.
#[derive(Clone, Debug)]
pub struct History(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    entries: Mutex<Vec<Entry>>,
    changed: Notify,
    places: OnceLock<Places>,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// An empty record that starts now.
    pub fn new() -> Self {
        let entries = Mutex::default();
        Self(Arc::new(Shared { start: Instant::now(), entries, changed: Notify::new(), places: OnceLock::new() }))
    }

    /// From now on, what the node says is recorded without these prefixes of names: what they begin is the node's own there.
    pub fn node_lies_below(&self, prefixes: &[String]) {
        // A node lies in one place.
        let _ = self.0.places.set(Places::new(prefixes));
    }

    /// A text of the node's as scenarios know it.
    pub fn known(&self, text: String) -> String {
        match self.0.places.get() {
            Some(places) => places.text(text),
            None => text,
        }
    }

    /// How long the run has taken.
    pub fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// Records something that happens now.
    pub fn push(&self, what: What) {
        let at = self.now();
        let what = match self.0.places.get() {
            Some(places) => places.what(what),
            None => what,
        };
        self.entries().push(Entry { at, what });
        self.0.changed.notify_waiters();
    }

    /// Resolves when there are more than `known` entries.
    pub async fn grown_beyond(&self, known: usize) {
        loop {
            let changed = self.0.changed.notified();
            if self.len() > known {
                return;
            }
            changed.await;
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries from index `first` on.
    pub fn since(&self, first: usize) -> Vec<Entry> {
        self.entries().get(first..).map(<[Entry]>::to_vec).unwrap_or_default()
    }

    /// Looks at all entries without copying them.
    pub fn read<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.entries())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl What {
    /// Whether it is worth a line in a report of a failure: not the calls that a kubelet makes all the time.
    pub fn is_telling(&self) -> bool {
        match self {
            Self::Call(call) => {
                let idle = [
                    "List",
                    "Status",
                    "Version",
                    "ImageFsInfo",
                    "RuntimeConfig",
                    "ContainerStatus",
                    "PodSandboxStatus",
                    "ImageStatus",
                ];
                call.code != "OK" || !idle.iter().any(|name| call.rpc.starts_with(name))
            }
            Self::Log(line) => line.starts_with(['E', 'W', 'F']),
            Self::Fact(_) | Self::File { .. } | Self::Faults { .. } => false,
            _ => true,
        }
    }
}

/// Whether an object's name is `name`, with or without the node's name behind it.
pub fn is_named(object: &Value, name: &str) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let full = text("/metadata/name");
    full == name || full.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) == Some(text("/spec/nodeName"))
}

impl Event {
    /// Whether the event is about the pod `name`, with or without a node's name behind it.
    pub fn is_about(&self, name: &str) -> bool {
        self.object == name || self.object.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    }
}

/// A pod's identity as the history keeps it.
pub fn identity(pod: &Value) -> Value {
    let field = |name: &str| pod.pointer(&format!("/metadata/{name}")).cloned().unwrap_or(Value::Null);
    json!([field("namespace"), field("name"), field("uid")])
}
