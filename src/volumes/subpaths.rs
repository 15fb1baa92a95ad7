//! Sub-paths: a part of a volume, bind-mounted below the pod's directory so that no link leads the runtime elsewhere. As kubelet 1.36.

use std::{
    io,
    path::{Path, PathBuf},
};

use world::{
    World,
    files::FileKind,
    mounts::{Within, WithinError},
};

/// `<pod>/volume-subpaths`.
pub const DIR: &str = "volume-subpaths";

/// Bind-mounts `sub` of the volume at `volume` for the mount number `index` of a container; gives where. The detail of an error is logged.
pub fn prepare(
    world: &World,
    pod_dir: &Path,
    volume: (&str, &Path),
    sub: &str,
    container: (&str, usize),
) -> Result<PathBuf, WithinError> {
    let (name, root) = volume;
    let (container, index) = container;
    let mode = world.files.metadata(root).map_err(WithinError::Prepare)?.mode;
    let parent = pod_dir.join(DIR).join(name).join(container);
    world.files.create_dir_all(&parent, 0o750).map_err(WithinError::Prepare)?;
    let at = parent.join(index.to_string());
    world.mounts.bind_within(Within { root, sub: Path::new(sub), mode }, &at)?;
    Ok(at)
}

/// Unmounts and removes all sub-paths of a pod.
pub fn clean_up(world: &World, pod_dir: &Path) -> io::Result<()> {
    let files = &world.files;
    let top = pod_dir.join(DIR);
    let list = |dir: &Path| match files.read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    };
    for volume in list(&top)? {
        let volume = top.join(volume.name);
        for container in list(&volume)? {
            let container = volume.join(container.name);
            for target in list(&container)? {
                let path = container.join(target.name);
                unmount_all(world, &path)?;
                // Only what was made to be mounted upon: an empty directory or an empty file.
                match files.symlink_metadata(&path)?.kind {
                    FileKind::Directory => files.remove_dir(&path)?,
                    _ => files.remove_file(&path)?,
                }
            }
            files.remove_dir(&container)?;
        }
        files.remove_dir(&volume)?;
    }
    match files.remove_dir(&top) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes away everything that is mounted on the path itself.
pub fn unmount_all(world: &World, path: &Path) -> io::Result<()> {
    loop {
        match world.mounts.unmount(path) {
            Ok(()) => {}
            // Nothing (any more) is mounted; or this process may not mount, and so has not.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput)
                    || (error.kind() == io::ErrorKind::PermissionDenied && !is_mount_point(world, path)) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_mount_point(world: &World, path: &Path) -> bool {
    world.mounts.list().is_ok_and(|mounts| mounts.iter().any(|mount| mount.at == path))
}
