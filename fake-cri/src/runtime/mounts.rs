//! The files of a container: image, volumes, what the runtime itself mounts, what it hides and makes unwritable.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cri_proto::v1;
use tonic::Status;
use world::{
    Files,
    files::{FileKind, FileSystem as _},
    sim::MemoryFiles,
};

use super::{Runtime, security::context};
use crate::{
    catalogue::Image,
    model::{Container, Sandbox},
    os::{
        FileTree, Kernel, Mount, in_go,
        overlay::Overlay,
        proc::{self, Proc},
    },
};

/// Longest `mountinfo` of the node that is read.
const MOUNTINFO: u64 = 4 * 1024 * 1024;

impl Runtime {
    /// The files of a container whose processes are in `kernel`.
    pub(super) fn file_tree(
        &self,
        container: &Container,
        sandbox: &Sandbox,
        kernel: &Kernel,
    ) -> Result<FileTree, String> {
        let security = context(&container.config);
        let root = Files::new(Overlay::new(self.tree(container.image.kind), self.world.clock.clone()));
        let mut points = Vec::new();
        for mount in &container.config.mounts {
            let at = clean(&mount.container_path);
            let (files, inner) = if let Some(image) = &mount.image {
                let found = self.images().find(&image.image).map(|p| p.image.clone());
                let found = found.ok_or_else(|| format!("image {:?} is gone", image.image))?;
                let tree = self.tree(found.kind);
                (
                    Files::new(Overlay::new(tree, self.world.clock.clone())),
                    Path::new("/").join(mount.image_sub_path.trim_start_matches('/')),
                )
            } else {
                (self.world.files.clone(), self.host_path(&mount.host_path)?)
            };
            let kind = files.metadata(&inner).map_or(FileKind::Directory, |m| m.kind);
            make_mount_point(&root, &at, kind);
            let below = if mount.image.is_none() && mount.readonly && !mount.recursive_read_only {
                self.mounted_below(&inner)
            } else {
                Vec::new()
            };
            points.push(Mount {
                at: at.clone(),
                files: files.clone(),
                root: inner.clone(),
                read_only: mount.readonly,
                kind: "bind",
            });
            // Read-only holds for the mount itself; what is mounted below it keeps its own state.
            points.extend(below.into_iter().filter_map(|(path, read_only)| {
                let place = at.join(path.strip_prefix(&inner).ok()?);
                Some(Mount { at: place, files: files.clone(), root: path, read_only, kind: "bind" })
            }));
        }
        let tree = FileTree::new(Mount {
            at: PathBuf::from("/"),
            files: root,
            root: PathBuf::from("/"),
            read_only: security.readonly_rootfs,
            kind: "overlay",
        });
        let own = |at: &str, files: Files, root: &str, read_only: bool, kind: &'static str| Mount {
            at: PathBuf::from(at),
            files,
            root: PathBuf::from(root),
            read_only,
            kind,
        };
        tree.mount(own("/proc", Files::new(Proc::new(kernel, security.privileged)), "/", false, proc::KIND));
        let memory = Files::new(MemoryFiles::empty(self.world.clock.clone()));
        tree.mount(own("/dev/shm", memory, "/", false, "tmpfs"));
        for (name, at) in [("/resolv.conf", "/etc/resolv.conf"), ("/hostname", "/etc/hostname")] {
            tree.mount(own(at, sandbox.files.clone(), name, security.readonly_rootfs, "bind"));
        }
        // What is deeper comes later, as runtimes sort them: a mount hides what was mounted below it.
        points.sort_by_key(|mount| mount.at.components().count());
        for mount in points {
            tree.mount(mount);
        }
        if !security.privileged {
            for path in &security.readonly_paths {
                tree.protect(path);
            }
            for path in &security.masked_paths {
                tree.mask(path, &self.blank);
            }
        }
        Ok(tree)
    }

    /// What is mounted on the node below a path, and whether that is read-only. Nothing where the node does not tell.
    fn mounted_below(&self, path: &Path) -> Vec<(PathBuf, bool)> {
        let Ok(text) = self.world.files.read(Path::new("/proc/self/mountinfo"), MOUNTINFO) else { return Vec::new() };
        let text = String::from_utf8_lossy(&text).into_owned();
        let mounts = text.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let point = PathBuf::from(fields.get(4)?.replace("\\040", " "));
            let read_only = fields.get(5)?.split(',').any(|o| o == "ro");
            (point.starts_with(path) && point != path).then_some((point, read_only))
        });
        mounts.collect()
    }

    /// Where a volume is on the node, links followed; a directory is made where nothing is, as real runtimes do.
    fn host_path(&self, path: &str) -> Result<PathBuf, String> {
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(format!("mount source {path:?} is not absolute"));
        }
        let mut path = path;
        for _ in 0..40 {
            match self.world.files.symlink_metadata(&path).map(|m| m.kind) {
                Ok(FileKind::Symlink) => {
                    let target = self.world.files.read_link(&path).map_err(|e| in_go(&e))?;
                    path = path.parent().unwrap_or(Path::new("/")).join(target);
                }
                Ok(_) => return Ok(path),
                Err(_) => {
                    self.world
                        .files
                        .create_dir_all(&path, 0o755)
                        .map_err(|e| format!("failed to mkdir {path:?}: {}", in_go(&e)))?;
                    return Ok(path);
                }
            }
        }
        Err(format!("too many links at {path:?}"))
    }

    /// Whether an image has that path.
    pub(super) fn check_image_path(&self, image: &Image, path: &str) -> Result<(), Status> {
        let path = Path::new("/").join(path.trim_start_matches('/'));
        if path.components().any(|c| c == std::path::Component::ParentDir)
            || self.tree(image.kind).metadata(&path).is_err()
        {
            return Err(Status::unknown(format!(
                "ImageVolumeMountFailed: {} does not exist in the image",
                path.display()
            )));
        }
        Ok(())
    }

    /// A memory file system with the files that every container of a pod gets.
    pub(super) fn pod_files(&self, hostname: &str, dns: Option<&v1::DnsConfig>) -> Files {
        let files = MemoryFiles::empty(self.world.clock.clone());
        let _ = files.write(Path::new("/hostname"), format!("{hostname}\n").as_bytes(), 0o644);
        let _ = files.write(Path::new("/resolv.conf"), resolver(dns).as_bytes(), 0o644);
        Files::new(files)
    }
}

/// What covers masked paths: an empty directory and an empty file.
pub(super) fn blank(clock: &world::WallClock) -> Files {
    let files = MemoryFiles::empty(clock.clone());
    let _ = files.create_dir(Path::new("/directory"), 0o755);
    let _ = files.write(Path::new("/null"), b"", 0o666);
    Files::new(files)
}

/// The files of an image alone, for the process that holds a pod's namespaces.
pub(super) fn bare(tree: Arc<MemoryFiles>, clock: &world::WallClock) -> FileTree {
    let files = Files::new(Overlay::new(tree, clock.clone()));
    FileTree::new(Mount { at: PathBuf::from("/"), files, root: PathBuf::from("/"), read_only: true, kind: "overlay" })
}

/// The text of `/etc/resolv.conf`.
fn resolver(dns: Option<&v1::DnsConfig>) -> String {
    let Some(dns) = dns else { return String::new() };
    let mut text = String::new();
    if !dns.searches.is_empty() {
        text.push_str(&format!("search {}\n", dns.searches.join(" ")));
    }
    for server in &dns.servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !dns.options.is_empty() {
        text.push_str(&format!("options {}\n", dns.options.join(" ")));
    }
    text
}

/// An absolute path without `.`, `..` and doubled slashes.
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if part == ".." {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean
}

/// Makes what a mount covers, as runtimes do: a directory, or an empty file.
fn make_mount_point(root: &Files, at: &Path, kind: FileKind) {
    if root.symlink_metadata(at).is_ok() {
        return;
    }
    if kind == FileKind::Directory {
        let _ = root.create_dir_all(at, 0o755);
    } else {
        if let Some(parent) = at.parent() {
            let _ = root.create_dir_all(parent, 0o755);
        }
        let _ = root.write(at, b"", 0o644);
    }
}
