//! The tree of nodes: entries, content, mounts and room. Not paths, not faults, not watches.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
};

use jiff::Timestamp;
use rustix::io::Errno;

use crate::files::{FileKind, Metadata, Usage};

mod mounts;
mod paths;

pub(super) use mounts::Mount;

/// A node's number, never used twice.
pub(super) type Id = u64;

/// The topmost directory; ext4 gives it this number as well.
const ROOT: Id = 2;

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Content.
    File(Vec<u8>),
    /// Entries by name.
    Directory(BTreeMap<OsString, Id>),
    /// What the link says.
    Symlink(PathBuf),
    /// A socket's file.
    Socket,
    /// A FIFO.
    Fifo,
    /// A device; `true` for a block device.
    Device(bool),
}

impl Body {
    /// An empty directory.
    pub(super) fn directory() -> Self {
        Self::Directory(BTreeMap::new())
    }
}

/// A file, directory or link. There are no hard links, so a node has one home.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    modified: Timestamp,
    device: u64,
    /// The directory that holds it, and its name there; a device's root has none.
    home: Option<(Id, OsString)>,
}

impl Node {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    pub(super) fn kind(&self) -> FileKind {
        match self.body {
            Body::File(_) => FileKind::File,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink(_) => FileKind::Symlink,
            Body::Socket => FileKind::Socket,
            Body::Fifo => FileKind::Fifo,
            Body::Device(false) => FileKind::CharDevice,
            Body::Device(true) => FileKind::BlockDevice,
        }
    }
}

/// A device: its room, and what the tree takes of it.
#[derive(Clone, Copy, Debug)]
struct Device {
    room: Usage,
    bytes: u64,
    nodes: u64,
}

impl Device {
    const FRESH: Self = Self {
        room: Usage { capacity: 100 << 30, available: 100 << 30, inodes: 6_553_600, inodes_free: 6_553_600 },
        bytes: 0,
        nodes: 1,
    };

    fn left(&self) -> u64 {
        self.room.available.saturating_sub(self.bytes)
    }

    fn inodes_left(&self) -> u64 {
        self.room.inodes_free.saturating_sub(self.nodes)
    }
}

/// The whole tree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Id, Node>,
    next: Id,
    devices: BTreeMap<u64, Device>,
    next_device: u64,
    /// What is mounted upon -> what is seen there instead.
    mounts: BTreeMap<Id, Mount>,
    mounted: u64,
}

impl Tree {
    pub(super) fn new(now: Timestamp) -> Self {
        let root = Node { body: Body::directory(), mode: 0o755, uid: 0, gid: 0, modified: now, device: 1, home: None };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            devices: BTreeMap::from([(1, Device::FRESH)]),
            next_device: 2,
            mounts: BTreeMap::new(),
            mounted: 0,
        }
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        self.nodes.get(&id).expect("ids come from the tree while it is locked")
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        self.nodes.get_mut(&id).expect("ids come from the tree while it is locked")
    }

    pub(super) fn is_there(&self, id: Id) -> bool {
        self.nodes.contains_key(&id)
    }

    /// The directory that holds a node and its name there.
    pub(super) fn home(&self, id: Id) -> Option<(Id, OsString)> {
        self.node(id).home.clone()
    }

    fn device(&mut self, id: Id) -> &mut Device {
        let device = self.node(id).device;
        self.devices.get_mut(&device).expect("a node's device stays as long as the node")
    }

    fn directory(&self, id: Id) -> io::Result<&BTreeMap<OsString, Id>> {
        match &self.node(id).body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn directory_mut(&mut self, id: Id) -> io::Result<&mut BTreeMap<OsString, Id>> {
        match &mut self.node_mut(id).body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    /// The directory above, across mounts; the topmost is above itself.
    fn above(&self, id: Id) -> Id {
        match &self.node(id).home {
            Some((parent, _)) => *parent,
            None => self.mount_point_of(id).map_or(ROOT, |point| self.above(point)),
        }
    }

    /// Adds a node to a directory.
    pub(super) fn add(&mut self, parent: Id, name: OsString, body: Body, mode: u32, now: Timestamp) -> io::Result<Id> {
        self.directory(parent)?;
        let device = self.node(parent).device;
        let used = self.device(parent);
        if used.inodes_left() == 0 {
            return Err(Errno::NOSPC.into());
        }
        used.nodes += 1;
        let id = self.next;
        self.next += 1;
        let home = Some((parent, name.clone()));
        // As on a host: what is made in a directory with the set-group-id bit belongs to its group.
        let above = self.node(parent);
        let gid = if above.mode & 0o2000 == 0 { 0 } else { above.gid };
        self.nodes.insert(id, Node { body, mode: mode & 0o7777, uid: 0, gid, modified: now, device, home });
        self.directory_mut(parent)?.insert(name, id);
        self.node_mut(parent).modified = now;
        Ok(id)
    }

    /// Takes an entry out of a directory, with its node.
    pub(super) fn remove(&mut self, parent: Id, name: &OsStr, now: Timestamp) -> io::Result<()> {
        let id = self.directory_mut(parent)?.remove(name).ok_or(Errno::NOENT)?;
        self.node_mut(parent).modified = now;
        self.forget(id);
        Ok(())
    }

    fn forget(&mut self, id: Id) {
        if self.is_bound(id) {
            // What a bind mount shows outlives its name.
            self.node_mut(id).home = None;
            return;
        }
        let size = self.size(id);
        let used = self.device(id);
        used.nodes = used.nodes.saturating_sub(1);
        used.bytes = used.bytes.saturating_sub(size);
        self.nodes.remove(&id);
    }

    /// The content of a regular file.
    pub(super) fn content(&self, id: Id) -> io::Result<&[u8]> {
        match &self.node(id).body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::ISDIR.into()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file but a socket, FIFO or device",
            )),
        }
    }

    /// Bytes of content.
    pub(super) fn size(&self, id: Id) -> u64 {
        match &self.node(id).body {
            Body::File(content) => content.len() as u64,
            _ => 0,
        }
    }

    /// Empties a regular file.
    pub(super) fn truncate(&mut self, id: Id, now: Timestamp) {
        let size = self.size(id);
        let used = self.device(id);
        used.bytes = used.bytes.saturating_sub(size);
        let node = self.node_mut(id);
        node.modified = now;
        if let Body::File(content) = &mut node.body {
            content.clear();
        }
    }

    /// Adds to a regular file as much as there is room for.
    pub(super) fn extend(&mut self, id: Id, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        let used = self.device(id);
        let fits = usize::try_from(used.left()).unwrap_or(usize::MAX).min(bytes.len());
        used.bytes += fits as u64;
        let node = self.node_mut(id);
        node.modified = now;
        if let Body::File(content) = &mut node.body {
            content.extend_from_slice(&bytes[..fits]);
        }
        if fits < bytes.len() { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }

    /// Entries of a directory, by name.
    pub(super) fn entries(&self, id: Id) -> io::Result<impl Iterator<Item = (&OsStr, Id)>> {
        Ok(self.directory(id)?.iter().map(|(name, id)| (name.as_os_str(), self.seen(*id))))
    }

    /// The first entry of a directory.
    pub(super) fn first_entry(&self, id: Id) -> Option<(OsString, Id)> {
        let (name, id) = self.entries(id).ok()?.next()?;
        Some((name.to_owned(), id))
    }

    /// Whether `rmdir` takes the directory. That nothing is mounted there is [`require_unmounted`](Self::require_unmounted)'s to say.
    pub(super) fn require_removable(&self, id: Id) -> io::Result<()> {
        let entries = self.directory(id)?;
        if id == ROOT {
            return Err(Errno::BUSY.into());
        }
        if entries.is_empty() { Ok(()) } else { Err(Errno::NOTEMPTY.into()) }
    }

    /// Whether a node may be moved into `new_parent` in place of `replaced`; `false` if there is nothing to do. In Linux' order.
    pub(super) fn require_movable(&self, id: Id, new_parent: Id, replaced: Option<Id>) -> io::Result<bool> {
        if self.node(id).device != self.node(new_parent).device {
            return Err(Errno::XDEV.into());
        }
        if replaced == Some(id) {
            return Ok(false);
        }
        if self.is_within(new_parent, id) {
            return Err(Errno::INVAL.into());
        }
        if replaced.is_some_and(|old| self.is_within(id, old)) {
            return Err(Errno::NOTEMPTY.into());
        }
        match replaced {
            None => {}
            Some(old) if self.node(old).is_directory() => {
                if !self.node(id).is_directory() {
                    return Err(Errno::ISDIR.into());
                }
                self.require_removable(old)?;
            }
            Some(_) if self.node(id).is_directory() => return Err(Errno::NOTDIR.into()),
            Some(_) => {}
        }
        Ok(true)
    }

    /// Whether a node is a directory or below it.
    fn is_within(&self, mut id: Id, directory: Id) -> bool {
        while id != directory && id != ROOT {
            id = self.above(id);
        }
        id == directory
    }

    /// Moves a node; [`require_movable`](Self::require_movable) said that it may.
    pub(super) fn rename(&mut self, from: (Id, &OsStr), to: (Id, OsString), id: Id, now: Timestamp) -> io::Result<()> {
        self.directory_mut(from.0)?.remove(from.1);
        let replaced = self.directory_mut(to.0)?.insert(to.1.clone(), id);
        self.node_mut(from.0).modified = now;
        self.node_mut(to.0).modified = now;
        self.node_mut(id).home = Some(to);
        if let Some(replaced) = replaced {
            self.forget(replaced);
        }
        Ok(())
    }

    /// Sets the room of the device that holds a node, before what the tree takes.
    pub(super) fn set_room(&mut self, id: Id, room: Usage) {
        self.device(id).room = room;
    }

    /// The room of the device that holds a node.
    pub(super) fn usage(&self, id: Id) -> Usage {
        let device = self.devices.get(&self.node(id).device).copied().unwrap_or(Device::FRESH);
        Usage {
            capacity: device.room.capacity,
            available: device.left(),
            inodes: device.room.inodes,
            inodes_free: device.inodes_left(),
        }
    }

    pub(super) fn metadata(&self, id: Id) -> Metadata {
        let node = self.node(id);
        let size = match &node.body {
            Body::File(content) => content.len() as u64,
            Body::Directory(_) => 4096,
            Body::Symlink(target) => target.as_os_str().len() as u64,
            Body::Socket | Body::Fifo | Body::Device(_) => 0,
        };
        Metadata {
            kind: node.kind(),
            size,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            modified: node.modified,
            device: node.device,
            inode: id,
        }
    }

    /// Every path below the root with its facts, by path.
    pub(super) fn walk(&self) -> Vec<(PathBuf, Metadata)> {
        let mut found = Vec::new();
        let mut left = vec![(PathBuf::from("/"), self.seen(ROOT))];
        while let Some((path, here)) = left.pop() {
            let Ok(entries) = self.entries(here) else { continue };
            for (name, id) in entries {
                found.push((path.join(name), self.metadata(id)));
                // A bind mount shows what has a path already, and may show itself.
                if !self.shows_bind(here, name) {
                    left.push((path.join(name), id));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}
