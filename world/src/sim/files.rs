//! A file system in memory: inodes, modes, owners, links, mounts, watches, and the faults a test asks for. No permission checks: as root.
//!
//! Errors are the host's own numbers, so that callers see the same kinds (held by `tests/conformance`).

use std::{
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use rustix::io::Errno;

use crate::{
    WallClock,
    files::{ChangeKind, FileKind, FileSystem as _, Metadata, Usage},
    mounts::MountTable,
};

mod faults;
mod mounts;
mod operations;
#[cfg(test)]
mod tests;
mod tree;
mod watches;

pub use faults::{FileFault, FileFaultId, Operation};

use faults::Faults;
use tree::{Body, Id, Tree};
use watches::Watches;

/// A file system in memory. Clones share one tree.
#[derive(Clone)]
pub struct MemoryFiles(Arc<Shared>);

struct Shared {
    clock: WallClock,
    state: Mutex<State>,
}

struct State {
    /// The time of the operation at hand.
    now: Timestamp,
    tree: Tree,
    watches: Watches,
    faults: Faults,
}

impl fmt::Debug for MemoryFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryFiles")
    }
}

/// Directories that a fresh node has, with their modes.
const SKELETON: [(&str, u32); 9] = [
    ("/etc", 0o755),
    ("/opt", 0o755),
    ("/proc", 0o555),
    ("/run", 0o755),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/var", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
];

impl MemoryFiles {
    /// A tree with the usual empty directories (`/etc`, `/opt`, `/proc`, `/run`, `/tmp`, `/usr`, `/var`, `/var/lib`, `/var/log`) on one
    /// device of 100 GiB. Times come from `clock`.
    pub fn new(clock: WallClock) -> Self {
        let files = Self::empty(clock);
        for (path, mode) in SKELETON {
            files.create_dir(Path::new(path), mode).expect("an empty tree takes directories");
        }
        files
    }

    /// A tree with nothing but its root.
    pub fn empty(clock: WallClock) -> Self {
        let now = clock.now();
        let state = State { now, tree: Tree::new(now), watches: Watches::default(), faults: Faults::default() };
        Self(Arc::new(Shared { clock, state: Mutex::new(state) }))
    }

    /// Mounts a fresh, empty device on the directory `path`, hiding what is in it.
    pub fn mount(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut state = self.state();
        let now = state.now;
        let at = state.tree.existing(path.as_ref(), true)?;
        state.tree.mount(at, "ext4", String::new(), now).map(drop)
    }

    /// Takes away the device mounted on `path`; what was in it is gone and what it hid is back. `InvalidInput` if nothing is mounted.
    pub fn unmount(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut state = self.state();
        let (parent, name, _) = state.tree.place(path.as_ref(), true)?;
        state.tree.unmount(parent, &name)
    }

    /// What a restart of the node does: every mount is gone, and with it what was in it; `/run` and `/var/run` are empty; all else is as it
    /// was.
    ///
    /// # Errors
    /// A fault that a test has set.
    pub fn reboot(&self) -> io::Result<()> {
        // What was mounted last may lie on what was mounted before.
        for mount in MountTable::list(self)?.iter().rev().filter(|mount| mount.at != Path::new("/")) {
            MountTable::unmount(self, &mount.at)?;
        }
        for path in ["/run", "/var/run"].map(Path::new) {
            for entry in self.read_dir(path).unwrap_or_default() {
                let path = path.join(entry.name);
                match entry.kind {
                    FileKind::Directory => self.remove_dir_all(&path)?,
                    _ => self.remove_file(&path)?,
                }
            }
        }
        Ok(())
    }

    /// Sets size and number of inodes of the device that holds `path`, and how much of both is taken by what is not in the tree. What the
    /// tree holds is taken as well; writing more than is left fails with `StorageFull`.
    pub fn set_room(&self, path: impl AsRef<Path>, size: Usage) -> io::Result<()> {
        let mut state = self.state();
        let at = state.tree.existing(path.as_ref(), true)?;
        state.tree.set_room(at, size);
        Ok(())
    }

    /// Puts a FIFO at `path`: something that no operation reads or writes.
    pub fn make_fifo(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.put(path.as_ref(), Body::Fifo, 0o644).map(drop)
    }

    /// Puts a device at `path`, a block device or a character device: something that no operation reads or writes.
    pub fn make_device(&self, path: impl AsRef<Path>, block: bool) -> io::Result<()> {
        self.put(path.as_ref(), Body::Device(block), 0o660).map(drop)
    }

    /// Puts a socket file at `path` that nobody serves, as a killed server leaves it.
    pub fn make_dead_socket(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.put(path.as_ref(), Body::Socket, 0o755).map(drop)
    }

    /// Adds a fault; it takes part until it is used up or [`clear`](Self::clear)ed. With several that fit, the oldest acts.
    pub fn inject(&self, fault: FileFault) -> FileFaultId {
        self.state().faults.add(fault)
    }

    /// Takes a fault away. Nothing happens if it is gone already.
    pub fn clear(&self, fault: FileFaultId) {
        self.state().faults.stop(fault);
    }

    /// Takes all faults away.
    pub fn clear_all(&self) {
        self.state().faults.stop_all();
    }

    /// How often a fault has acted.
    pub fn hits(&self, fault: FileFaultId) -> u64 {
        self.state().faults.hits(fault)
    }

    /// Every path of the tree but the root, in order, with its facts: for finding out what was left behind. Mounted devices are included.
    pub fn walk(&self) -> Vec<(PathBuf, Metadata)> {
        self.state().tree.walk()
    }

    /// Makes the file of a socket that is about to be served; gives its identity.
    pub(super) fn bind_socket(&self, path: &Path) -> io::Result<u64> {
        self.put(path, Body::Socket, 0o755)
    }

    /// The socket file that `path` leads to: `NotFound` if nothing is there, `None` if it is something else.
    pub(super) fn socket(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.state();
        let id = state.tree.existing(path, true)?;
        Ok(matches!(state.tree.node(id).body, Body::Socket).then_some(id))
    }

    /// Removes the file of a socket if it is still the one told.
    pub(super) fn unbind_socket(&self, path: &Path, id: u64) {
        let ours = self.state().tree.existing(path, false).is_ok_and(|now| now == id);
        if ours {
            let _ = self.state().unlink(path);
        }
    }

    fn put(&self, path: &Path, body: Body, mode: u32) -> io::Result<Id> {
        self.state().create(path, false, body, mode)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.0.clock.now();
        state
    }

    /// The state for an operation on `path`, unless a fault forbids it.
    fn enter(&self, operation: Operation, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.faults.check(operation, path)?;
        Ok(state)
    }
}

impl State {
    /// Adds a node where nothing is, following a dangling link in the last place if `follow`.
    fn create(&mut self, path: &Path, follow: bool, body: Body, mode: u32) -> io::Result<Id> {
        let (parent, name, found) = self.tree.place(path, follow)?;
        if found.is_some() {
            return Err(Errno::EXIST.into());
        }
        let id = self.tree.add(parent, name.clone(), body, mode, self.now)?;
        self.watches.entry(parent, &name, ChangeKind::Create);
        Ok(id)
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name, found) = self.tree.place(path, false)?;
        let id = found.ok_or(Errno::NOENT)?;
        if self.tree.node(id).is_directory() {
            return Err(Errno::ISDIR.into());
        }
        self.tree.require_unmounted(parent, &name)?;
        self.take(parent, &name, id)
    }

    fn unlink_dir(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name, found) = self.tree.place(path, false)?;
        let id = found.ok_or(Errno::NOENT)?;
        self.tree.require_unmounted(parent, &name)?;
        self.tree.require_removable(id)?;
        self.take(parent, &name, id)
    }

    /// Takes a removable node out of the tree, with the notices that inotify gives.
    fn take(&mut self, parent: Id, name: &OsString, id: Id) -> io::Result<()> {
        self.watches.end(id, self.tree.node(id).is_directory());
        self.watches.entry(parent, name, ChangeKind::Remove);
        self.tree.remove(parent, name, self.now)
    }

    /// Empties and removes a directory, stopping at mount points.
    fn remove_tree(&mut self, parent: Id, name: &OsString, id: Id) -> io::Result<()> {
        let mut levels = vec![(parent, name.clone(), id)];
        while let Some((parent, name, id)) = levels.last().cloned() {
            if self.tree.is_mounted_on(parent, &name) {
                let text = format!("something is mounted on {}", name.display());
                return Err(io::Error::new(io::ErrorKind::CrossesDevices, text));
            }
            match self.tree.first_entry(id) {
                Some((inner_name, inner)) if self.tree.node(inner).is_directory() => {
                    levels.push((id, inner_name, inner))
                }
                Some((inner_name, inner)) => self.take(id, &inner_name, inner)?,
                None => {
                    self.take(parent, &name, id)?;
                    levels.pop();
                }
            }
        }
        Ok(())
    }

    /// Adds to a file, emptied first if `replace`, and tells so.
    fn store(&mut self, id: Id, bytes: &[u8], replace: bool) -> io::Result<()> {
        if replace && self.tree.size(id) > 0 {
            self.tree.truncate(id, self.now);
            self.watches.node(&self.tree, id, ChangeKind::Write);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let stored = self.tree.extend(id, bytes, self.now);
        self.watches.node(&self.tree, id, ChangeKind::Write);
        stored
    }

    /// The regular file at `path`, made with `mode` if missing; whether it was.
    fn open_or_create(&mut self, path: &Path, mode: u32) -> io::Result<(Id, bool)> {
        match self.tree.existing(path, true) {
            Ok(id) => {
                self.tree.content(id)?;
                Ok((id, false))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Ok((self.create(path, true, Body::File(Vec::new()), mode)?, true))
            }
            Err(e) => Err(e),
        }
    }

    fn write(&mut self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let (id, created) = self.open_or_create(path, mode)?;
        if !created && self.tree.node(id).mode != mode & 0o7777 {
            self.tree.node_mut(id).mode = mode & 0o7777;
            self.watches.node(&self.tree, id, ChangeKind::Attributes);
        }
        let stored = self.store(id, bytes, true);
        // The host tells of the close as well.
        self.watches.node(&self.tree, id, ChangeKind::Write);
        stored
    }
}
