//! Mounts of a container, in upstream's order: volumes, `/etc/hosts`, termination log; and the two files that are made for them.
//!
//! As kubelet 1.36.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cri_proto::v1;
use k8s_openapi::api::core::v1::{Pod, VolumeMount};
use world::{Files, World, mounts::WithinError};

use crate::{
    api::{expansion::expand, pod as api_pod},
    runtime::{
        container_config::{ContainerInput, env, host_network},
        naming, sandbox_config,
    },
    volumes::{
        paths::{self, Place},
        subpaths,
    },
};

/// Images of image volumes, by volume: the reference to mount.
pub type VolumeImages = BTreeMap<String, String>;

/// Where a container's mounts come from.
#[derive(Clone, Copy)]
pub struct MountInput<'a> {
    /// The container.
    pub container: ContainerInput<'a>,
    /// Its environment, for `subPathExpr`.
    pub envs: &'a [(String, String)],
    /// Images of image volumes.
    pub images: &'a VolumeImages,
    /// Name of the new termination log: eight hex digits.
    pub termination_log: &'a str,
}

/// Makes `/etc/hosts` and the termination log, and gives all mounts.
///
/// # Errors
/// A volume, a sub-path or `/etc/hosts`; upstream's text.
pub fn mounts(world: &World, input: &MountInput<'_>) -> Result<Vec<v1::Mount>, String> {
    let mut mounts = given(world, input)?;
    mounts.extend(termination_log(&world.files, input));
    Ok(mounts)
}

/// Volumes and `/etc/hosts`, and the directory of the termination log: upstream makes them before it looks at users.
///
/// # Errors
/// A volume, a sub-path or `/etc/hosts`; upstream's text.
pub fn given(world: &World, input: &MountInput<'_>) -> Result<Vec<v1::Mount>, String> {
    let files = &world.files;
    let ContainerInput { pod, container, pod_ips, settings, .. } = input.container;
    let mut mounts = Vec::new();
    let mut has_hosts = false;
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        has_hosts |= mount.mount_path == "/etc/hosts";
        mounts.push(volume_mount(world, input, mount, index)?);
    }
    let pod_dir = settings.pod_dir(naming::uid(pod));
    if !has_hosts && (!pod_ips.is_empty() || host_network(pod)) {
        let path = pod_dir.join("etc-hosts");
        let text = hosts_file(files, pod, pod_ips, &settings.cluster_domain)?;
        files.write(&path, text.as_bytes(), 0o644).map_err(|e| go_path_error("open", &path, &e))?;
        mounts.push(plain("/etc/hosts", &path));
    }
    let log = container.termination_message_path.as_deref().unwrap_or_default();
    if !log.is_empty()
        && let Err(error) = files.create_dir_all(&log_dir(input), 0o750)
    {
        tracing::error!(container = container.name, %error, "Error on creating container's directory");
    }
    Ok(mounts)
}

fn log_dir(input: &MountInput<'_>) -> PathBuf {
    let ContainerInput { pod, container, settings, .. } = input.container;
    settings.pod_dir(naming::uid(pod)).join("containers").join(&container.name)
}

/// Makes the termination log and gives its mount, the last one. Without the file the container runs all the same; only its last words
/// are lost.
pub fn termination_log(files: &Files, input: &MountInput<'_>) -> Option<v1::Mount> {
    let log = input.container.container.termination_message_path.as_deref().filter(|log| !log.is_empty())?;
    let path = log_dir(input).join(input.termination_log);
    match files.write(&path, b"", 0o666) {
        Ok(()) => Some(plain(&absolute(log), &path)),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "Error on creating termination-log file");
            None
        }
    }
}

fn plain(container_path: &str, host_path: &Path) -> v1::Mount {
    v1::Mount {
        container_path: container_path.to_owned(),
        host_path: host_path.display().to_string(),
        ..Default::default()
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn go_path_error(verb: &str, path: &Path, error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::StorageFull => "no space left on device".to_owned(),
        std::io::ErrorKind::ReadOnlyFilesystem => "read-only file system".to_owned(),
        _ => error.to_string(),
    };
    format!("{verb} {}: {why}", path.display())
}

fn volume_mount(world: &World, input: &MountInput<'_>, mount: &VolumeMount, index: usize) -> Result<v1::Mount, String> {
    let ContainerInput { pod, container, settings, .. } = input.container;
    let unknown = || format!("cannot find volume {:?} to mount into container {:?}", mount.name, container.name);
    let volume = api_pod::spec(pod).volumes.iter().flatten().find(|v| v.name == mount.name).ok_or_else(unknown)?;
    let sub_path = sub_path(input, mount)?;
    let propagation = match mount.mount_propagation.as_deref() {
        Some("HostToContainer") => v1::MountPropagation::PropagationHostToContainer,
        Some("Bidirectional") => v1::MountPropagation::PropagationBidirectional,
        _ => v1::MountPropagation::PropagationPrivate,
    };
    if mount.recursive_read_only.as_deref() == Some("Enabled") {
        // So even where the runtime can: upstream asks its list of runtime classes, which is empty without an API server.
        return Err(format!(
            "failed to resolve recursive read-only mode: volume {:?} requested recursive read-only mode, but it is not supported by the \
             runtime",
            mount.name
        ));
    }
    let mut result = v1::Mount {
        container_path: absolute(&mount.mount_path),
        readonly: mount.read_only.unwrap_or(false),
        propagation: propagation.into(),
        ..Default::default()
    };
    match paths::place(&settings.root_dir, naming::uid(pod), volume) {
        Place::Image => {
            let reference = input.images.get(&mount.name).ok_or_else(unknown)?;
            let written = volume.image.as_ref().and_then(|i| i.reference.clone()).unwrap_or_default();
            result.readonly = true;
            result.image = Some(v1::ImageSpec {
                image: reference.clone(),
                user_specified_image: written,
                annotations: api_pod::annotations(pod).clone(),
                ..Default::default()
            });
            result.image_sub_path = sub_path.unwrap_or_default();
        }
        Place::Directory { path, read_only } => {
            result.readonly |= read_only;
            let path = match sub_path {
                None => path,
                Some(sub) => {
                    let pod_dir = settings.pod_dir(naming::uid(pod));
                    let of = (container.name.as_str(), index);
                    subpaths::prepare(world, &pod_dir, (&volume.name, &path), &sub, of).map_err(|error| {
                        tracing::error!(%error, volume = mount.name, "sub-path not mounted");
                        let what = match error {
                            WithinError::Create(_) => "create subPath directory",
                            WithinError::Prepare(_) => "prepare subPath",
                        };
                        format!("failed to {what} for volumeMount {:?} of container {:?}", mount.name, container.name)
                    })?
                }
            };
            result.host_path = path.display().to_string();
        }
        Place::Unsupported => return Err(unknown()),
    }
    Ok(result)
}

/// `subPath`, or `subPathExpr` with every variable set.
fn sub_path(input: &MountInput<'_>, mount: &VolumeMount) -> Result<Option<String>, String> {
    let text = match (mount.sub_path.as_deref(), mount.sub_path_expr.as_deref()) {
        (_, Some(expression)) if !expression.is_empty() => {
            let mut missing: Vec<String> = Vec::new();
            let text = expand(expression, |name| {
                let value = env::lookup(input.envs, name).unwrap_or_default();
                if value.is_empty() && !missing.iter().any(|m| m == name) {
                    missing.push(name.to_owned());
                }
                Some(value)
            });
            if !missing.is_empty() {
                missing.sort();
                return Err(format!("missing value for {}", missing.join(", ")));
            }
            text
        }
        (Some(path), _) if !path.is_empty() => path.to_owned(),
        _ => return Ok(None),
    };
    if text.starts_with('/') {
        return Err(format!("error SubPath `{text}` must not be an absolute path"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(format!("unable to provision SubPath `{text}`: must not contain '..'"));
    }
    Ok(Some(text))
}

/// The text of `/etc/hosts`.
pub fn hosts_file(files: &Files, pod: &Pod, pod_ips: &[String], cluster_domain: &str) -> Result<String, String> {
    let mut text = if host_network(pod) {
        let path = Path::new("/etc/hosts");
        let own = files.read_to_string(path, 1 << 20).map_err(|e| go_path_error("open", path, &e))?;
        format!("# Kubernetes-managed hosts file (host network).\n{own}")
    } else {
        let mut text = String::from(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
        );
        let (name, domain) = sandbox_config::hostname(pod, cluster_domain);
        for ip in pod_ips {
            if domain.is_empty() {
                text.push_str(&format!("{ip}\t{name}\n"));
            } else {
                text.push_str(&format!("{ip}\t{name}.{domain}\t{name}\n"));
            }
        }
        text
    };
    let aliases = api_pod::spec(pod).host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
            text.push_str(&format!("{}\t{names}\n", alias.ip));
        }
    }
    Ok(text)
}
