//! What really becomes of sandboxes and containers, told the moment it happens to whoever watches the runtime from within. Not the events
//! that clients subscribe to: faults never touch these.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// One thing that became true. Ids are whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact {
    /// A sandbox is ready.
    SandboxReady {
        /// Its id.
        id: String,
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        name: String,
        /// The pod's uid.
        uid: String,
        /// Which sandbox of the pod it is, counted from 0.
        attempt: u32,
        /// What the network gave it, in text; empty in the node's network.
        addresses: Vec<String>,
        /// Ports of the node that lead to it: `TCP 0.0.0.0:80`.
        host_ports: Vec<String>,
    },
    /// It is not ready any more.
    SandboxNotReady {
        /// Its id.
        id: String,
    },
    /// It is gone.
    SandboxRemoved {
        /// Its id.
        id: String,
    },
    /// A container was made.
    ContainerCreated {
        /// Its id.
        id: String,
        /// Its sandbox.
        sandbox: String,
        /// Its name in the pod.
        name: String,
        /// Which container of that name it is, counted from 0.
        attempt: u32,
        /// Its image, as the client's user wrote it.
        image: String,
    },
    /// Its program runs.
    ContainerStarted {
        /// Its id.
        id: String,
    },
    /// The runtime sent a signal to its first process, because a client wants it to end.
    ContainerSignalled {
        /// Its id.
        id: String,
        /// Whether it was KILL, which no process outlives.
        kill: bool,
    },
    /// Its program ended, or could not be started.
    ContainerExited {
        /// Its id.
        id: String,
        /// The exit status as it will be reported.
        code: i32,
    },
    /// It is gone.
    ContainerRemoved {
        /// Its id.
        id: String,
    },
    /// Every process on the node ended at once: power was lost, or the runtime crashed with all its pods.
    PowerLost {
        /// Whether the runtime forgot the containers.
        containers_forgotten: bool,
        /// Whether it forgot the sandboxes too.
        sandboxes_forgotten: bool,
    },
}

/// Gets every fact as it becomes true.
pub type Listener = Arc<dyn Fn(&Fact) + Send + Sync>;

/// Those who watch one runtime.
#[derive(Default)]
pub struct Truth(Mutex<Vec<Listener>>);

impl fmt::Debug for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Truth")
    }
}

impl Truth {
    /// Calls `listener` with every fact from now on, in order.
    pub fn listen(&self, listener: Listener) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Tells a fact, which is only put together if somebody listens.
    pub(crate) fn tell(&self, fact: impl FnOnce() -> Fact) {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if listeners.is_empty() {
            return;
        }
        let fact = fact();
        for listener in listeners {
            listener(&fact);
        }
    }
}
