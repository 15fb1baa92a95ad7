//! An open file of a tree: a place, how it was opened, and how far it has been read.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;

use super::{FILE_LIMIT, OpenMode, Place};
use crate::os::{Errno, OpenFile};

/// An open file of the tree.
#[derive(Debug)]
pub(super) struct TreeFile {
    place: Place,
    mode: OpenMode,
    position: AtomicU64,
    writer: Mutex<Option<Writer>>,
}

/// An appending handle of the mount.
struct Writer {
    file: Box<dyn world::files::Append>,
    /// Bytes in the file, as far as this handle knows.
    size: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl TreeFile {
    /// A place, opened; the caller has checked that it may be.
    pub(super) fn new(place: Place, mode: OpenMode) -> Self {
        Self { place, mode, position: AtomicU64::new(0), writer: Mutex::new(None) }
    }

    fn read_now(&self, max: usize) -> Result<Vec<u8>, Errno> {
        if !self.mode.read {
            return Err(Errno::BadDescriptor);
        }
        let from = self.position.load(Ordering::Acquire);
        let chunk = self.place.mount.files.read_at(&self.place.inner, from, max as u64)?;
        self.position.store(from + chunk.len() as u64, Ordering::Release);
        Ok(chunk)
    }

    fn write_now(&self, bytes: &[u8]) -> Result<(), Errno> {
        if !self.mode.write {
            return Err(Errno::BadDescriptor);
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match writer.as_mut() {
            Some(writer) => writer,
            None => {
                let files = &self.place.mount.files;
                let file = files.append(&self.place.inner, 0o644)?;
                let size = files.metadata(&self.place.inner).map_or(0, |facts| facts.size);
                writer.insert(Writer { file, size })
            }
        };
        writer.size = writer.size.saturating_add(bytes.len() as u64);
        // What is not on the node's own disk is in memory, of which there is an end.
        if self.place.mount.kind != "bind" && writer.size > FILE_LIMIT {
            return Err(Errno::TooBig);
        }
        Ok(writer.file.append(bytes)?)
    }
}

impl OpenFile for TreeFile {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        let result = self.read_now(max);
        Box::pin(async move { result })
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        let result = self.write_now(bytes);
        Box::pin(async move { result })
    }
}
