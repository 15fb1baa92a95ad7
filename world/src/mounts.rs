//! Mounts of the node: memory file systems, bind mounts, and paths inside a volume that no link leads out of. Not a container's mounts: those
//! belong to the runtime. Mirrors what upstream's `mount-utils` and `volume/util/subpath` are asked for.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub mod real;
pub(crate) mod within;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where it is seen.
    pub at: PathBuf,
    /// File system type: `tmpfs`, `ext4`, …
    pub kind: String,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
    /// Options of the file system, as `/proc/self/mountinfo` ends.
    pub options: String,
}

/// Why a path inside a volume cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WithinError {
    /// A missing directory could not be made.
    #[error("{0}")]
    Create(io::Error),
    /// It leads out of the volume, or it cannot be opened or mounted.
    #[error("{0}")]
    Prepare(io::Error),
}

/// A path inside a volume.
#[derive(Clone, Copy, Debug)]
pub struct Within<'a> {
    /// The volume; links on the way to it are followed.
    pub root: &'a Path,
    /// Relative; links in it are followed as long as they stay in the volume.
    pub sub: &'a Path,
    /// Mode of directories that are missing, exactly.
    pub mode: u32,
}

/// What an arm of the mounts does. Errors carry the host's kinds: `PermissionDenied` without the privilege to mount.
pub trait MountTable: Send + Sync + fmt::Debug {
    /// Mounts a file system of type `kind` on the directory `at`, as `mount -t KIND -o OPTIONS SOURCE AT`.
    fn mount(&self, kind: &str, source: &str, at: &Path, options: &str) -> io::Result<()>;
    /// Shows `from` at `at` as well; both are directories, or neither is.
    fn bind(&self, from: &Path, at: &Path) -> io::Result<()>;
    /// Shows a path inside a volume at `at`, which is made (a directory 0750, or a file 0640) if it is missing. No link that is swapped in
    /// meanwhile leads out of the volume. What is mounted at `at` already stays if it is the same, and is replaced if not.
    fn bind_within(&self, within: Within<'_>, at: &Path) -> Result<(), WithinError>;
    /// Reads a regular file inside a volume, of at most `limit` bytes. No link leads out of the volume; nothing is made.
    fn read_within(&self, root: &Path, sub: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// Makes the mount at `at` read-only, and no other mount of the same file system. The simulation notes it and forbids nothing.
    fn remount_read_only(&self, at: &Path) -> io::Result<()>;
    /// Takes the topmost mount at `at` away; a link there is not followed. `InvalidInput` if nothing is mounted, `ResourceBusy` if it is in use.
    fn unmount(&self, at: &Path) -> io::Result<()>;
    /// All mounts, oldest first.
    fn list(&self) -> io::Result<Vec<Mounted>>;
}

/// The mounts.
#[derive(Clone, Debug)]
pub struct Mounts(Arc<dyn MountTable>);

impl Mounts {
    /// The host's mounts, with paths below `root`: `/` for the host itself, a private directory for a test.
    pub fn real(root: impl Into<PathBuf>) -> Self {
        Self::new(real::HostMounts::new(root))
    }

    /// Wraps an arm.
    pub fn new(mounts: impl MountTable + 'static) -> Self {
        Self(Arc::new(mounts))
    }

    /// What is mounted at `path` or below it, oldest first.
    pub fn below(&self, path: &Path) -> io::Result<Vec<Mounted>> {
        let mut mounts = self.list()?;
        mounts.retain(|mount| mount.at.starts_with(path));
        Ok(mounts)
    }
}

impl std::ops::Deref for Mounts {
    type Target = dyn MountTable;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
