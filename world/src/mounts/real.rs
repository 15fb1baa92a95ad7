//! The host's mounts. Every path is opened first and mounted by its handle, so that a link swapped in between leads nowhere else.

use std::{
    ffi::{CString, OsStr, OsString},
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self as sys, Mode, OFlags},
    io::Errno,
    mount::{self as kernel, MountFlags, UnmountFlags},
};

use super::{MountTable, Mounted, Within, WithinError, within};
use crate::files::{
    FileKind, FileSystem as _,
    real::{HostFiles, bits, kind, require_regular, set_mode_of, through_proc},
};

/// Room for `/proc/self/mountinfo`: a node with many pods has some thousand lines.
const MOUNTINFO: u64 = 16 << 20;

/// The host's mounts, with paths below a root.
#[derive(Clone, Debug)]
pub struct HostMounts {
    files: HostFiles,
}

impl HostMounts {
    /// Paths below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { files: HostFiles::new(root) }
    }

    /// Opens the volume and walks in it.
    fn walk(&self, root: &Path, sub: &Path, mode: Option<u32>) -> Result<(OwnedFd, FileKind), WithinError> {
        let opened = self.files.open(root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        let opened = opened.map_err(WithinError::Prepare)?;
        let real = sys::readlink(through_proc(opened.as_fd()), Vec::new())
            .map_err(|e| WithinError::Prepare(e.into()))
            .map(|text| PathBuf::from(OsString::from_vec(text.into_bytes())))?;
        let real = self.files.seen(&real).unwrap_or_else(|| root.to_owned());
        within::walk(&ByHandle, opened, &real, sub, mode)
    }

    /// Opens a mount point, whatever it is, without following a link in the last place.
    fn point(&self, at: &Path) -> io::Result<OwnedFd> {
        self.files.open(at, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
    }

    /// Makes what a bind mount of a thing of this kind covers.
    fn make_point(&self, at: &Path, kind: FileKind) -> io::Result<()> {
        let made = match kind {
            FileKind::Directory => self.files.create_dir(at, 0o750),
            _ => self
                .files
                .open(at, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, bits(0o640))
                .and_then(|made| Ok(sys::fchmod(&made, bits(0o640))?)),
        };
        match made {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }
}

/// Steps from directory handles.
struct ByHandle;

impl within::Steps for ByHandle {
    type Place = OwnedFd;

    fn look(&self, at: &OwnedFd, name: &OsString) -> io::Result<Option<(OwnedFd, FileKind)>> {
        match sys::openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(seen) => {
                let kind = kind(&sys::fstat(&seen)?);
                Ok(Some((seen, kind)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn read_link(&self, link: &OwnedFd) -> io::Result<PathBuf> {
        Ok(OsString::from_vec(sys::readlinkat(link, "", Vec::new())?.into_bytes()).into())
    }

    fn make(&self, at: &OwnedFd, name: &OsString, mode: u32) -> io::Result<OwnedFd> {
        sys::mkdirat(at, name, bits(mode))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = match sys::openat(at, name, flags, Mode::empty()) {
            // Swapped for something else at once: looked at again.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => return Err(Errno::EXIST.into()),
            made => made?,
        };
        set_mode_of(made.as_fd(), mode)?;
        Ok(made)
    }
}

impl MountTable for HostMounts {
    fn mount(&self, kind: &str, source: &str, at: &Path, options: &str) -> io::Result<()> {
        let point = self.files.open(at, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        Ok(kernel::mount(source, through_proc(point.as_fd()), kind, MountFlags::empty(), options.as_c_str())?)
    }

    fn bind(&self, from: &Path, at: &Path) -> io::Result<()> {
        let from = self.files.open(from, OFlags::PATH, Mode::empty())?;
        let point = self.point(at)?;
        Ok(kernel::mount_bind(through_proc(from.as_fd()), through_proc(point.as_fd()))?)
    }

    fn bind_within(&self, sub: Within<'_>, at: &Path) -> Result<(), WithinError> {
        let (from, kind) = self.walk(sub.root, sub.sub, Some(sub.mode))?;
        let mount = || -> io::Result<()> {
            self.make_point(at, kind)?;
            let wanted = sys::fstat(&from)?;
            let mounted = self.list()?.iter().filter(|mount| mount.at == at).count();
            if mounted > 0 {
                let shown = sys::fstat(&self.point(at)?)?;
                if (shown.st_dev, shown.st_ino) == (wanted.st_dev, wanted.st_ino) {
                    return Ok(());
                }
                for _ in 0..mounted {
                    self.unmount(at)?;
                }
            }
            let point = self.point(at)?;
            Ok(kernel::mount_bind(through_proc(from.as_fd()), through_proc(point.as_fd()))?)
        };
        mount().map_err(WithinError::Prepare)
    }

    fn read_within(&self, root: &Path, sub: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (found, _) = self.walk(root, sub, None).map_err(|e| match e {
            WithinError::Create(e) | WithinError::Prepare(e) => e,
        })?;
        require_regular(found.as_fd())?;
        // The handle's own path: the very file that was found.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = std::fs::File::from(sys::open(through_proc(found.as_fd()), flags, Mode::empty())?);
        let mut content = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(content)
    }

    fn remount_read_only(&self, at: &Path) -> io::Result<()> {
        let point = self.point(at)?;
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        Ok(kernel::mount_remount(through_proc(point.as_fd()), flags, "")?)
    }

    fn unmount(&self, at: &Path) -> io::Result<()> {
        let (parent, name) = self.files.parent(at)?;
        Ok(kernel::unmount(through_proc(parent.as_fd()).join(name), UnmountFlags::NOFOLLOW)?)
    }

    fn list(&self) -> io::Result<Vec<Mounted>> {
        let text = HostFiles::new("/").read(Path::new("/proc/self/mountinfo"), MOUNTINFO)?;
        Ok(text.split(|b| *b == b'\n').filter_map(|line| self.parse(line)).collect())
    }
}

impl HostMounts {
    /// One line of mountinfo: `id parent device root point options [tags] - type source super-options`.
    fn parse(&self, line: &[u8]) -> Option<Mounted> {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let dash = fields.iter().position(|f| *f == b"-")?;
        let text = |at: usize| Some(String::from_utf8_lossy(fields.get(at)?).into_owned());
        let point = unescape(fields.get(4)?);
        let (own, whole) = (text(5)?, text(dash + 3)?);
        let read_only = [&own, &whole].into_iter().any(|options| options.split(',').any(|o| o == "ro"));
        let at = self.files.seen(Path::new(OsStr::from_bytes(&point)))?;
        Some(Mounted { at, kind: text(dash + 1)?, read_only, options: whole })
    }
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|d| byte == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match octal {
            Some(digits) => {
                out.push(digits.iter().fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d - b'0')));
                rest = &tail[3..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
