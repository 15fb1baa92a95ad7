//! Pod lifecycle events: what the runtime holds, read again and again, becomes events for workers and a cache of pod states. Nothing is
//! decided here and nothing changed.
//!
//! As kubelet 1.36's generic and evented PLEG. The runtime's own event stream, where it has one, says which pod to look at; listings
//! are the fallback: every second without a stream, every ten seconds beside one. Upstream leaves the stream off by default and
//! polls; events are only sooner here, never different.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};
use world::Tasks;

use crate::{api::duration::GoDuration, runtime::observed::ObservedPod};

mod cache;
mod records;
mod relist;
mod source;
mod stream;

pub use cache::{Cache, Stamp};
pub use source::{Notice, RuntimeView};

/// How many events wait for a slow reader before they are dropped, as upstream's channel.
const QUEUE: usize = 1000;

/// Without a finished listing for this long, the kubelet is not healthy.
const THRESHOLD: Duration = Duration::from_secs(3 * 60);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlegEventKind {
    /// A container or sandbox runs now.
    ContainerStarted,
    /// A container or sandbox has ended.
    ContainerDied,
    /// A dead container or sandbox is no longer there. Wakes no worker.
    ContainerRemoved,
    /// The pod's state was read again without a change.
    PodSync,
}

/// Something that happened to a pod in the runtime. The cache has its state already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlegEvent {
    /// UID of the pod.
    pub uid: String,
    /// What happened.
    pub kind: PlegEventKind,
    /// The container's or sandbox's id, without the runtime's name; `None` for `PodSync`.
    pub container: Option<String>,
}

/// The generator: its cache, and requests to it. Shared.
#[derive(Debug)]
pub struct Pleg {
    cache: Cache,
    last_relist: Mutex<Option<Instant>>,
}

impl Pleg {
    /// Starts reading `runtime` in `tasks`. The first full listing begins at once.
    pub fn start(runtime: Arc<dyn RuntimeView>, tasks: &Tasks) -> (Arc<Self>, mpsc::Receiver<PlegEvent>) {
        let pleg = Arc::new(Self { cache: Cache::default(), last_relist: Mutex::new(None) });
        let (to, from) = mpsc::channel(QUEUE);
        drop(tasks.spawn("pleg", relist::Relister::new(pleg.clone(), runtime.clone(), to).run()));
        drop(tasks.spawn("pleg-stream", stream::follow(pleg.clone(), runtime)));
        (pleg, from)
    }

    /// The states of pods.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// A point in time to compare readings with: all that is read from now on is newer.
    pub fn now(&self) -> Stamp {
        self.cache.now()
    }

    /// The state of a pod, read after `than`; waits for such a reading, and asks for it if nobody has. See [`Cache::get_newer_than`].
    ///
    /// # Errors
    /// The text of the error that the reading met.
    pub async fn get_newer_than(&self, uid: &str, than: Stamp) -> Result<Arc<ObservedPod>, String> {
        self.cache.get_newer_than(uid, than).await
    }

    /// Asks to read this pod now, as after a sync that changed something. Returns at once.
    pub fn request_relist(&self, uid: &str) {
        self.cache.request(uid);
    }

    /// Whether listings succeed; the text says since when they do not.
    ///
    /// # Errors
    /// Upstream's words for it.
    pub fn healthy(&self) -> Result<(), String> {
        match self.last_relist() {
            None => Err("pleg has yet to be successful".to_owned()),
            Some(at) if at.elapsed() > THRESHOLD => Err(format!(
                "pleg was last seen active {} ago; threshold is {}",
                GoDuration::from_std(at.elapsed()),
                GoDuration::from_std(THRESHOLD)
            )),
            Some(_) => Ok(()),
        }
    }

    /// When the last full listing succeeded; `None` before the first one.
    pub fn last_relist(&self) -> Option<Instant> {
        *self.last_relist.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relisted(&self) {
        *self.last_relist.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests;
