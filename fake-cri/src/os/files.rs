//! The file tree that processes of one container see: mounts over an image, links resolved across them, permissions checked.
//!
//! Every mount is a [`world::Files`], so a volume of the host, a tmpfs and an image are the same to the code above.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use world::{
    Files,
    files::{DirEntry, FileKind, Metadata},
};

use super::{
    Credentials, Descriptor, Errno, Process,
    capability::Capability,
    pipe::{Endless, Full, Null},
    proc,
    process::WeakProcess,
    random::Random,
};

mod open;

use open::TreeFile;

/// Most symbolic links followed in one look-up, as Linux.
const LINK_LIMIT: u32 = 40;

/// Most bytes of one file that a process may read.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// Something mounted.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where, in the container: absolute and without links.
    pub at: PathBuf,
    /// What holds it.
    pub files: Files,
    /// What part of that: a directory, or a single file.
    pub root: PathBuf,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Type and source for `/proc/mounts`.
    pub kind: &'static str,
}

/// The mounts of one container, as one of its processes sees them. Clones share them.
#[derive(Clone, Debug)]
pub struct FileTree {
    mounts: Arc<RwLock<Vec<Mount>>>,
    viewer: Option<WeakProcess>,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Made if missing.
    pub create: bool,
    /// Emptied.
    pub truncate: bool,
}

impl OpenMode {
    /// `<`
    pub const READ: Self = Self { read: true, write: false, append: false, create: false, truncate: false };
    /// `>`
    pub const WRITE: Self = Self { read: false, write: true, append: false, create: true, truncate: true };
    /// `>>`
    pub const APPEND: Self = Self { read: false, write: true, append: true, create: true, truncate: false };
}

/// A place found: in which mount, and where there.
#[derive(Clone, Debug)]
pub struct Place {
    mount: Mount,
    /// Path in the mount's own files.
    inner: PathBuf,
    /// Path in the container, without links.
    pub path: PathBuf,
}

impl Place {
    /// Where its mount is.
    pub fn mount_point(&self) -> &Path {
        &self.mount.at
    }

    /// A mount that shows it at another path.
    pub fn bound(&self, at: PathBuf, read_only: bool) -> Mount {
        Mount { at, root: self.inner.clone(), read_only: self.mount.read_only || read_only, ..self.mount.clone() }
    }

    fn writable(&self) -> Result<(), Errno> {
        if self.mount.read_only { Err(Errno::ReadOnly) } else { Ok(()) }
    }
}

/// The name of a device that an image's `/dev` has.
fn device_name(place: &Place) -> Option<&str> {
    let name = place.path.strip_prefix("/dev").ok()?.to_str()?;
    let known = ["null", "zero", "full", "random", "urandom", "tty"].contains(&name);
    // What is mounted there from the node is a file of the node's.
    (known && place.mount.kind != "bind").then_some(name)
}

/// The facts of a device: its file in the image only stands for it.
fn as_device(place: &Place, mut facts: Metadata) -> Metadata {
    if facts.kind == FileKind::File && device_name(place).is_some() {
        facts.kind = FileKind::CharDevice;
    }
    facts
}

impl FileTree {
    /// A tree with `root` at `/`.
    pub fn new(root: Mount) -> Self {
        Self { mounts: Arc::new(RwLock::new(vec![root])), viewer: None }
    }

    /// The same mounts, seen by a process: `/proc/self` is its own, and its filter is asked.
    pub fn seen_by(&self, process: WeakProcess) -> Self {
        Self { mounts: self.mounts.clone(), viewer: Some(process) }
    }

    fn viewer(&self) -> Option<Process> {
        self.viewer.as_ref().and_then(WeakProcess::upgrade)
    }

    /// What of a mode the process that makes something leaves.
    fn masked(&self, mode: u32) -> u32 {
        mode & !self.viewer().map_or(0o022, |process| process.umask())
    }

    fn syscall(&self, call: &str) -> Result<(), Errno> {
        self.viewer().map_or(Ok(()), |process| process.syscall(call))
    }

    /// Where the link at a place points. What `/proc/self` is depends on who asks.
    fn target(&self, place: &Place) -> Result<String, Errno> {
        if place.mount.kind == proc::KIND && place.inner == Path::new("/self") {
            return Ok(self.viewer().map_or(1, |p| p.pid()).to_string());
        }
        Ok(place.mount.files.read_link(&place.inner)?.to_string_lossy().into_owned())
    }

    /// Covers a path so that nothing of it can be seen: a directory by an empty one, a file by `/dev/null`. Nothing where nothing is.
    pub fn mask(&self, path: &str, empty: &Files) {
        let Ok(place) = self.find(path, true) else { return };
        let Ok(facts) = place.mount.files.metadata(&place.inner) else { return };
        let root = if facts.kind == FileKind::Directory { "/directory" } else { "/null" };
        let kind = if facts.kind == FileKind::Directory { "tmpfs" } else { "devtmpfs" };
        self.mount(Mount { at: place.path, files: empty.clone(), root: PathBuf::from(root), read_only: true, kind });
    }

    /// Makes what is at a path unwritable. Nothing where nothing is.
    pub fn protect(&self, path: &str) {
        let Ok(place) = self.find(path, true) else { return };
        if place.mount.files.metadata(&place.inner).is_ok() {
            let Place { mount, inner, path } = place;
            self.mount(Mount { at: path, root: inner, read_only: true, ..mount });
        }
    }

    /// Mounts something on top of what is there.
    pub fn mount(&self, mount: Mount) {
        self.mounts.write().unwrap_or_else(PoisonError::into_inner).push(mount);
    }

    /// Takes away the latest mount at a path.
    pub fn unmount(&self, at: &Path) -> Result<(), Errno> {
        let mut mounts = self.mounts.write().unwrap_or_else(PoisonError::into_inner);
        match mounts.iter().rposition(|m| m.at == at) {
            Some(index) if index > 0 => {
                mounts.remove(index);
                Ok(())
            }
            _ => Err(Errno::Invalid),
        }
    }

    /// Everything mounted, in order.
    pub fn mounts(&self) -> Vec<Mount> {
        self.mounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which mount holds an absolute path without links: the latest that covers it. What was mounted below it before is hidden.
    fn holder(&self, path: &Path) -> Place {
        let mounts = self.mounts.read().unwrap_or_else(PoisonError::into_inner);
        let best = mounts.iter().rev().find(|mount| path.starts_with(&mount.at)).unwrap_or(&mounts[0]);
        let below = path.strip_prefix(&best.at).unwrap_or(Path::new(""));
        let inner = if below.as_os_str().is_empty() { best.root.clone() } else { best.root.join(below) };
        Place { mount: best.clone(), inner, path: path.to_owned() }
    }

    /// Finds an absolute path, following links in all but the last part, and there too if `follow`.
    pub fn find(&self, path: &str, follow: bool) -> Result<Place, Errno> {
        let mut found = PathBuf::from("/");
        let mut rest: Vec<String> = parts(path);
        rest.reverse();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                found.pop();
                continue;
            }
            let place = self.holder(&found.join(&part));
            let last = rest.is_empty();
            let kind = place.mount.files.symlink_metadata(&place.inner).map(|m| m.kind);
            match kind {
                Ok(FileKind::Symlink) if !last || follow => {
                    links += 1;
                    if links > LINK_LIMIT {
                        return Err(Errno::Loop);
                    }
                    let target = self.target(&place)?;
                    if target.starts_with('/') {
                        found = PathBuf::from("/");
                    }
                    rest.extend(parts(&target).into_iter().rev());
                    continue;
                }
                Ok(FileKind::Directory) => {}
                Ok(_) if !last => return Err(Errno::NotDirectory),
                Err(error) if !last => {
                    let implied = self.has_mount_below(&place.path);
                    if !implied {
                        return Err(error.into());
                    }
                }
                _ => {}
            }
            found = place.path;
        }
        Ok(self.holder(&found))
    }

    fn has_mount_below(&self, path: &Path) -> bool {
        self.mounts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|m| m.at.starts_with(path) && m.at != path)
    }

    /// Facts about a path, following links.
    pub fn stat(&self, path: &str) -> Result<Metadata, Errno> {
        let place = self.find(path, true)?;
        Ok(as_device(&place, place.mount.files.metadata(&place.inner)?))
    }

    /// Facts about a path itself.
    pub fn lstat(&self, path: &str) -> Result<Metadata, Errno> {
        let place = self.find(path, false)?;
        Ok(as_device(&place, place.mount.files.symlink_metadata(&place.inner)?))
    }

    /// Where a link points.
    pub fn read_link(&self, path: &str) -> Result<String, Errno> {
        let place = self.find(path, false)?;
        self.target(&place)
    }

    /// Lists a directory, with what is mounted in it.
    pub fn list(&self, path: &str, who: &Credentials) -> Result<Vec<DirEntry>, Errno> {
        let place = self.find(path, true)?;
        let facts = place.mount.files.metadata(&place.inner)?;
        if facts.kind != FileKind::Directory {
            return Err(Errno::NotDirectory);
        }
        allow(who, &facts, 4)?;
        let mut entries = place.mount.files.read_dir(&place.inner)?;
        for mount in self.mounts() {
            if mount.at.parent() == Some(&place.path)
                && self.holder(&mount.at).mount.at == mount.at
                && let Some(name) = mount.at.file_name().map(|n| n.to_string_lossy().into_owned())
                && !entries.iter().any(|e| e.name == name)
            {
                let kind = mount.files.metadata(&mount.root).map_or(FileKind::Directory, |m| m.kind);
                entries.push(DirEntry { name, kind });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Reads a file whole.
    pub fn read(&self, path: &str, who: &Credentials) -> Result<Vec<u8>, Errno> {
        let place = self.find(path, true)?;
        let facts = place.mount.files.metadata(&place.inner)?;
        allow(who, &facts, 4)?;
        Ok(place.mount.files.read(&place.inner, FILE_LIMIT)?)
    }

    /// Whether a path names a program, and its content's start.
    pub fn executable(&self, path: &str, who: &Credentials) -> Result<Vec<u8>, Errno> {
        let place = self.find(path, true)?;
        let facts = place.mount.files.metadata(&place.inner)?;
        if facts.kind != FileKind::File || !who.may(facts.uid, facts.gid, facts.mode, 1) {
            return Err(Errno::Access);
        }
        Ok(place.mount.files.read(&place.inner, FILE_LIMIT)?)
    }

    /// Opens a file.
    pub fn open(&self, path: &str, mode: OpenMode, who: &Credentials) -> Result<Descriptor, Errno> {
        self.syscall("openat")?;
        let place = self.find(path, true)?;
        if let Some(device) = self.device(&place) {
            return Ok(device);
        }
        if place.mount.kind == proc::KIND
            && let Some((pid, number)) = proc::descriptor(&place.inner)
        {
            let process = self.viewer().and_then(|p| p.kernel().process(pid)).ok_or(Errno::NoEntry)?;
            return process.descriptor(number).map_err(|_| Errno::NoEntry);
        }
        let facts = match place.mount.files.metadata(&place.inner) {
            Ok(facts) => facts,
            Err(error) if mode.create && error.kind() == std::io::ErrorKind::NotFound => {
                if path.ends_with('/') {
                    return Err(Errno::IsDirectory);
                }
                place.writable()?;
                self.allow_in_parent(&place, who)?;
                place.mount.files.write(&place.inner, b"", self.masked(0o666))?;
                let _ = place.mount.files.chown(&place.inner, Some(who.uid), Some(who.gid));
                place.mount.files.metadata(&place.inner)?
            }
            Err(error) => return Err(error.into()),
        };
        if facts.kind == FileKind::Directory {
            return Err(Errno::IsDirectory);
        }
        if mode.write {
            place.writable()?;
            allow(who, &facts, 2)?;
        }
        if mode.read {
            allow(who, &facts, 4)?;
        }
        if mode.truncate {
            place.mount.files.write(&place.inner, b"", facts.mode)?;
        }
        Ok(Arc::new(TreeFile::new(place, mode)))
    }

    /// What a place in `/dev` is, if it is a device.
    fn device(&self, place: &Place) -> Option<Descriptor> {
        let name = device_name(place)?;
        place.mount.files.metadata(&place.inner).ok().filter(|facts| facts.kind == FileKind::File)?;
        Some(match name {
            "null" => Arc::new(Null),
            "zero" => Arc::new(Endless(0)),
            "full" => Arc::new(Full),
            "random" | "urandom" => Arc::new(Random::of(self.viewer())),
            _ => return None,
        })
    }

    fn allow_in_parent(&self, place: &Place, who: &Credentials) -> Result<(), Errno> {
        let parent = place.path.parent().unwrap_or(Path::new("/"));
        let holder = self.holder(parent);
        let facts = holder.mount.files.metadata(&holder.inner)?;
        if facts.kind != FileKind::Directory {
            return Err(Errno::NotDirectory);
        }
        allow(who, &facts, 3)
    }

    fn change(&self, path: &str, who: &Credentials) -> Result<Place, Errno> {
        let place = self.find(path, false)?;
        let holder = self.holder(place.path.parent().unwrap_or(Path::new("/")));
        holder.writable()?;
        self.allow_in_parent(&place, who)?;
        if place.path == place.mount.at && place.path != Path::new("/") {
            return Err(Errno::Busy);
        }
        Ok(place)
    }

    /// Makes a directory.
    pub fn make_dir(&self, path: &str, mode: u32, who: &Credentials) -> Result<(), Errno> {
        self.syscall("mkdir")?;
        let place = self.find(path, false)?;
        if place.mount.files.symlink_metadata(&place.inner).is_ok() {
            return Err(Errno::Exists);
        }
        let place = self.change(path, who)?;
        place.mount.files.create_dir(&place.inner, self.masked(mode))?;
        let _ = place.mount.files.chown(&place.inner, Some(who.uid), Some(who.gid));
        Ok(())
    }

    /// Removes a file or a link.
    pub fn remove_file(&self, path: &str, who: &Credentials) -> Result<(), Errno> {
        self.syscall("unlink")?;
        let place = self.change(path, who)?;
        Ok(place.mount.files.remove_file(&place.inner)?)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, path: &str, who: &Credentials) -> Result<(), Errno> {
        self.syscall("rmdir")?;
        let place = self.change(path, who)?;
        Ok(place.mount.files.remove_dir(&place.inner)?)
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, target: &str, link: &str, who: &Credentials) -> Result<(), Errno> {
        self.syscall("symlink")?;
        let place = self.change(link, who)?;
        Ok(place.mount.files.symlink(Path::new(target), &place.inner)?)
    }

    /// Moves within one mount.
    pub fn rename(&self, from: &str, to: &str, who: &Credentials) -> Result<(), Errno> {
        self.syscall("rename")?;
        let from = self.change(from, who)?;
        let to = self.change(to, who)?;
        if from.mount.at != to.mount.at {
            return Err(Errno::CrossDevice);
        }
        Ok(from.mount.files.rename(&from.inner, &to.inner)?)
    }

    /// Sets permission bits.
    pub fn set_mode(&self, path: &str, mode: u32, who: &Credentials) -> Result<(), Errno> {
        self.syscall("chmod")?;
        let place = self.find(path, true)?;
        let facts = place.mount.files.metadata(&place.inner)?;
        place.writable()?;
        if !who.can(Capability::FOWNER) && who.uid != facts.uid {
            return Err(Errno::NotPermitted);
        }
        Ok(place.mount.files.set_mode(&place.inner, mode)?)
    }

    /// Sets owner and group.
    pub fn chown(&self, path: &str, uid: Option<u32>, gid: Option<u32>, who: &Credentials) -> Result<(), Errno> {
        self.syscall("chown")?;
        let place = self.find(path, true)?;
        place.mount.files.metadata(&place.inner)?;
        place.writable()?;
        if !who.can(Capability::CHOWN) {
            return Err(Errno::NotPermitted);
        }
        Ok(place.mount.files.chown(&place.inner, uid, gid)?)
    }
}

/// The parts of a path, `.` and empty ones left out.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect()
}

fn allow(who: &Credentials, facts: &Metadata, wanted: u32) -> Result<(), Errno> {
    let kind = if facts.kind == FileKind::Directory { 0o4_0000 } else { 0 };
    if who.may(facts.uid, facts.gid, facts.mode | kind, wanted) { Ok(()) } else { Err(Errno::Access) }
}
