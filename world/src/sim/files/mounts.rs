//! Mounts as a node's programs ask for them, on the tree in memory. Not how the tree keeps them.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{MemoryFiles, Operation};
use crate::{
    files::{FileKind, FileSystem, Usage},
    mounts::{
        MountTable, Mounted, Within, WithinError,
        within::{self, Steps},
    },
};

/// Steps by paths: nothing happens in between.
struct ByPath<'a>(&'a MemoryFiles);

impl Steps for ByPath<'_> {
    type Place = PathBuf;

    fn look(&self, at: &PathBuf, name: &OsString) -> io::Result<Option<(PathBuf, FileKind)>> {
        let path = at.join(name);
        match self.0.symlink_metadata(&path) {
            Ok(facts) => Ok(Some((path, facts.kind))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read_link(&self, link: &PathBuf) -> io::Result<PathBuf> {
        FileSystem::read_link(self.0, link)
    }

    fn make(&self, at: &PathBuf, name: &OsString, mode: u32) -> io::Result<PathBuf> {
        let path = at.join(name);
        self.0.create_dir(&path, mode)?;
        Ok(path)
    }
}

impl MemoryFiles {
    fn within(&self, root: &Path, sub: &Path, mode: Option<u32>) -> Result<(PathBuf, FileKind), WithinError> {
        let facts = self.metadata(root).map_err(WithinError::Prepare)?;
        if facts.kind != FileKind::Directory {
            return Err(WithinError::Prepare(Errno::NOTDIR.into()));
        }
        let real = self.resolved(root).map_err(WithinError::Prepare)?;
        within::walk(&ByPath(self), real.clone(), &real, sub, mode)
    }

    /// The path without links in its last place, which is where volumes may have one.
    fn resolved(&self, path: &Path) -> io::Result<PathBuf> {
        let mut path: PathBuf = path.components().collect();
        for _ in 0..40 {
            match FileSystem::read_link(self, &path) {
                Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target).components().collect(),
                Err(_) => return Ok(path),
            }
        }
        Err(Errno::LOOP.into())
    }
}

/// `size=` of the options, in bytes.
fn size(options: &str) -> Option<u64> {
    let text = options.split(',').find_map(|option| option.strip_prefix("size="))?;
    let (number, unit) = match text.strip_suffix('k') {
        Some(number) => (number, 1024),
        None => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

impl MountTable for MemoryFiles {
    fn mount(&self, kind: &str, _source: &str, at: &Path, options: &str) -> io::Result<()> {
        let mut state = self.enter(Operation::Mount, at)?;
        let now = state.now;
        let at = state.tree.existing(at, false)?;
        let root = state.tree.mount(at, kind, options.to_owned(), now)?;
        state.tree.node_mut(root).mode = if kind == "tmpfs" { 0o1777 } else { 0o755 };
        if let Some(bytes) = size(options) {
            let inodes = 1 << 20;
            state.tree.set_room(root, Usage { capacity: bytes, available: bytes, inodes, inodes_free: inodes });
        }
        Ok(())
    }

    fn bind(&self, from: &Path, at: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Mount, at)?;
        let from = state.tree.existing(from, true)?;
        let at = state.tree.existing(at, false)?;
        state.tree.bind(from, at)
    }

    fn bind_within(&self, sub: Within<'_>, at: &Path) -> Result<(), WithinError> {
        let (from, kind) = self.within(sub.root, sub.sub, Some(sub.mode))?;
        let mount = || -> io::Result<()> {
            if self.symlink_metadata(at).is_err() {
                match kind {
                    FileKind::Directory => self.create_dir(at, 0o750)?,
                    _ => FileSystem::write(self, at, b"", 0o640)?,
                }
            }
            let count = MountTable::list(self)?.iter().filter(|mount| mount.at == at).count();
            if count > 0 {
                if self.metadata(at)?.inode == self.metadata(&from)?.inode {
                    return Ok(());
                }
                for _ in 0..count {
                    MountTable::unmount(self, at)?;
                }
            }
            self.bind(&from, at)
        };
        mount().map_err(WithinError::Prepare)
    }

    fn read_within(&self, root: &Path, sub: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (path, _) = self.within(root, sub, None).map_err(|e| match e {
            WithinError::Create(e) | WithinError::Prepare(e) => e,
        })?;
        FileSystem::read(self, &path, limit)
    }

    fn remount_read_only(&self, at: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Mount, at)?;
        let (parent, name, _) = state.tree.place(at, false)?;
        state.tree.set_read_only(parent, &name)
    }

    fn unmount(&self, at: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Unmount, at)?;
        let (parent, name, _) = state.tree.place(at, false)?;
        state.tree.unmount(parent, &name)
    }

    fn list(&self) -> io::Result<Vec<Mounted>> {
        let mounts = self.state().tree.mounts();
        let told = |(at, mount): (PathBuf, super::tree::Mount)| Mounted {
            at,
            kind: mount.kind,
            read_only: mount.read_only,
            options: mount.options,
        };
        Ok(mounts.into_iter().map(told).collect())
    }
}
