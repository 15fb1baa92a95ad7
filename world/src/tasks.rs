//! Named, cancellable, joined tasks: a tree in which nothing outlives its parent unseen.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A group of tasks that are cancelled and awaited together. Clones are the same group.
#[derive(Clone, Debug)]
pub struct Tasks {
    name: Arc<str>,
    token: CancellationToken,
    tracker: TaskTracker,
    live: Arc<Mutex<Live>>,
}

#[derive(Debug, Default)]
struct Live {
    next: u64,
    names: BTreeMap<u64, String>,
}

/// Takes a task's name off the list when the task ends, however it ends.
struct Entry {
    live: Arc<Mutex<Live>>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).names.remove(&self.id);
    }
}

impl Tasks {
    /// A new root group.
    pub fn root(name: &str) -> Self {
        Self {
            name: name.into(),
            token: CancellationToken::new(),
            tracker: TaskTracker::new(),
            live: Arc::default(),
        }
    }

    /// A group below this one: cancelled with it, awaited with it, but also on its own.
    pub fn child(&self, name: &str) -> Self {
        Self {
            name: format!("{}/{name}", self.name).into(),
            token: self.token.child_token(),
            tracker: TaskTracker::new(),
            live: self.live.clone(),
        }
    }

    /// Starts a task. It is expected to end soon after [`Tasks::cancelled`]; one that does not look is dropped at its next
    /// await when the group is shut down.
    pub fn spawn<F>(&self, name: &str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            let id = live.next;
            live.next += 1;
            live.names.insert(id, format!("{}/{name}", self.name));
            Entry { live: self.live.clone(), id }
        };
        let aborted = self.token.clone();
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
        let handle = tokio::spawn(self.tracker.track_future(async move {
            let _entry = entry;
            tokio::select! {
                biased;
                output = future => Some(output),
                () = aborted.cancelled() => None,
            }
        }));
        handle
    }

    /// Starts a task that is left to finish by itself when the group is cancelled, and awaited by [`Tasks::shutdown`].
    pub fn spawn_to_completion<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            let id = live.next;
            live.next += 1;
            live.names.insert(id, format!("{}/{name}", self.name));
            Entry { live: self.live.clone(), id }
        };
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
        let handle = tokio::spawn(self.tracker.track_future(async move {
            let _entry = entry;
            future.await
        }));
        handle
    }

    /// Resolves when the group or one above it is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Whether the group has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The group's cancellation, for code that hands it on.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Asks all tasks of the group to end, without waiting.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Asks all tasks of this group (not of its children's own trackers) to end and waits until they have.
    pub async fn shutdown(&self) {
        self.token.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Names of the tasks of the whole tree that are alive, in the order they started: what a watchdog prints.
    pub fn live(&self) -> Vec<String> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).names.values().cloned().collect()
    }
}
