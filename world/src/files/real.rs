//! The host's files below a root that no path and no link escapes. Not a container's mounts: those belong to the runtime.
//!
//! Every operation opens its directory first and then works relative to that handle, so that a link swapped in between cannot lead
//! elsewhere. Below a root other than `/` the kernel itself resolves (`openat2` with `RESOLVE_IN_ROOT`, Linux 5.6), as in a chroot.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::{
    fs::{self as sys, AtFlags, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{Append, DirEntry, FileKind, FileSystem, Metadata, Usage, Watch};

mod remove;
mod watch;

/// The host's file system below a root.
#[derive(Clone, Debug)]
pub struct HostFiles {
    root: PathBuf,
}

impl HostFiles {
    /// Files below `root`. Nothing is opened yet: a missing root shows as `NotFound` on use.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Opens `path` below the root.
    pub(crate) fn open(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = normal(path)?;
        // `openat2` takes no flag beside `O_PATH` that has no sense there.
        let quiet = if flags.contains(OFlags::PATH) { OFlags::CLOEXEC } else { OFlags::CLOEXEC | OFlags::NOCTTY };
        let flags = flags | quiet;
        if self.root == Path::new("/") {
            return Ok(sys::open(&path, flags, mode)?);
        }
        let root = sys::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel gives up with EAGAIN when something on the way is renamed meanwhile; it asks to be called again.
        for _ in 0..64 {
            match sys::openat2(&root, &path, flags, mode, resolve) {
                Err(Errno::AGAIN) => {}
                done => return Ok(done?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens the directory that holds `path`, and gives the name in it.
    pub(crate) fn parent<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        if normal(path)? == Path::new("/") {
            return Err(Errno::BUSY.into());
        }
        let parent = self.open(path.parent().ok_or(Errno::INVAL)?, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        // A path that ends in `..` names nothing in its directory.
        Ok((parent, path.file_name().ok_or(Errno::INVAL)?))
    }

    /// The host's path as it is seen below the root; `None` if it lies elsewhere.
    pub(crate) fn seen(&self, host: &Path) -> Option<PathBuf> {
        // A root reached through a link is known by its own name to the kernel.
        let root = std::fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        Some(Path::new("/").join(host.strip_prefix(root).ok()?))
    }

    fn is_link(&self, path: &Path) -> bool {
        self.symlink_metadata(path).is_ok_and(|facts| facts.kind == FileKind::Symlink)
    }

    /// Opens a regular file, and refuses everything else before the open could block or act on a device.
    fn open_regular(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
        match self.open(path, OFlags::PATH, Mode::empty()) {
            Ok(seen) => require_regular(seen.as_fd())?,
            Err(e) if e.kind() == io::ErrorKind::NotFound && flags.contains(OFlags::CREATE) => {}
            Err(e) => return Err(e),
        }
        let opened = self.open(path, flags | OFlags::NONBLOCK, mode)?;
        require_regular(opened.as_fd())?;
        Ok(File::from(opened))
    }
}

/// The path without `.` and doubled or trailing slashes; only absolute ones are taken.
fn normal(path: &Path) -> io::Result<PathBuf> {
    if !path.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not an absolute path", path.display())));
    }
    Ok(path.components().collect())
}

pub(crate) fn require_regular(fd: BorrowedFd<'_>) -> io::Result<()> {
    match kind(&sys::fstat(fd)?) {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(Errno::ISDIR.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file but a socket, FIFO or device")),
    }
}

pub(crate) fn kind(stat: &sys::Stat) -> FileKind {
    kind_of(sys::FileType::from_raw_mode(stat.st_mode))
}

fn kind_of(kind: sys::FileType) -> FileKind {
    match kind {
        sys::FileType::RegularFile => FileKind::File,
        sys::FileType::Directory => FileKind::Directory,
        sys::FileType::Symlink => FileKind::Symlink,
        sys::FileType::Socket => FileKind::Socket,
        sys::FileType::CharacterDevice => FileKind::CharDevice,
        sys::FileType::BlockDevice => FileKind::BlockDevice,
        // Linux has no other kind: a FIFO, or what is opened like one.
        _ => FileKind::Fifo,
    }
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the widths differ between architectures")]
fn facts(stat: &sys::Stat) -> Metadata {
    let modified = Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as i32).unwrap_or(Timestamp::UNIX_EPOCH);
    Metadata {
        kind: kind(stat),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified,
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
    }
}

pub(crate) fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

/// Sets the mode of an open file unless it is so already: files of `/proc/sys` refuse any attempt.
fn set_exactly(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    if sys::fstat(fd)?.st_mode & 0o7777 != mode & 0o7777 {
        sys::fchmod(fd, bits(mode))?;
    }
    Ok(())
}

/// Sets the mode of what is open with `O_PATH`.
pub(crate) fn set_mode_of(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    if sys::fstat(fd)?.st_mode & 0o7777 != mode & 0o7777 {
        sys::chmod(through_proc(fd), bits(mode))?;
    }
    Ok(())
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the file is larger than {limit} bytes"))
}

/// Names of a directory with their kinds, unsorted, without `.` and `..`.
fn entries(fd: BorrowedFd<'_>) -> io::Result<Vec<(OsString, FileKind)>> {
    let mut found = Vec::new();
    for entry in sys::Dir::read_from(fd)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell in the listing.
            sys::FileType::Unknown => match sys::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => kind(&stat),
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(e.into()),
            },
            told => kind_of(told),
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

struct HostAppend(File);

impl Append for HostAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

impl FileSystem for HostFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open_regular(path, OFlags::RDONLY, Mode::empty())?;
        let size = file.metadata()?.len();
        if size > limit {
            return Err(too_large(limit));
        }
        // Files of /proc say size 0, and a file may grow while it is read: the bound counts, not the size.
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(too_large(limit));
        }
        Ok(content)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = self.open_regular(path, OFlags::RDONLY, Mode::empty())?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(limit)))?;
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    fn read_at(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = self.open_regular(path, OFlags::RDONLY, Mode::empty())?;
        file.seek(SeekFrom::Start(offset))?;
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = self.open_regular(path, OFlags::WRONLY | OFlags::CREATE, bits(mode))?;
        // The mode first: nobody may read new content under an old, wider mode.
        set_exactly(file.as_fd(), mode)?;
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
        }
        file.write_all(bytes)?;
        // Writing takes set-id bits away from whoever is not root: said once more.
        if mode & 0o6000 != 0 { set_exactly(file.as_fd(), mode) } else { Ok(()) }
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Append>> {
        let flags = OFlags::WRONLY | OFlags::APPEND;
        loop {
            match self.open_regular(path, flags, Mode::empty()) {
                Ok(file) => return Ok(Box::new(HostAppend(file))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            match self.open(path, flags | OFlags::CREATE | OFlags::EXCL, bits(mode)) {
                Ok(created) => {
                    set_exactly(created.as_fd(), mode)?;
                    return Ok(Box::new(HostAppend(File::from(created))));
                }
                // A link that leads nowhere yet: its target is made.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && self.is_link(path) => {
                    let created = self.open(path, flags | OFlags::CREATE, bits(mode))?;
                    set_exactly(created.as_fd(), mode)?;
                    return Ok(Box::new(HostAppend(File::from(created))));
                }
                // Somebody was faster.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        if normal(path)? == Path::new("/") {
            return Err(Errno::EXIST.into());
        }
        let (parent, name) = self.parent(path)?;
        sys::mkdirat(&parent, name, bits(mode))?;
        let made = sys::openat(
            &parent,
            name,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        set_mode_of(made.as_fd(), mode)
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()> {
        super::create_missing(self, &normal(path)?, mode)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let directory = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut found: Vec<_> = entries(directory.as_fd())?
            .into_iter()
            .map(|(name, kind)| DirEntry { name: name.to_string_lossy().into_owned(), kind })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let seen = self.open(path, OFlags::PATH, Mode::empty())?;
        Ok(facts(&sys::fstat(&seen)?))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let seen = self.open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(facts(&sys::fstat(&seen)?))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (parent, name) = self.parent(path).map_err(|e| match e.raw_os_error() {
            // The root is not a link.
            Some(code) if code == Errno::BUSY.raw_os_error() => Errno::INVAL.into(),
            _ => e,
        })?;
        let said = sys::readlinkat(&parent, name, Vec::new())?;
        Ok(OsString::from_vec(said.into_bytes()).into())
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(link)?;
        Ok(sys::symlinkat(target, &parent, name)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (old, old_name) = self.parent(from)?;
        let (new, new_name) = self.parent(to)?;
        Ok(sys::renameat(&old, old_name, &new, new_name)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(sys::unlinkat(&parent, name, AtFlags::empty())?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(sys::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        remove::remove_tree(parent.as_fd(), name)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        let seen = self.open(path, OFlags::PATH, Mode::empty())?;
        Ok(sys::chmod(through_proc(seen.as_fd()), bits(mode))?)
    }

    fn chown(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let seen = self.open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        let (uid, gid) = (uid.map(sys::Uid::from_raw), gid.map(sys::Gid::from_raw));
        Ok(sys::chownat(&seen, "", uid, gid, AtFlags::EMPTY_PATH)?)
    }

    fn usage(&self, path: &Path) -> io::Result<Usage> {
        let seen = self.open(path, OFlags::PATH, Mode::empty())?;
        let room = sys::fstatvfs(&seen)?;
        Ok(Usage {
            capacity: room.f_blocks.saturating_mul(room.f_frsize),
            available: room.f_bavail.saturating_mul(room.f_frsize),
            inodes: room.f_files,
            inodes_free: room.f_ffree,
        })
    }

    fn watch(&self, path: &Path) -> io::Result<Watch> {
        let seen = self.open(path, OFlags::PATH, Mode::empty())?;
        watch::watch(&through_proc(seen.as_fd()), path)
    }
}

/// A path of the very file behind a handle, for calls that take no handle opened with `O_PATH`.
pub(crate) fn through_proc(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_the_host_are_told_apart() {
        let files = HostFiles::new("/");
        let kind = |path: &str| files.metadata(Path::new(path)).map(|facts| facts.kind).ok();
        assert_eq!(kind("/dev/null"), Some(FileKind::CharDevice));
        for entry in files.read_dir(Path::new("/dev")).unwrap() {
            if ["loop0", "vda", "sda", "nvme0n1"].contains(&entry.name.as_str()) {
                assert_eq!(entry.kind, FileKind::BlockDevice, "{}", entry.name);
            }
        }
    }
}
