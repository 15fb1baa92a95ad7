//! What the runtime set around the processes of one container: filter, privileges they cannot gain, memory they cannot pass.

use std::sync::{Arc, Mutex, PoisonError};

use super::seccomp::Filter;

/// A control group of a container. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Cgroup(Arc<Group>);

#[derive(Debug, Default)]
struct Group {
    path: String,
    memory_limit: Mutex<Option<u64>>,
}

impl Cgroup {
    /// A group at a path below the hierarchy's root.
    pub fn new(path: impl Into<String>) -> Self {
        Self(Arc::new(Group { path: path.into(), memory_limit: Mutex::default() }))
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Bytes that all its processes together may hold.
    pub fn memory_limit(&self) -> Option<u64> {
        *self.0.memory_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_memory_limit(&self, limit: Option<u64>) {
        *self.0.memory_limit.lock().unwrap_or_else(PoisonError::into_inner) = limit.filter(|l| *l > 0);
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
