//! What was opened and what was closed again, and who broke the contract: leaks and violations by name.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Default)]
struct Books {
    open: BTreeSet<(&'static str, String)>,
    opened: u64,
    violations: Vec<String>,
}

/// Most violations remembered.
const LIMIT: usize = 1000;

/// Something that is open as long as this is there.
pub(crate) struct Held<'a> {
    ledger: &'a Ledger,
    kind: &'static str,
    id: String,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.ledger.closed(self.kind, &self.id);
    }
}

/// The books of one runtime.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Books>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of a kind now exists.
    pub(crate) fn opened(&self, kind: &'static str, id: &str) {
        let mut books = self.lock();
        books.opened += 1;
        if !books.open.insert((kind, id.to_owned())) {
            books.violations.push(format!("{kind} {id} was opened twice"));
        }
    }

    /// It is gone again.
    pub(crate) fn closed(&self, kind: &'static str, id: &str) {
        self.lock().open.remove(&(kind, id.to_owned()));
    }

    /// Open things of a kind whose name starts so.
    pub(crate) fn open_from(&self, kind: &'static str, start: &str) -> Vec<String> {
        let books = self.lock();
        let from = books.open.range((kind, start.to_owned())..);
        from.take_while(|(k, id)| *k == kind && id.starts_with(start)).map(|(_, id)| id.clone()).collect()
    }

    /// Open until what is given back is dropped.
    pub(crate) fn hold<'a>(&'a self, kind: &'static str, id: String) -> Held<'a> {
        self.opened(kind, &id);
        Held { ledger: self, kind, id }
    }

    /// Everything is gone: the node was wiped.
    pub(crate) fn wiped(&self) {
        self.lock().open.clear();
    }

    /// Somebody, the runtime itself included, did what must not be done.
    pub(crate) fn violated(&self, what: String) {
        let mut books = self.lock();
        if books.violations.len() < LIMIT && !books.violations.contains(&what) {
            books.violations.push(what);
        }
    }

    /// What is still open: `sandbox 0123…`, sorted.
    pub fn leaks(&self) -> Vec<String> {
        self.lock().open.iter().map(|(kind, id)| format!("{kind} {id}")).collect()
    }

    /// How many things were ever opened.
    pub fn opened_in_all(&self) -> u64 {
        self.lock().opened
    }

    /// What was broken, in order.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }
}
