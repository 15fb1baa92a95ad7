//! A root of control groups of its own for each kubelet of this host: kubelets remove what they take for left-overs of their pods, and
//! of two with one root each would take the other's.

use std::path::{Path, PathBuf};

use world::{Files, files::FileKind};

/// The root of one kubelet's groups, in every hierarchy where it could be made. Removed when dropped.
pub(super) struct ControlGroups {
    files: Files,
    made: Vec<PathBuf>,
}

impl ControlGroups {
    /// Makes a group `name` in every hierarchy. `None` where they are not ours to make: without root, or read-only.
    pub(super) fn new(name: &str) -> Option<Self> {
        let (files, top) = (Files::real("/"), Path::new("/sys/fs/cgroup"));
        let unified = files.exists(&top.join("cgroup.controllers"));
        let hierarchies = if unified { vec![top.to_owned()] } else { directories(&files, top) };
        let groups = hierarchies.into_iter().map(|one| one.join(name));
        let made: Vec<PathBuf> = groups.filter(|path| files.create_dir(path, 0o755).is_ok()).collect();
        (!made.is_empty()).then_some(Self { files, made })
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        self.made.iter().for_each(|group| remove(&self.files, group));
    }
}

/// Removes a group and those in it. One with processes stays.
fn remove(files: &Files, group: &Path) {
    directories(files, group).iter().for_each(|child| remove(files, child));
    // What still has a process is not ours to end.
    let _ = files.remove_dir(group);
}

fn directories(files: &Files, path: &Path) -> Vec<PathBuf> {
    let entries = files.read_dir(path).unwrap_or_default();
    entries.into_iter().filter(|entry| entry.kind == FileKind::Directory).map(|entry| path.join(entry.name)).collect()
}
