//! The file system: small, bounded, synchronous operations, and notice of change. Not mounts and not bulk data.
//!
//! Operations are synchronous on purpose: everything here is short (manifests, status files, links), and a thread pool would
//! cost determinism. Paths are absolute, as a process on the node sees them; an arm may put them below a root of its own.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use jiff::Timestamp;

pub mod real;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only where links are not followed).
    Symlink,
    /// A unix socket's file.
    Socket,
    /// A FIFO.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// Facts about one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits, including set-id and sticky (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Identity of the device: differs across a mount point.
    pub device: u64,
    /// Identity of the file on its device.
    pub inode: u64,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Name within the directory.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: FileKind,
}

/// Room on the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Size in bytes.
    pub capacity: u64,
    /// Bytes left for unprivileged users.
    pub available: u64,
    /// Number of inodes.
    pub inodes: u64,
    /// Inodes left.
    pub inodes_free: u64,
}

/// What happened to a watched path, in inotify's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Created, or moved to here.
    Create,
    /// Content written.
    Write,
    /// Attributes changed.
    Attributes,
    /// Removed.
    Remove,
    /// Moved from here.
    Rename,
}

/// A change below (or of) a watched path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Full path of what changed.
    pub path: PathBuf,
}

/// Notices of change, in order. Ends when the watched path is gone; dropping it ends the watch.
///
/// As inotify's, notices of one write may come several times over, and creation is followed by a write when there is content.
/// When a slow reader lost notices, an error of kind `Other` comes in their place: the reader must list afresh.
pub struct Watch(BoxStream<'static, io::Result<Change>>);

impl Watch {
    /// Wraps what an arm sends.
    pub fn new(changes: impl Stream<Item = io::Result<Change>> + Send + 'static) -> Self {
        Self(changes.fuse().boxed())
    }

    /// The next change; `None` when the watch is over. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<io::Result<Change>> {
        self.0.next().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// A file that is appended to: a container log.
pub trait Append: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// What an arm of the file system does. Errors carry the host's kinds.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// Reads a file whole. `FileTooLarge` if it is larger than `limit` bytes; `IsADirectory` for a directory; refuses what is not a
    /// regular file with `InvalidInput` (a FIFO would block).
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// Reads at most the last `limit` bytes of a regular file.
    fn read_tail(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// Reads at most `limit` bytes of a regular file from `offset` on; nothing at or behind its end.
    fn read_at(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Vec<u8>>;
    /// Creates or truncates a file and writes it, following links; `mode` is set exactly, whatever the umask. Refuses what it may not
    /// [`read`](FileSystem::read).
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()>;
    /// Opens a file for appending, creating it with exactly `mode` if it is missing. Refuses what it may not
    /// [`read`](FileSystem::read).
    fn append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Append>>;
    /// Creates one directory with exactly `mode`.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Creates a directory and what is missing above it, each with exactly `mode`. An existing one is left as it is; where something
    /// else exists it is `AlreadyExists` or `NotADirectory`.
    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Lists a directory, sorted by name. A name that is not UTF-8 is shown with replacement characters.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Facts about a path, following links.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Facts about a path itself, a link included.
    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Where a link points.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// Creates a link at `link` that says `target`.
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()>;
    /// Moves a path within one file system, replacing a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file or a link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all in it, without following links and without leaving its device: a mount point inside is an error and
    /// what is mounted stays untouched.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Sets the permission bits, following links.
    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Sets owner and group, not following links; `None` leaves one as it is.
    fn chown(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()>;
    /// Room on the file system that holds `path`.
    fn usage(&self, path: &Path) -> io::Result<Usage>;
    /// Watches a file or a directory (not what is below its subdirectories).
    fn watch(&self, path: &Path) -> io::Result<Watch>;
}

/// The file system.
#[derive(Clone, Debug)]
pub struct Files(Arc<dyn FileSystem>);

impl Files {
    /// The host's files below `root`: `/` for the host itself, a private directory for a test.
    pub fn real(root: impl Into<PathBuf>) -> Self {
        Self::new(real::HostFiles::new(root))
    }

    /// Wraps an arm.
    pub fn new(files: impl FileSystem + 'static) -> Self {
        Self(Arc::new(files))
    }

    /// Writes a file so that a reader sees the old content or the new, never a part: a temporary file beside it, then a rename.
    pub fn write_atomic(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(".tmp");
        let temporary = path.with_file_name(temporary);
        self.write(&temporary, bytes, mode)?;
        self.rename(&temporary, path).inspect_err(|_| {
            let _ = self.remove_file(&temporary);
        })
    }

    /// Reads a text file whole, up to `limit` bytes.
    pub fn read_to_string(&self, path: &Path, limit: u64) -> io::Result<String> {
        String::from_utf8(self.read(path, limit)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// Whether something is there, following links.
    pub fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }
}

impl std::ops::Deref for Files {
    type Target = dyn FileSystem;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// Creates `path` and what is missing above it, for arms that can create one directory.
pub(crate) fn create_missing(files: &impl FileSystem, path: &Path, mode: u32) -> io::Result<()> {
    let is_directory = |path: &Path| files.metadata(path).is_ok_and(|facts| facts.kind == FileKind::Directory);
    match files.create_dir(path, mode) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_directory(path) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            create_missing(files, path.parent().ok_or(e)?, mode)?;
            match files.create_dir(path, mode) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_directory(path) => Ok(()),
                done => done,
            }
        }
        done => done,
    }
}
