//! A node whose facts a test says.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::machine::{Facts, Node};

/// A node of [`Facts::simulated`] until told otherwise. Clones are the same node.
#[derive(Clone, Debug)]
pub struct SimulatedMachine(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    facts: Facts,
    memory_available: Option<u64>,
}

impl SimulatedMachine {
    /// The usual node.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { facts: Facts::simulated(), memory_available: None })))
    }

    /// Changes the facts.
    pub fn update(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.state().facts);
    }

    /// Sets `MemAvailable` in bytes. Until then it is three quarters of the memory.
    pub fn set_memory_available(&self, bytes: u64) {
        self.state().memory_available = Some(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SimulatedMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Node for SimulatedMachine {
    fn facts(&self) -> io::Result<Facts> {
        Ok(self.state().facts.clone())
    }

    fn memory_available(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.memory_available.unwrap_or(state.facts.memory_bytes / 4 * 3))
    }
}
