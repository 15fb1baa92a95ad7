//! Where a volume lies on the node, by its kind. Pure. As kubelet 1.36.

use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::Volume;

use crate::runtime::naming::component;

/// Where a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory or file of the node.
    Directory {
        /// Which.
        path: PathBuf,
        /// Mounted read-only whatever the mount says.
        read_only: bool,
    },
    /// Mounted by the runtime from an image.
    Image,
    /// A kind that a standalone kubelet cannot mount.
    Unsupported,
}

/// `<root>/pods/<uid>/volumes/<plugin>/<volume>`.
pub fn volume_dir(root: &Path, uid: &str, plugin: &str, name: &str) -> PathBuf {
    root.join("pods").join(&*component(uid)).join("volumes").join(plugin).join(name)
}

/// Directory name of emptyDir volumes.
pub const EMPTY_DIR: &str = "kubernetes.io~empty-dir";
/// Directory name of downwardAPI volumes.
pub const DOWNWARD_API: &str = "kubernetes.io~downward-api";

/// Directory name of configMap volumes.
pub const CONFIG_MAP: &str = "kubernetes.io~configmap";
/// Directory name of secret volumes.
pub const SECRET: &str = "kubernetes.io~secret";
/// Directory name of projected volumes.
pub const PROJECTED: &str = "kubernetes.io~projected";
/// Directory name of NFS volumes.
pub const NFS: &str = "kubernetes.io~nfs";

/// Where the volume is.
pub fn place(root: &Path, uid: &str, volume: &Volume) -> Place {
    if volume.empty_dir.is_some() || is_sourceless(volume) {
        return Place::Directory { path: volume_dir(root, uid, EMPTY_DIR, &volume.name), read_only: false };
    }
    if let Some(host) = &volume.host_path {
        return Place::Directory { path: PathBuf::from(&host.path), read_only: false };
    }
    if volume.downward_api.is_some() {
        return Place::Directory { path: volume_dir(root, uid, DOWNWARD_API, &volume.name), read_only: true };
    }
    if let Some(plugin) = super::objects::plugin(volume) {
        return Place::Directory { path: volume_dir(root, uid, plugin, &volume.name), read_only: true };
    }
    if let Some(nfs) = &volume.nfs {
        let path = volume_dir(root, uid, NFS, &volume.name);
        return Place::Directory { path, read_only: nfs.read_only == Some(true) };
    }
    if volume.image.is_some() { Place::Image } else { Place::Unsupported }
}

/// A volume without any source is an emptyDir by defaulting.
pub fn is_sourceless(volume: &Volume) -> bool {
    *volume == Volume { name: volume.name.clone(), ..Volume::default() }
}

/// What has to be attached to the node before it can be mounted. Nobody tells a standalone kubelet that it is, so it never is.
pub fn waits_for_attachment(volume: &Volume) -> bool {
    volume.iscsi.is_some() || volume.fc.is_some()
}

/// Whether no plugin mounts this kind, and none is asked to.
pub fn has_no_plugin(volume: &Volume) -> bool {
    let odd = volume.projected.is_some() || volume.git_repo.is_some() || waits_for_attachment(volume);
    place(Path::new("/"), "", volume) == Place::Unsupported && !odd
}

/// The path without `.` and `..`, by text alone.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}
