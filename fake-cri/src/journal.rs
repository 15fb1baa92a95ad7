//! Every call, as it ends: request, reply or error, when and how long, and the fault applied. In memory and to whoever listens.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cri_proto::Document;
use serde::Serialize;
use tokio::time::Instant;

/// One call. Serialised with the same keys as recordings of real kubelets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Number, from 1, in the order in which calls began.
    pub seq: u64,
    /// When it began, in seconds since the runtime started.
    pub t: f64,
    /// How long it took, in seconds.
    pub dur: f64,
    /// The rpc.
    pub rpc: String,
    /// Request as protobuf JSON.
    pub request: Document,
    /// Reply as protobuf JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Document>,
    /// gRPC code in capitals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// gRPC message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The fault applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Most bytes of requests and replies that are kept, as they were on the wire: lists of large nodes are long.
const BYTES: usize = 256 * 1024 * 1024;

/// Gets every entry as it is made.
pub type Listener = Arc<dyn Fn(&Entry) + Send + Sync>;

/// The record of calls. Clones are the same record.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    started: Instant,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// With what each takes, in bytes on the wire.
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
    listeners: Vec<Listener>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} entries)", self.lock().entries.len())
    }
}

impl Journal {
    /// An empty journal that keeps the newest `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { started: Instant::now(), limit, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `listener` with every entry from now on, in order.
    pub fn listen(&self, listener: Listener) {
        self.lock().listeners.push(listener);
    }

    /// Everything kept.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().entries.iter().map(|(entry, _)| entry.clone()).collect()
    }

    /// A call begins. Dropping what is returned without an end records that the client gave up.
    pub(crate) fn begin(&self, rpc: &'static str, request: Document) -> Open {
        let seq = {
            let mut state = self.lock();
            state.next += 1;
            state.next
        };
        Open { journal: self.clone(), seq, began: Instant::now(), rpc, request: Some(request), fault: None, bytes: 0 }
    }

    fn record(&self, entry: Entry, bytes: usize) {
        let entry = Arc::new(entry);
        let listeners = {
            let mut state = self.lock();
            state.entries.push_back((entry.clone(), bytes));
            state.bytes += bytes;
            while state.entries.len() > self.0.limit || state.bytes > BYTES {
                let Some((_, bytes)) = state.entries.pop_front() else { break };
                state.bytes -= bytes;
            }
            state.listeners.clone()
        };
        for listener in listeners {
            listener(&entry);
        }
    }
}

/// A call that has not ended.
pub(crate) struct Open {
    journal: Journal,
    seq: u64,
    began: Instant,
    rpc: &'static str,
    request: Option<Document>,
    pub(crate) fault: Option<String>,
    /// What request and reply take on the wire.
    pub(crate) bytes: usize,
}

impl Open {
    /// Its number.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Ends it.
    pub(crate) fn end(mut self, result: Result<Option<Document>, &tonic::Status>) {
        self.close(result.map_err(|status| (format!("{:?}", status.code()), status.message().to_owned())));
    }

    fn close(&mut self, result: Result<Option<Document>, (String, String)>) {
        let Some(request) = self.request.take() else { return };
        let (response, code, error) = match result {
            Ok(response) => (response, None, None),
            Err((code, message)) => (None, Some(screaming(&code)), Some(message)),
        };
        let entry = Entry {
            seq: self.seq,
            t: self.began.duration_since(self.journal.0.started).as_secs_f64(),
            dur: self.began.elapsed().as_secs_f64(),
            rpc: self.rpc.to_owned(),
            request,
            response,
            code,
            error,
            fault: self.fault.take(),
        };
        self.journal.record(entry, self.bytes);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(Err(("Cancelled".to_owned(), "the client gave up".to_owned())));
    }
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}
