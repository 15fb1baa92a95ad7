//! Named, cancellable, joined tasks: a tree in which nothing outlives its parent unseen, and no panic is silent.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(test)]
mod tests;

/// A group of tasks that are cancelled and awaited together. Clones are the same group.
#[derive(Clone, Debug)]
pub struct Tasks {
    name: Arc<str>,
    token: CancellationToken,
    killed: Arc<Killed>,
    /// This group's own and those of all groups above, which wait for its tasks too.
    trackers: Arc<[TaskTracker]>,
    tree: Arc<Tree>,
}

/// What a task said when it panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPanic {
    /// The task's name with its groups'.
    pub task: String,
    /// The panic's message.
    pub message: String,
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} panicked: {}", self.task, self.message)
    }
}

/// Whether a group is to end without another step of its tasks.
#[derive(Debug, Default)]
struct Killed {
    itself: AtomicBool,
    above: Option<Arc<Killed>>,
}

impl Killed {
    fn is_so(&self) -> bool {
        self.itself.load(Ordering::SeqCst) || self.above.as_ref().is_some_and(|above| above.is_so())
    }
}

/// What all groups of a tree share.
#[derive(Debug, Default)]
struct Tree {
    state: Mutex<State>,
    panicked: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    names: BTreeMap<u64, String>,
    panics: Vec<TaskPanic>,
}

impl Tree {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a task's name off the list when the task ends, however it ends.
struct Entry {
    tree: Arc<Tree>,
    id: u64,
}

impl Entry {
    fn new(tree: &Arc<Tree>, name: String) -> Self {
        let mut state = tree.state();
        let id = state.next;
        state.next += 1;
        state.names.insert(id, name);
        Self { tree: tree.clone(), id }
    }

    fn report(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("(no message)").to_owned();
        let mut state = self.tree.state();
        let task = state.names.get(&self.id).cloned().unwrap_or_default();
        tracing::error!(task, message, "task panicked");
        state.panics.push(TaskPanic { task, message });
        drop(state);
        self.tree.panicked.cancel();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.tree.state().names.remove(&self.id);
    }
}

impl Tasks {
    /// A new root group.
    pub fn root(name: &str) -> Self {
        Self {
            name: name.into(),
            token: CancellationToken::new(),
            killed: Arc::default(),
            trackers: [TaskTracker::new()].into(),
            tree: Arc::default(),
        }
    }

    /// A group below this one: cancelled with it, awaited with it, but also on its own.
    pub fn child(&self, name: &str) -> Self {
        Self {
            name: format!("{}/{name}", self.name).into(),
            token: self.token.child_token(),
            killed: Arc::new(Killed { itself: AtomicBool::new(false), above: Some(self.killed.clone()) }),
            trackers: std::iter::once(TaskTracker::new()).chain(self.trackers.iter().cloned()).collect(),
            tree: self.tree.clone(),
        }
    }

    /// Starts a task. It is expected to end soon after [`Tasks::cancelled`]; one that does not look is dropped at its next
    /// await when the group is cancelled.
    pub fn spawn<F>(&self, name: &str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (token, killed) = (self.token.clone(), self.killed.clone());
        self.spawn_to_completion(name, async move {
            // Whoever kills cancels as well, which is what wakes the task.
            let dead = poll_fn(|_| if killed.is_so() { Poll::Ready(()) } else { Poll::Pending });
            tokio::select! {
                biased;
                () = dead => None,
                output = future => Some(output),
                () = token.cancelled() => None,
            }
        })
    }

    /// Starts a task that is left to finish by itself when the group is cancelled, and awaited by [`Tasks::shutdown`].
    pub fn spawn_to_completion<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry = Entry::new(&self.tree, format!("{}/{name}", self.name));
        let counted: Vec<_> = self.trackers.iter().map(TaskTracker::token).collect();
        let task = async move {
            // The task is off the list before anybody who waits for it goes on.
            let _counted = counted;
            let entry = entry;
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(output) => output,
                Err(panic) => {
                    entry.report(panic.as_ref());
                    // Whoever holds the handle sees it as well.
                    resume_unwind(panic)
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
        tokio::spawn(task)
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

    /// Asks all tasks of the group and of groups below to end, without waiting.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Drops all tasks of the group and of groups below, but those that are [left to finish](Tasks::spawn_to_completion), before any of
    /// them takes another step: what SIGKILL is to a process. A task that is running at this moment goes on to its next await.
    pub fn kill(&self) {
        self.killed.itself.store(true, Ordering::SeqCst);
        self.token.cancel();
    }

    /// Asks all tasks of the group and of groups below to end and waits until they have. A task must not await its own group's.
    pub async fn shutdown(&self) {
        self.token.cancel();
        if let Some(own) = self.trackers.first() {
            own.close();
            own.wait().await;
        }
    }

    /// Names of the tasks of the whole tree that are alive, in the order they started: what a watchdog prints.
    pub fn live(&self) -> Vec<String> {
        self.tree.state().names.values().cloned().collect()
    }

    /// Panics of tasks of the whole tree so far, first one first.
    pub fn panics(&self) -> Vec<TaskPanic> {
        self.tree.state().panics.clone()
    }

    /// Waits for the first panic of a task of the whole tree: a main program ends then, with the name of the culprit.
    pub async fn panicked(&self) -> TaskPanic {
        self.tree.panicked.cancelled().await;
        let first = self.tree.state().panics.first().cloned();
        first.unwrap_or_else(|| TaskPanic { task: String::new(), message: String::new() })
    }
}
