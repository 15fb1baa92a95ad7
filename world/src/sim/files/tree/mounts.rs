//! Mounts of the tree: fresh devices, and nodes shown at a second place. Not who may mount what.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
};

use jiff::Timestamp;
use rustix::io::Errno;

use super::{Body, Device, Id, Node, ROOT, Tree};

/// A mount.
#[derive(Clone, Debug)]
pub(in super::super) struct Mount {
    /// What is seen.
    root: Id,
    /// `None` for a bind mount.
    device: Option<u64>,
    /// Which mount it was.
    number: u64,
    pub(in super::super) kind: String,
    pub(in super::super) options: String,
    pub(in super::super) read_only: bool,
}

impl Tree {
    /// What is seen at a node: what is mounted on it, if anything.
    pub(super) fn seen(&self, mut id: Id) -> Id {
        while let Some(mount) = self.mounts.get(&id) {
            id = mount.root;
        }
        id
    }

    /// The node that a device's root covers.
    pub(super) fn mount_point_of(&self, root: Id) -> Option<Id> {
        self.mounts.iter().find(|(_, mount)| mount.root == root).map(|(point, _)| *point)
    }

    /// The node itself behind a name, whatever is mounted on it.
    fn covered(&self, parent: Id, name: &OsStr) -> Option<Id> {
        self.directory(parent).ok()?.get(name).copied()
    }

    /// The topmost node at a name that something is mounted on.
    fn top(&self, parent: Id, name: &OsStr) -> Option<Id> {
        let mut point = self.covered(parent, name).filter(|id| self.mounts.contains_key(id))?;
        while let Some(next) = self.mounts.get(&point).map(|m| m.root).filter(|id| self.mounts.contains_key(id)) {
            point = next;
        }
        Some(point)
    }

    /// Whether something is mounted at a name.
    pub(in super::super) fn is_mounted_on(&self, parent: Id, name: &OsStr) -> bool {
        self.top(parent, name).is_some()
    }

    /// `ResourceBusy` if something is mounted at a name.
    pub(in super::super) fn require_unmounted(&self, parent: Id, name: &OsStr) -> io::Result<()> {
        if self.is_mounted_on(parent, name) { Err(Errno::BUSY.into()) } else { Ok(()) }
    }

    /// Whether a bind mount shows the node somewhere.
    pub(super) fn is_bound(&self, id: Id) -> bool {
        self.mounts.values().any(|mount| mount.root == id)
    }

    /// Whether what is seen at a name is a bind mount.
    pub(super) fn shows_bind(&self, parent: Id, name: &OsStr) -> bool {
        self.top(parent, name).is_some_and(|point| self.mounts[&point].device.is_none())
    }

    /// Mounts a fresh device; gives its root.
    pub(in super::super) fn mount(&mut self, at: Id, kind: &str, options: String, now: Timestamp) -> io::Result<Id> {
        self.directory(at)?;
        let (id, device) = (self.next, self.next_device);
        self.next += 1;
        self.next_device += 1;
        self.devices.insert(device, Device::FRESH);
        let root = Node { body: Body::directory(), mode: 0o755, uid: 0, gid: 0, modified: now, device, home: None };
        self.nodes.insert(id, root);
        self.put(at, id, Some(device), kind.to_owned(), options);
        Ok(id)
    }

    /// Shows a node at another as well.
    pub(in super::super) fn bind(&mut self, from: Id, at: Id) -> io::Result<()> {
        if self.node(from).is_directory() != self.node(at).is_directory() {
            return Err(Errno::NOTDIR.into());
        }
        if from == at {
            // A node that shows itself has no end.
            return Err(Errno::INVAL.into());
        }
        self.put(at, from, None, "ext4".to_owned(), String::new());
        Ok(())
    }

    fn put(&mut self, at: Id, root: Id, device: Option<u64>, kind: String, options: String) {
        self.mounted += 1;
        self.mounts.insert(at, Mount { root, device, number: self.mounted, kind, options, read_only: false });
    }

    /// Takes away the topmost mount at a name; a device that nothing else shows goes with all in it.
    pub(in super::super) fn unmount(&mut self, parent: Id, name: &OsStr) -> io::Result<()> {
        let point = self.top(parent, name).ok_or(Errno::INVAL)?;
        let device = self.mounts.get(&point).and_then(|mount| mount.device);
        if let Some(device) = device
            && self.mounts.keys().any(|inner| self.node(*inner).device == device)
        {
            return Err(Errno::BUSY.into());
        }
        self.mounts.remove(&point);
        let shown = |device: u64| self.mounts.values().any(|m| self.node(m.root).device == device);
        if let Some(device) = device.filter(|device| !shown(*device)) {
            self.nodes.retain(|_, node| node.device != device);
            self.devices.remove(&device);
        }
        Ok(())
    }

    /// Notes that the topmost mount at a name is read-only.
    pub(in super::super) fn set_read_only(&mut self, parent: Id, name: &OsStr) -> io::Result<()> {
        let point = self.top(parent, name).ok_or(Errno::INVAL)?;
        self.mounts.get_mut(&point).ok_or(Errno::INVAL)?.read_only = true;
        Ok(())
    }

    /// All mounts with their paths, oldest first.
    pub(in super::super) fn mounts(&self) -> Vec<(PathBuf, Mount)> {
        let by_age: BTreeMap<u64, (Id, &Mount)> = self.mounts.iter().map(|(id, m)| (m.number, (*id, m))).collect();
        by_age.into_values().map(|(id, mount)| (self.path_of(id), mount.clone())).collect()
    }

    /// The path of a node.
    fn path_of(&self, mut id: Id) -> PathBuf {
        let mut names: Vec<OsString> = Vec::new();
        while id != ROOT {
            id = match &self.node(id).home {
                Some((parent, name)) => {
                    names.push(name.clone());
                    *parent
                }
                None => self.mount_point_of(id).unwrap_or(ROOT),
            };
        }
        let mut path = PathBuf::from("/");
        path.extend(names.iter().rev());
        path
    }
}
