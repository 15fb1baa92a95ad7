//! Making one volume: emptyDir, hostPath with its checks, downwardAPI. Synchronous and idempotent. As kubelet 1.36.

use std::{io, path::Path};

use k8s_openapi::api::core::v1::{HostPathVolumeSource, Pod, Volume};
use world::{World, files::FileKind};

use crate::{
    api::pod as api_pod,
    local_objects::LocalObjects,
    resources::amounts,
    runtime::{RuntimeSettings, naming},
    volumes::{downward, memory, objects, ownership, paths},
};

/// Makes the volume. The error is what stands behind `MountVolume.SetUp failed for volume "…" : `.
pub fn set_up(world: &World, settings: &RuntimeSettings, pod: &Pod, volume: &Volume) -> Result<(), String> {
    let uid = naming::uid(pod);
    if volume.empty_dir.is_some() || paths::is_sourceless(volume) {
        return empty_dir(world, settings, pod, volume);
    }
    if let Some(host) = &volume.host_path {
        return host_path(world, host);
    }
    if let Some(source) = &volume.downward_api {
        let dir = paths::volume_dir(&settings.root_dir, uid, paths::DOWNWARD_API, &volume.name);
        make_volume_dir(world, &dir, 0o777)?;
        memory::mount(world, settings, &dir, memory::size(pod, None, settings))?;
        let payload = downward::payload(pod, source, settings)?;
        downward::write(world, &dir, &payload).map_err(|e| format!("failed to write downward API volume: {e}"))?;
        ownership::set(&world.files, &dir, fs_group(pod), true);
        return ready(world, settings, uid, &format!("wrapped_{}", volume.name));
    }
    if volume.image.is_some() {
        return Ok(());
    }
    let objects = LocalObjects::new(&world.files, settings.local_objects.clone());
    if let Some(payload) = objects::payload(pod, volume, &objects, settings)
        && let Some(plugin) = objects::plugin(volume)
    {
        let payload = payload?;
        let dir = paths::volume_dir(&settings.root_dir, uid, plugin, &volume.name);
        make_volume_dir(world, &dir, 0o777)?;
        // What may be secret is kept in memory.
        if plugin != paths::CONFIG_MAP {
            memory::mount(world, settings, &dir, memory::size(pod, None, settings))?;
        }
        downward::write(world, &dir, &payload).map_err(|e| format!("failed to write volume {}: {e}", volume.name))?;
        ownership::set(&world.files, &dir, fs_group(pod), true);
        return ready(world, settings, uid, &format!("wrapped_{}", volume.name));
    }
    if volume.projected.is_some() {
        return Err(format!("cannot setup projected volume {} because kube client is not configured", volume.name));
    }
    if volume.git_repo.is_some() {
        return Err("git-repo volume plugin has been disabled; if necessary, it may be re-enabled by enabling the feature-gate \
                    `GitRepoVolumeDriver`"
            .to_owned());
    }
    Err(no_plugin(volume))
}

/// What is said of a kind of volume that nothing mounts.
pub fn no_plugin(volume: &Volume) -> String {
    format!("failed to get Plugin from volumeSpec for volume {:?} err=no volume plugin matched", volume.name)
}

fn fs_group(pod: &Pod) -> Option<i64> {
    api_pod::spec(pod).security_context.as_ref()?.fs_group
}

/// Makes a volume's directory with exactly this mode; what is above it gets 0755.
fn make_volume_dir(world: &World, dir: &Path, mode: u32) -> Result<(), String> {
    let text = |e: io::Error| format!("mkdir {}: {e}", dir.display());
    if let Some(parent) = dir.parent() {
        world.files.create_dir_all(parent, 0o755).map_err(text)?;
    }
    match world.files.create_dir(dir, mode) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(text(error)),
    }
}

fn marker(settings: &RuntimeSettings, uid: &str, name: &str) -> std::path::PathBuf {
    settings.pod_dir(uid).join("plugins").join(paths::EMPTY_DIR).join(name).join("ready")
}

/// Leaves the file that says that a volume is complete.
fn ready(world: &World, settings: &RuntimeSettings, uid: &str, name: &str) -> Result<(), String> {
    let path = marker(settings, uid, name);
    if world.files.exists(&path) {
        return Ok(());
    }
    let dir = path.parent().expect("a marker lies in a directory");
    world
        .files
        .create_dir_all(dir, 0o750)
        .and_then(|()| world.files.write(&path, b"", 0o644))
        .map_err(|e| format!("open {}: {e}", path.display()))
}

fn empty_dir(world: &World, settings: &RuntimeSettings, pod: &Pod, volume: &Volume) -> Result<(), String> {
    let medium = volume.empty_dir.as_ref().and_then(|e| e.medium.as_deref()).unwrap_or_default();
    if !(medium.is_empty() || medium == "Memory" || medium == "HugePages" || medium.starts_with("HugePages-")) {
        return Err(format!("unknown storage medium {medium:?}"));
    }
    let uid = naming::uid(pod);
    let dir = paths::volume_dir(&settings.root_dir, uid, paths::EMPTY_DIR, &volume.name);
    let there = if medium.is_empty() { world.files.exists(&dir) } else { memory::is_mounted(world, &dir) };
    if there && world.files.exists(&marker(settings, uid, &volume.name)) {
        return Ok(());
    }
    make_volume_dir(world, &dir, 0o777)?;
    match medium {
        "" => {}
        "Memory" => {
            let limit = volume.empty_dir.as_ref().and_then(|e| e.size_limit.as_ref()).map(amounts::value);
            memory::mount(world, settings, &dir, memory::size(pod, limit, settings))?;
        }
        huge => memory::mount_huge(world, pod, &dir, huge)?,
    }
    ownership::set(&world.files, &dir, fs_group(pod), false);
    ready(world, settings, uid, &volume.name)
}

fn host_path(world: &World, source: &HostPathVolumeSource) -> Result<(), String> {
    let kind = source.type_.as_deref().unwrap_or_default();
    let path = Path::new(&source.path);
    if source.path.split('/').any(|part| part == "..") {
        return Err(format!("invalid HostPath `{}`: must not contain '..'", source.path));
    }
    if kind.is_empty() {
        return Ok(());
    }
    let mut found = world.files.metadata(path).ok();
    match (kind, &found) {
        ("DirectoryOrCreate", None) => {
            world.files.create_dir_all(path, 0o755).map_err(|e| format!("mkdir {}: {e}", source.path))?;
            found = world.files.metadata(path).ok();
        }
        ("FileOrCreate", None) => {
            world.files.write(path, b"", 0o644).map_err(|e| {
                let why = match e.kind() {
                    io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    _ => e.to_string(),
                };
                format!("open {}: {why}", source.path)
            })?;
            found = world.files.metadata(path).ok();
        }
        _ => {}
    }
    let is = |wanted: FileKind| found.as_ref().is_some_and(|m| m.kind == wanted);
    let (fits, what) = match kind {
        "Directory" | "DirectoryOrCreate" => (is(FileKind::Directory), "a directory"),
        "File" | "FileOrCreate" => (is(FileKind::File), "a file"),
        "Socket" => (is(FileKind::Socket), "a socket file"),
        "CharDevice" => (is(FileKind::CharDevice), "a character device"),
        "BlockDevice" => (is(FileKind::BlockDevice), "a block device"),
        _ => return Err(format!("{kind} is an invalid volume type")),
    };
    if fits { Ok(()) } else { Err(format!("hostPath type check failed: {} is not {what}", source.path)) }
}
