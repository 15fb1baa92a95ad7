//! Bytes that the shells of one kernel hold for scripts, with an end to it: simulated memory is the host's.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Most bytes that the shells of one kernel hold together.
pub const MEMORY_LIMIT: usize = 128 * 1024 * 1024;

/// What is held. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<AtomicUsize>);

/// A part of it, given back when dropped.
#[derive(Debug)]
pub struct Held {
    memory: Memory,
    bytes: AtomicUsize,
}

impl Memory {
    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Nothing yet, to be resized.
    pub fn nothing(&self) -> Held {
        Held { memory: self.clone(), bytes: AtomicUsize::new(0) }
    }

    /// So many bytes; `None` if there is no room.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let held = self.nothing();
        held.resize(bytes).then_some(held)
    }
}

impl Held {
    /// Holds so many bytes instead. Whether there is room; if not, all stays as it was.
    pub fn resize(&self, bytes: usize) -> bool {
        let before = self.bytes.load(Ordering::Relaxed);
        let room = |all: usize| {
            all.saturating_sub(before).checked_add(bytes).filter(|all| bytes <= before || *all <= MEMORY_LIMIT)
        };
        let fits = self.memory.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        if fits {
            self.bytes.store(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.resize(0);
    }
}
