//! `/proc` of a container: what programs and specs read of processes, the machine and kernel settings, made when it is read.
//!
//! What has no content here is missing, not empty.

use std::{
    io,
    path::{Path, PathBuf},
};

use world::files::{Append, DirEntry, FileKind, FileSystem, Metadata, Usage, Watch};

use super::{Kernel, Pid, Process, kernel::WeakKernel};

mod process;
mod system;

/// The kind of its mount.
pub const KIND: &str = "proc";

/// The descriptor that `/PID/fd/NUMBER` names.
pub fn descriptor(path: &Path) -> Option<(Pid, u32)> {
    let mut parts = path.to_str()?.trim_start_matches('/').split('/');
    match (parts.next()?.parse().ok()?, parts.next()?, parts.next()?.parse().ok()?, parts.next()) {
        (pid, "fd", number, None) => Some((pid, number)),
        _ => None,
    }
}

/// The file system of one pid namespace.
#[derive(Debug)]
pub struct Proc {
    kernel: WeakKernel,
    /// Whether settings can be written: in privileged containers.
    writable: bool,
}

/// What a path is.
enum Node {
    Directory(Vec<(String, FileKind)>),
    File(Vec<u8>),
    /// A file of kernel settings, by dotted name.
    Setting(String),
    Link(String),
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn entries<'a>(names: impl IntoIterator<Item = &'a str>, kind: FileKind) -> Vec<(String, FileKind)> {
    names.into_iter().map(|name| (name.to_owned(), kind)).collect()
}

impl Proc {
    /// That of a namespace.
    pub fn new(kernel: &Kernel, writable: bool) -> Self {
        Self { kernel: kernel.downgrade(), writable }
    }

    fn kernel(&self) -> io::Result<Kernel> {
        self.kernel.upgrade().ok_or_else(not_found)
    }

    fn process(&self, pid: Pid) -> io::Result<Process> {
        self.kernel()?.process(pid).ok_or_else(not_found)
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        let text = path.to_str().ok_or_else(not_found)?;
        let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty()).collect();
        match parts.as_slice() {
            [] => self.root(),
            ["self" | "thread-self"] => Ok(Node::Link("self".to_owned())),
            ["mounts"] => Ok(Node::Link("self/mounts".to_owned())),
            ["net"] => Ok(Node::Directory(entries(system::NET, FileKind::File))),
            ["net", name] => {
                system::net(&self.kernel()?, name).map(|t| Node::File(t.into_bytes())).ok_or_else(not_found)
            }
            ["sysvipc"] => Ok(Node::Directory(entries(["msg", "sem", "shm"], FileKind::File))),
            ["sysvipc", name] => {
                system::sysvipc(&self.kernel()?, name).map(|t| Node::File(t.into_bytes())).ok_or_else(not_found)
            }
            ["sys", rest @ ..] => self.setting(rest),
            [first, rest @ ..] => match first.parse::<Pid>() {
                Ok(pid) => self.of_process(pid, rest),
                Err(_) if system::DIRECTORIES.contains(first) && rest.is_empty() => Ok(Node::Directory(Vec::new())),
                Err(_) if rest.is_empty() => {
                    system::file(&self.kernel()?, first).map(|t| Node::File(t.into_bytes())).ok_or_else(not_found)
                }
                Err(_) => Err(not_found()),
            },
        }
    }

    fn root(&self) -> io::Result<Node> {
        let kernel = self.kernel()?;
        let mut all = entries(system::FILES, FileKind::File);
        all.extend(entries(system::DIRECTORIES, FileKind::Directory));
        all.extend(entries(["net", "sys", "sysvipc"], FileKind::Directory));
        all.extend(entries(["self", "thread-self", "mounts"], FileKind::Symlink));
        all.extend(kernel.processes().iter().map(|p| (kernel.number_of(p).to_string(), FileKind::Directory)));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Node::Directory(all))
    }

    fn of_process(&self, pid: Pid, rest: &[&str]) -> io::Result<Node> {
        let process = self.process(pid)?;
        match rest {
            [] => {
                let mut all = entries(process::FILES, FileKind::File);
                all.extend(entries(["fd", "ns"], FileKind::Directory));
                all.extend(entries(["cwd", "exe", "root"], FileKind::Symlink));
                all.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(Node::Directory(all))
            }
            ["cwd"] => Ok(Node::Link(process.cwd())),
            ["root"] => Ok(Node::Link("/".to_owned())),
            ["exe"] => Ok(Node::Link(process.args().first().cloned().unwrap_or_default())),
            ["fd"] => {
                let numbers = process.descriptors().into_keys();
                Ok(Node::Directory(numbers.map(|n| (n.to_string(), FileKind::File)).collect()))
            }
            ["fd", number] => {
                let number = number.parse().map_err(|_| not_found())?;
                process.descriptor(number).map(|_| Node::File(Vec::new())).map_err(|_| not_found())
            }
            ["ns"] => Ok(Node::Directory(entries(process::NAMESPACES, FileKind::Symlink))),
            ["ns", name] => process::namespace(&process, name).map(Node::Link).ok_or_else(not_found),
            [name] => process::file(&process, pid, name).map(Node::File).ok_or_else(not_found),
            _ => Err(not_found()),
        }
    }

    /// Settings: the dots of their names are directories.
    fn setting(&self, rest: &[&str]) -> io::Result<Node> {
        let namespaces = self.kernel()?.surroundings().namespaces.clone();
        let name = rest.join(".");
        if !name.is_empty() && namespaces.setting(&name).is_some() {
            return Ok(Node::Setting(name));
        }
        let prefix = if name.is_empty() { String::new() } else { name + "." };
        let mut found: Vec<(String, FileKind)> = Vec::new();
        for full in namespaces.setting_names() {
            let Some(below) = full.strip_prefix(&prefix) else { continue };
            let (entry, kind) = match below.split_once('.') {
                Some((directory, _)) => (directory, FileKind::Directory),
                None => (below, FileKind::File),
            };
            if !found.iter().any(|(name, _)| name == entry) {
                found.push((entry.to_owned(), kind));
            }
        }
        if found.is_empty() && !rest.is_empty() { Err(not_found()) } else { Ok(Node::Directory(found)) }
    }

    fn facts(&self, path: &Path, node: &Node) -> Metadata {
        let (kind, mode) = match node {
            Node::Directory(_) => (FileKind::Directory, 0o555),
            Node::File(_) => (FileKind::File, 0o444),
            Node::Setting(_) => (FileKind::File, 0o644),
            Node::Link(_) => (FileKind::Symlink, 0o777),
        };
        // Files of a process belong to its user.
        let pid = path.to_str().and_then(|p| p.trim_start_matches('/').split('/').next()?.parse().ok());
        let owner = pid.and_then(|pid| self.process(pid).ok()).map(|p| p.credentials());
        let (uid, gid) = owner.map_or((0, 0), |who| (who.uid, who.gid));
        let modified = self.kernel.upgrade().map(|k| k.surroundings().world.clock.now()).unwrap_or_default();
        Metadata { kind, size: 0, mode, uid, gid, modified, device: 5, inode: 1 }
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::PermissionDenied.into())
}

impl FileSystem for Proc {
    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        match self.node(path)? {
            Node::File(bytes) => Ok(bytes),
            Node::Setting(name) => {
                let value = self.kernel()?.surroundings().namespaces.setting(&name).ok_or_else(not_found)?;
                Ok((value + "\n").into_bytes())
            }
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
            Node::Link(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn read_tail(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut all = self.read(path, u64::MAX)?;
        let keep = usize::try_from(limit).unwrap_or(usize::MAX).min(all.len());
        Ok(all.split_off(all.len() - keep))
    }

    fn read_at(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Vec<u8>> {
        let all = self.read(path, u64::MAX)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let to = from.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX)).min(all.len());
        Ok(all.get(from..to).unwrap_or_default().to_vec())
    }

    fn write(&self, path: &Path, bytes: &[u8], _: u32) -> io::Result<()> {
        match self.node(path)? {
            Node::Setting(_) if !self.writable => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            // Emptying comes before writing.
            Node::Setting(_) if bytes.is_empty() => Ok(()),
            Node::Setting(name) => {
                let value = String::from_utf8_lossy(bytes);
                self.kernel()?.surroundings().namespaces.set_setting(&name, value.trim());
                Ok(())
            }
            _ => refused(),
        }
    }

    fn append(&self, path: &Path, _: u32) -> io::Result<Box<dyn Append>> {
        match self.node(path)? {
            Node::Setting(_) if self.writable => Ok(Box::new(Writer {
                files: Self { kernel: self.kernel.clone(), writable: true },
                path: path.to_owned(),
            })),
            Node::Setting(_) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => refused(),
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        match self.node(path)? {
            Node::Directory(all) => Ok(all.into_iter().map(|(name, kind)| DirEntry { name, kind }).collect()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let node = self.node(path)?;
        Ok(self.facts(path, &node))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.metadata(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self.node(path)? {
            Node::Link(target) => Ok(target.into()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn create_dir(&self, _: &Path, _: u32) -> io::Result<()> {
        refused()
    }

    fn create_dir_all(&self, _: &Path, _: u32) -> io::Result<()> {
        refused()
    }

    fn symlink(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn set_mode(&self, _: &Path, _: u32) -> io::Result<()> {
        refused()
    }

    fn chown(&self, _: &Path, _: Option<u32>, _: Option<u32>) -> io::Result<()> {
        refused()
    }

    fn usage(&self, _: &Path) -> io::Result<Usage> {
        Ok(Usage { capacity: 0, available: 0, inodes: 0, inodes_free: 0 })
    }

    fn watch(&self, _: &Path) -> io::Result<Watch> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A setting opened for writing: each write is a new value.
struct Writer {
    files: Proc,
    path: PathBuf,
}

impl Append for Writer {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.files.write(&self.path, bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_named_by_process_and_number() {
        assert_eq!(descriptor(Path::new("/7/fd/1")), Some((7, 1)));
        assert_eq!(descriptor(Path::new("/7/fd")), None);
        assert_eq!(descriptor(Path::new("/7/fd/1/x")), None);
        assert_eq!(descriptor(Path::new("/self/fd/1")), None);
    }
}
