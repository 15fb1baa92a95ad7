//! Removing a directory with all in it, however deep, without following links or leaving its mount. As the kubelet's
//! `removeall.RemoveAllOneFilesystem`.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{self as sys, AtFlags, Mode, OFlags, StatxAttributes, StatxFlags},
    io::Errno,
};

use super::entries;
use crate::files::FileKind;

/// How many directories are open at once. What lies deeper is first moved up: a container may nest thousands.
const DEPTH: usize = 64;

/// A directory being emptied.
struct Level {
    fd: OwnedFd,
    name: OsString,
    left: Vec<(OsString, FileKind)>,
}

/// Removes the directory `name` of `parent`.
pub(super) fn remove_tree(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut levels = vec![enter(parent, name)?];
    let mut moved = 0u64;
    while let Some(depth) = levels.len().checked_sub(1) {
        let Some((name, kind)) = levels[depth].left.pop() else {
            leave(parent, &mut levels)?;
            continue;
        };
        let here = levels[depth].fd.as_fd();
        if kind != FileKind::Directory {
            ignore_missing(sys::unlinkat(here, &name, AtFlags::empty()))?;
        } else if depth < DEPTH {
            match enter(here, &name) {
                Ok(level) => levels.push(level),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        } else {
            let up = OsString::from(format!(".removing-{moved}"));
            moved += 1;
            let top = levels[0].fd.as_fd();
            match sys::renameat_with(here, &name, top, &up, sys::RenameFlags::NOREPLACE) {
                Ok(()) => levels[0].left.push((up, FileKind::Directory)),
                // The name is taken by what the user made: the next number will do.
                Err(Errno::EXIST) => levels[depth].left.push((name, kind)),
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

/// Opens a directory, unless it is a link or something is mounted there.
fn enter(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<Level> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = sys::openat(parent, name, flags, Mode::empty())?;
    if crosses(parent, fd.as_fd())? {
        let text = format!("something is mounted on {}", name.display());
        return Err(io::Error::new(io::ErrorKind::CrossesDevices, text));
    }
    let left = entries(fd.as_fd())?;
    Ok(Level { fd, name: name.to_owned(), left })
}

/// Removes the emptied directory at the end of `levels`.
fn leave(parent: BorrowedFd<'_>, levels: &mut Vec<Level>) -> io::Result<()> {
    let Some(done) = levels.pop() else { return Ok(()) };
    let above = levels.last().map_or(parent, |level| level.fd.as_fd());
    match sys::unlinkat(above, &done.name, AtFlags::REMOVEDIR) {
        // Somebody wrote into it meanwhile: once more.
        Err(Errno::NOTEMPTY) => {
            let left = entries(done.fd.as_fd())?;
            // An entry that the listing does not show cannot be removed; going on would never end.
            if left.is_empty() {
                return Err(Errno::NOTEMPTY.into());
            }
            levels.push(Level { left, ..done });
            Ok(())
        }
        removed => Ok(ignore_missing(removed)?),
    }
}

/// Whether `inner` is on another mount than the directory that holds it; a bind mount shows too, unlike by device number.
fn crosses(outer: BorrowedFd<'_>, inner: BorrowedFd<'_>) -> io::Result<bool> {
    if sys::fstat(outer)?.st_dev != sys::fstat(inner)?.st_dev {
        return Ok(true);
    }
    match sys::statx(inner, "", AtFlags::EMPTY_PATH, StatxFlags::empty()) {
        Ok(told) => Ok(told.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        // Linux before 4.11, or a filter of system calls: the device number must do.
        Err(Errno::NOSYS | Errno::PERM) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn ignore_missing(removed: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
