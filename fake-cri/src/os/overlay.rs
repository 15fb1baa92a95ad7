//! A container's own layer over a shared image: reads fall through, the first write makes a copy. As overlayfs does it.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use world::{
    WallClock,
    files::{Append, DirEntry, FileKind, FileSystem, Metadata, Usage, Watch},
    sim::MemoryFiles,
};

/// Most bytes copied up at once.
const COPY_LIMIT: u64 = 64 * 1024 * 1024;

/// A writable view of a read-only tree. Costs next to nothing until something is written.
pub struct Overlay {
    lower: Arc<MemoryFiles>,
    clock: WallClock,
    upper: OnceLock<MemoryFiles>,
    gone: Mutex<BTreeSet<PathBuf>>,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overlay")
    }
}

impl Overlay {
    /// A fresh layer over `lower`.
    pub fn new(lower: Arc<MemoryFiles>, clock: WallClock) -> Self {
        Self { lower, clock, upper: OnceLock::new(), gone: Mutex::default() }
    }

    fn upper(&self) -> &MemoryFiles {
        self.upper.get_or_init(|| MemoryFiles::empty(self.clock.clone()))
    }

    fn gone(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_upper(&self, path: &Path) -> bool {
        path != Path::new("/") && self.upper.get().is_some_and(|u| u.symlink_metadata(path).is_ok())
    }

    /// The lower path, unless it or something above it was removed.
    fn lower(&self, path: &Path) -> io::Result<&MemoryFiles> {
        let gone = self.gone();
        if path.ancestors().any(|p| gone.contains(p)) { Err(io::ErrorKind::NotFound.into()) } else { Ok(&self.lower) }
    }

    fn holder(&self, path: &Path) -> io::Result<&MemoryFiles> {
        if self.in_upper(path) { Ok(self.upper()) } else { self.lower(path) }
    }

    /// Makes sure that the directories above `path` exist in the upper layer.
    fn copy_up_parents(&self, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if parent == Path::new("/") || self.in_upper(parent) {
            return Ok(());
        }
        self.copy_up_parents(parent)?;
        let facts = self.lower(parent)?.metadata(parent)?;
        if facts.kind != FileKind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.upper().create_dir(parent, facts.mode)?;
        self.upper().chown(parent, Some(facts.uid), Some(facts.gid))
    }

    fn copy_up(&self, path: &Path) -> io::Result<()> {
        if self.in_upper(path) || path == Path::new("/") {
            return Ok(());
        }
        let facts = self.lower(path)?.symlink_metadata(path)?;
        self.copy_up_parents(path)?;
        match facts.kind {
            FileKind::Directory => self.upper().create_dir(path, facts.mode)?,
            FileKind::Symlink => self.upper().symlink(&self.lower.read_link(path)?, path)?,
            _ => self.upper().write(path, &self.lower.read(path, COPY_LIMIT)?, facts.mode)?,
        }
        self.upper().chown(path, Some(facts.uid), Some(facts.gid))
    }

    /// A new name: nothing of the lower tree shows through it.
    fn make_way(&self, path: &Path) -> io::Result<()> {
        self.copy_up_parents(path)?;
        if self.lower.symlink_metadata(path).is_ok() {
            self.gone().insert(path.to_owned());
        }
        Ok(())
    }

    fn hide(&self, path: &Path) {
        if self.lower.symlink_metadata(path).is_ok() {
            self.gone().insert(path.to_owned());
        }
    }
}

impl FileSystem for Overlay {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.holder(path)?.read(path, limit)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.holder(path)?.read_tail(path, limit)
    }

    fn read_at(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
        self.holder(path)?.read_at(path, offset, limit)
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        if self.symlink_metadata(path).is_ok() {
            self.copy_up(path)?
        } else {
            self.make_way(path)?
        }
        self.upper().write(path, bytes, mode)
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Append>> {
        if self.symlink_metadata(path).is_ok() {
            self.copy_up(path)?
        } else {
            self.make_way(path)?
        }
        self.upper().append(path, mode)
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        if self.symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.make_way(path)?;
        self.upper().create_dir(path, mode)
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()> {
        if self.metadata(path).is_ok_and(|m| m.kind == FileKind::Directory) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent, mode)?;
        }
        self.create_dir(path, mode)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = match self.lower(path).and_then(|l| l.read_dir(path)) {
            Ok(entries) => entries,
            Err(_) if self.in_upper(path) => Vec::new(),
            Err(error) => return Err(error),
        };
        {
            let gone = self.gone();
            entries.retain(|e| !gone.contains(&path.join(&e.name)));
        }
        if let Some(upper) = self.upper.get()
            && let Ok(own) = upper.read_dir(path)
        {
            entries.retain(|e| !own.iter().any(|o| o.name == e.name));
            entries.extend(own);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.holder(path)?.metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.holder(path)?.symlink_metadata(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.holder(path)?.read_link(path)
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        if self.symlink_metadata(link).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.make_way(link)?;
        self.upper().symlink(target, link)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let facts = self.symlink_metadata(from)?;
        if facts.kind == FileKind::Directory && !self.in_upper(from) {
            // As overlayfs without redirect_dir: a directory of the image cannot be moved.
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.copy_up(from)?;
        self.copy_up_parents(to)?;
        self.upper().rename(from, to)?;
        self.hide(from);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let facts = self.symlink_metadata(path)?;
        if facts.kind == FileKind::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if self.in_upper(path) {
            self.upper().remove_file(path)?;
        }
        self.hide(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if self.symlink_metadata(path)?.kind != FileKind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if !self.read_dir(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if self.in_upper(path) {
            self.upper().remove_dir(path)?;
        }
        self.hide(path);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        for entry in self.read_dir(path)? {
            let inner = path.join(&entry.name);
            if entry.kind == FileKind::Directory { self.remove_dir_all(&inner)? } else { self.remove_file(&inner)? }
        }
        self.remove_dir(path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.copy_up(path)?;
        self.upper().set_mode(path, mode)
    }

    fn chown(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        self.copy_up(path)?;
        self.upper().chown(path, uid, gid)
    }

    fn usage(&self, path: &Path) -> io::Result<Usage> {
        self.lower.usage(path)
    }

    fn watch(&self, path: &Path) -> io::Result<Watch> {
        self.copy_up(path)?;
        self.upper().watch(path)
    }
}
