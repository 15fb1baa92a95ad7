//! What each operation does to the tree, with its faults and its notices. Not how paths are found or content is kept.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use rustix::io::Errno;

use super::{
    MemoryFiles, State,
    faults::{FailedWrite, Operation},
    tree::{Body, Id},
};
use crate::files::{Append, ChangeKind, DirEntry, FileSystem, Metadata, Usage, Watch};

/// An open file of a [`MemoryFiles`]. What is appended when its name is gone is lost, as on the host.
struct MemoryAppend {
    files: MemoryFiles,
    path: PathBuf,
    id: Id,
}

impl Append for MemoryAppend {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.files.state();
        let failed = state.faults.check_write(Operation::Append, &self.path, bytes.len());
        let stored = failed.as_ref().map_or(bytes.len(), |failed| failed.stored.unwrap_or(0));
        if state.tree.is_there(self.id) {
            state.store(self.id, &bytes[..stored], false)?;
        }
        failed.map_or(Ok(()), |failed| Err(failed.error))
    }
}

impl FileSystem for MemoryFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let state = self.enter(Operation::Read, path)?;
        let content = state.tree.content(state.tree.existing(path, true)?)?;
        if content.len() as u64 > limit {
            let text = format!("the file is larger than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(content.to_vec())
    }

    fn read_tail(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let state = self.enter(Operation::Read, path)?;
        let content = state.tree.content(state.tree.existing(path, true)?)?;
        let skipped = content.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(content[skipped..].to_vec())
    }

    fn read_at(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
        let state = self.enter(Operation::Read, path)?;
        let content = state.tree.content(state.tree.existing(path, true)?)?;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let from = size(offset).min(content.len());
        let to = from.saturating_add(size(limit)).min(content.len());
        Ok(content[from..to].to_vec())
    }

    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut state = self.state();
        match state.faults.check_write(Operation::Write, path, bytes.len()) {
            None => state.write(path, bytes, mode),
            Some(FailedWrite { error, stored: None }) => Err(error),
            Some(FailedWrite { error, stored: Some(stored) }) => {
                state.write(path, &bytes[..stored], mode)?;
                Err(error)
            }
        }
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Append>> {
        let (id, _) = self.enter(Operation::Open, path)?.open_or_create(path, mode)?;
        Ok(Box::new(MemoryAppend { files: self.clone(), path: path.to_owned(), id }))
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut state = self.enter(Operation::CreateDir, path)?;
        if path.components().eq([Component::RootDir]) {
            return Err(Errno::EXIST.into());
        }
        state.create(path, false, Body::directory(), mode).map(drop)
    }

    fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<()> {
        let path: PathBuf = path.components().collect();
        crate::files::create_missing(self, &path, mode)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.enter(Operation::ReadDir, path)?;
        let found = state.tree.entries(state.tree.existing(path, true)?)?;
        let mut found: Vec<_> = found
            .map(|(name, id)| DirEntry { name: name.to_string_lossy().into_owned(), kind: state.tree.node(id).kind() })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.enter(Operation::Metadata, path)?;
        Ok(state.tree.metadata(state.tree.existing(path, true)?))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.enter(Operation::Metadata, path)?;
        Ok(state.tree.metadata(state.tree.existing(path, false)?))
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let state = self.enter(Operation::ReadLink, path)?;
        match &state.tree.node(state.tree.existing(path, false)?).body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Symlink, link)?;
        if target.as_os_str().is_empty() {
            return Err(Errno::NOENT.into());
        }
        state.create(link, false, Body::Symlink(target.to_owned()), 0o777).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Rename, from)?;
        state.faults.check(Operation::Rename, to)?;
        let State { now, tree, watches, .. } = &mut *state;
        let (old_parent, old_name, id) = tree.place(from, false)?;
        let (new_parent, new_name, replaced) = tree.place(to, false)?;
        let id = id.ok_or(Errno::NOENT)?;
        tree.require_unmounted(old_parent, &old_name)?;
        tree.require_unmounted(new_parent, &new_name)?;
        if !tree.require_movable(id, new_parent, replaced)? {
            return Ok(());
        }
        let replaced = replaced.map(|id| (id, tree.node(id).is_directory()));
        tree.rename((old_parent, &old_name), (new_parent, new_name.clone()), id, *now)?;
        watches.entry(old_parent, &old_name, ChangeKind::Rename);
        watches.entry(new_parent, &new_name, ChangeKind::Create);
        watches.itself(id, ChangeKind::Rename);
        if let Some((replaced, is_directory)) = replaced {
            watches.end(replaced, is_directory);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.enter(Operation::Remove, path)?.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.enter(Operation::Remove, path)?.unlink_dir(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter(Operation::Remove, path)?;
        let (parent, name, found) = state.tree.place(path, false)?;
        let id = found.ok_or(Errno::NOENT)?;
        if !state.tree.node(id).is_directory() {
            return Err(Errno::NOTDIR.into());
        }
        state.remove_tree(parent, &name, id)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut state = self.enter(Operation::SetMode, path)?;
        let id = state.tree.existing(path, true)?;
        state.tree.node_mut(id).mode = mode & 0o7777;
        let State { tree, watches, .. } = &mut *state;
        watches.node(tree, id, ChangeKind::Attributes);
        Ok(())
    }

    fn chown(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let mut state = self.enter(Operation::Chown, path)?;
        let id = state.tree.existing(path, false)?;
        let node = state.tree.node_mut(id);
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        let State { tree, watches, .. } = &mut *state;
        watches.node(tree, id, ChangeKind::Attributes);
        Ok(())
    }

    fn usage(&self, path: &Path) -> io::Result<Usage> {
        let state = self.enter(Operation::Usage, path)?;
        Ok(state.tree.usage(state.tree.existing(path, true)?))
    }

    fn watch(&self, path: &Path) -> io::Result<Watch> {
        let mut state = self.enter(Operation::Watch, path)?;
        let id = state.tree.existing(path, true)?;
        Ok(state.watches.add(id, path))
    }
}
