//! What the runtime set around the processes of one container: filter, privileges they cannot gain, memory they cannot pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seccomp::Filter;

/// A control group of a container. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Cgroup(Arc<Group>);

#[derive(Debug, Default)]
struct Group {
    path: String,
    /// `memory.oom.group`: the out-of-memory killer takes all of it.
    dies_together: bool,
    memory: Mutex<MemoryOfGroup>,
}

#[derive(Debug, Default)]
struct MemoryOfGroup {
    limit: Option<u64>,
    /// Whether the out-of-memory killer was ever here.
    ran_out: bool,
}

impl Cgroup {
    /// A group at a path below the hierarchy's root.
    pub fn new(path: impl Into<String>) -> Self {
        Self(Arc::new(Group { path: path.into(), ..Group::default() }))
    }

    /// The same, of which all processes end when one is to end for want of memory.
    pub fn dying_together(path: impl Into<String>) -> Self {
        Self(Arc::new(Group { path: path.into(), dies_together: true, ..Group::default() }))
    }

    fn memory(&self) -> MutexGuard<'_, MemoryOfGroup> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Bytes that all its processes together may hold.
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory().limit
    }

    pub(super) fn set_memory_limit(&self, limit: Option<u64>) {
        self.memory().limit = limit.filter(|l| *l > 0);
    }

    /// Notes that the out-of-memory killer comes. Whether it takes all.
    pub(super) fn run_out(&self) -> bool {
        self.memory().ran_out = true;
        self.0.dies_together
    }

    /// Whether the out-of-memory killer ended any of its processes.
    pub fn ran_out(&self) -> bool {
        self.memory().ran_out
    }

    /// Whether both are one group.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What holds for all processes of a container.
#[derive(Debug, Default)]
pub struct Confinement {
    /// System calls it may make.
    pub seccomp: Option<Filter>,
    /// Whether set-id programs give nothing.
    pub no_new_privileges: bool,
    /// Its control group.
    pub cgroup: Cgroup,
    /// `oom_score_adj`.
    pub oom_score_adj: i64,
}
