//! Which operation on which path fails, how and how often. Not whether the operation would have failed by itself.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

/// What an operation does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `read`, `read_tail`, `read_at`.
    Read,
    /// `write`.
    Write,
    /// `append`: opening the file.
    Open,
    /// Appending to an open file.
    Append,
    /// `create_dir`, and each step of `create_dir_all`.
    CreateDir,
    /// `read_dir`.
    ReadDir,
    /// `metadata`, `symlink_metadata`.
    Metadata,
    /// `read_link`.
    ReadLink,
    /// `symlink`.
    Symlink,
    /// `rename`, from or to the path.
    Rename,
    /// `remove_file`, `remove_dir`, `remove_dir_all` (of the path given, not of what is in it).
    Remove,
    /// `set_mode`.
    SetMode,
    /// `chown`.
    Chown,
    /// `usage`.
    Usage,
    /// `watch`.
    Watch,
    /// `mount`, `bind`, `remount_read_only`, by the mount point.
    Mount,
    /// `unmount`.
    Unmount,
}

/// A failure of operations at and below a path, as the path is written by the caller (links are not followed to find it).
#[derive(Clone, Debug)]
pub struct FileFault {
    under: PathBuf,
    errno: Errno,
    operations: Vec<Operation>,
    skip: u64,
    left: Option<u64>,
    torn: Option<usize>,
}

impl FileFault {
    /// The host's error number `errno` (`5` is EIO) at and below `under`, for every operation, until taken away. A number that is no
    /// error number becomes EIO.
    pub fn errno(under: impl Into<PathBuf>, errno: i32) -> Self {
        let errno = if (1..4096).contains(&errno) { Errno::from_raw_os_error(errno) } else { Errno::IO };
        Self { under: under.into(), errno, operations: Vec::new(), skip: 0, left: None, torn: None }
    }

    /// The device is full: ENOSPC, for operations that need room.
    pub fn no_space(under: impl Into<PathBuf>) -> Self {
        use Operation::{Append, CreateDir, Open, Rename, Symlink, Write};
        Self::errno(under, Errno::NOSPC.raw_os_error()).on([Write, Open, Append, CreateDir, Symlink, Rename])
    }

    /// The device is broken: EIO for every operation.
    pub fn io_error(under: impl Into<PathBuf>) -> Self {
        Self::errno(under, Errno::IO.raw_os_error())
    }

    /// Permission is denied: EACCES for every operation.
    pub fn denied(under: impl Into<PathBuf>) -> Self {
        Self::errno(under, Errno::ACCESS.raw_os_error())
    }

    /// The device went read-only: EROFS for operations that change something.
    pub fn read_only(under: impl Into<PathBuf>) -> Self {
        use Operation::{Append, Chown, CreateDir, Open, Remove, Rename, SetMode, Symlink, Write};
        let changes = [Write, Open, Append, CreateDir, Symlink, Rename, Remove, SetMode, Chown];
        Self::errno(under, Errno::ROFS.raw_os_error()).on(changes)
    }

    /// Only these operations fail.
    pub fn on(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = operations.into_iter().collect();
        self
    }

    /// The first `n` operations that fit still work.
    pub fn after(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Only `n` operations fail.
    pub fn times(mut self, n: u64) -> Self {
        self.left = Some(n);
        self
    }

    /// A write or append stores its first `bytes` bytes before it fails.
    pub fn torn(mut self, bytes: usize) -> Self {
        self.torn = Some(bytes);
        self
    }

    fn fits(&self, operation: Operation, path: &Path) -> bool {
        path.starts_with(&self.under) && (self.operations.is_empty() || self.operations.contains(&operation))
    }
}

/// Names an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFaultId(u64);

/// How a write fails.
#[derive(Debug)]
pub(super) struct FailedWrite {
    pub(super) error: io::Error,
    /// How many bytes are stored all the same; `None` leaves the file as it was.
    pub(super) stored: Option<usize>,
}

/// The faults of one tree.
#[derive(Debug, Default)]
pub(super) struct Faults {
    next: u64,
    /// With the number of times that each has acted.
    all: BTreeMap<u64, (FileFault, u64)>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: FileFault) -> FileFaultId {
        let id = self.next;
        self.next += 1;
        self.all.insert(id, (fault, 0));
        FileFaultId(id)
    }

    /// Stops a fault; its count is kept.
    pub(super) fn stop(&mut self, id: FileFaultId) {
        if let Some((fault, _)) = self.all.get_mut(&id.0) {
            fault.left = Some(0);
        }
    }

    pub(super) fn stop_all(&mut self) {
        self.all.values_mut().for_each(|(fault, _)| fault.left = Some(0));
    }

    pub(super) fn hits(&self, id: FileFaultId) -> u64 {
        self.all.get(&id.0).map_or(0, |(_, hits)| *hits)
    }

    /// Fails if a fault wants this operation to.
    pub(super) fn check(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        self.act(operation, path).map_or(Ok(()), |(errno, _)| Err(errno.into()))
    }

    /// How a write of `size` bytes is to fail, if a fault wants it to.
    pub(super) fn check_write(&mut self, operation: Operation, path: &Path, size: usize) -> Option<FailedWrite> {
        let (errno, torn) = self.act(operation, path)?;
        Some(FailedWrite { error: errno.into(), stored: torn.map(|torn| torn.min(size)) })
    }

    fn act(&mut self, operation: Operation, path: &Path) -> Option<(Errno, Option<usize>)> {
        for (fault, hits) in self.all.values_mut() {
            if fault.left == Some(0) || !fault.fits(operation, path) {
                continue;
            }
            if let Some(skip) = fault.skip.checked_sub(1) {
                fault.skip = skip;
                continue;
            }
            fault.left = fault.left.map(|left| left.saturating_sub(1));
            *hits += 1;
            return Some((fault.errno, fault.torn));
        }
        None
    }
}
