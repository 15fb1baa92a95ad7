//! Open files: what a descriptor refers to. Pipes live here; files of the tree are in [`super::files`].

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::Errno;

/// An open file; clones share position and state, as after `dup`.
pub type Descriptor = Arc<dyn OpenFile>;

/// What can be done with an open file.
pub trait OpenFile: Send + Sync + fmt::Debug {
    /// Waits for and takes at most `max` bytes; empty at the end.
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>>;

    /// Writes all of `bytes`, waiting while the other side is full.
    fn write<'a>(&'a self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>>;

    /// The terminal that it is, if it is one.
    fn terminal(&self) -> Option<&super::Terminal> {
        None
    }

    /// Whether it is a terminal.
    fn is_terminal(&self) -> bool {
        self.terminal().is_some()
    }
}

/// `/dev/null`: reads end at once, writes vanish.
#[derive(Debug)]
pub struct Null;

impl OpenFile for Null {
    fn read(&self, _max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Ok(()) })
    }
}

/// `/dev/zero`, or any endless byte.
#[derive(Debug)]
pub struct Endless(pub u8);

impl OpenFile for Endless {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        let bytes = vec![self.0; max.min(1 << 20)];
        Box::pin(async move { Ok(bytes) })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Ok(()) })
    }
}

/// `/dev/full`: zeros to read, no room to write.
#[derive(Debug)]
pub struct Full;

impl OpenFile for Full {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        let bytes = vec![0; max.min(1 << 20)];
        Box::pin(async move { Ok(bytes) })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Err(Errno::NoSpace) })
    }
}

/// A file that hands every write to a function: a container's log.
pub struct Sink<F>(pub F);

impl<F> fmt::Debug for Sink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

impl<F: Fn(&[u8]) -> Result<(), Errno> + Send + Sync> OpenFile for Sink<F> {
    fn read(&self, _max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        let result = (self.0)(bytes);
        Box::pin(async move { result })
    }
}

/// How many bytes a pipe holds before a writer waits, as Linux's.
const PIPE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Buffer {
    bytes: Mutex<VecDeque<u8>>,
    changed: Notify,
    writers_gone: AtomicBool,
    readers_gone: AtomicBool,
}

impl Buffer {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a pipe that is read.
#[derive(Debug)]
pub struct PipeReader(Arc<Buffer>);

/// The end of a pipe that is written.
#[derive(Debug)]
pub struct PipeWriter(Arc<Buffer>);

/// A pipe: what is written to the second comes out of the first, which ends when every copy of the second is dropped.
pub fn pipe() -> (Arc<PipeReader>, Arc<PipeWriter>) {
    let buffer = Arc::new(Buffer {
        bytes: Mutex::default(),
        changed: Notify::new(),
        writers_gone: AtomicBool::new(false),
        readers_gone: AtomicBool::new(false),
    });
    (Arc::new(PipeReader(buffer.clone())), Arc::new(PipeWriter(buffer)))
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.readers_gone.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.writers_gone.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}

impl OpenFile for PipeReader {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async move {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let mut bytes = self.0.lock();
                    if !bytes.is_empty() {
                        let n = max.min(bytes.len());
                        let taken = bytes.drain(..n).collect();
                        self.0.changed.notify_waiters();
                        return Ok(taken);
                    }
                    if self.0.writers_gone.load(Ordering::Acquire) || max == 0 {
                        return Ok(Vec::new());
                    }
                }
                changed.await;
            }
        })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }
}

impl OpenFile for PipeWriter {
    fn read(&self, _max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }

    fn write<'a>(&'a self, mut bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async move {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.0.readers_gone.load(Ordering::Acquire) {
                    return Err(Errno::BrokenPipe);
                }
                {
                    let mut held = self.0.lock();
                    let n = bytes.len().min(PIPE_BYTES.saturating_sub(held.len()));
                    if let Some((now, later)) = bytes.split_at_checked(n) {
                        held.extend(now);
                        bytes = later;
                    }
                    if n > 0 {
                        self.0.changed.notify_waiters();
                    }
                }
                if bytes.is_empty() {
                    return Ok(());
                }
                changed.await;
            }
        })
    }
}

/// Reads to the end, or `limit` bytes; more is an error.
pub async fn read_all(file: &dyn OpenFile, limit: usize) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    loop {
        let chunk = file.read(64 * 1024).await?;
        if chunk.is_empty() {
            return Ok(all);
        }
        if all.len() + chunk.len() > limit {
            return Err(Errno::TooBig);
        }
        all.extend_from_slice(&chunk);
    }
}
