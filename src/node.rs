//! What the host must be like before the kubelet starts, and the directories it keeps there. Checks with upstream's outcome; texts are
//! upstream's, followed by what to do. Not the configuration's own rules: those are `config`'s.

use std::path::{Path, PathBuf};

use world::{World, machine::CgroupVersion, net::Address};

use crate::{
    config::{KubeletConfig, SwapBehavior, load::go_reason},
    cri::status::DialError,
    resources::state_files,
};

mod addresses;
mod allocatable;
mod settings;

pub use addresses::{AddressError, addresses};
pub use allocatable::{Allocatable, Enforced, ReservationError};
pub use settings::runtime_settings;

/// The host does not allow a start.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The facts of the machine cannot be read.
    #[error("cannot read the facts of this machine: {0}")]
    Facts(#[source] std::io::Error),
    /// Nobody answers at the runtime's socket. Upstream does not wait for it: systemd is to start the kubelet again.
    #[error(
        "validate service connection: validate CRI v1 runtime API for endpoint \"{endpoint}\": rpc error: code = Unavailable desc = \
         {dial} ({advice})"
    )]
    Runtime {
        /// The socket.
        endpoint: Address,
        /// What the dial said.
        dial: DialError,
        /// What to do.
        advice: &'static str,
    },
    /// Swap is on.
    #[error(
        "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false (in use: {}; turn it off with \
         `swapoff -a`, or set failSwapOn: false in the kubelet configuration)",
        .0.join(", ")
    )]
    Swap(Vec<String>),
    /// Swap for containers is asked for on cgroup v1.
    #[error(
        "swap feature is enabled and LimitedSwap but it is only supported with cgroupv2 (set memorySwap.swapBehavior: NoSwap, or boot \
         the host with cgroup v2)"
    )]
    SwapOnCgroupV1,
    /// More is kept from pods than there is.
    #[error(transparent)]
    Reservation(#[from] ReservationError),
    /// A file of the kubelet cannot be written.
    #[error("could not save checkpoint in {dir}: {} (check --root-dir, its owner and the room on its disk)", go_reason(.source), dir = .dir.display())]
    State {
        /// Where.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A directory of the kubelet cannot be made.
    #[error(
        "failed to create directory {path}: mkdir {path}: {} (check --root-dir, its owner and the room on its disk)",
        go_reason(.source),
        path = .path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Checks the host in upstream's order, then makes the kubelet's directories.
///
/// # Errors
/// The first check that fails.
pub async fn check(world: &World, config: &KubeletConfig) -> Result<(), CheckError> {
    let facts = world.machine.facts().map_err(CheckError::Facts)?;
    if facts.euid != 0 {
        tracing::error!(
            err = format!("kubelet needs to run as uid `0`. It is being run as {}", facts.euid),
            "Kubelet running with insufficient permissions"
        );
    }
    runtime_answers(world, &config.container_runtime_endpoint).await?;
    if facts.cgroups == CgroupVersion::V1 && config.swap_behavior == SwapBehavior::LimitedSwap {
        return Err(CheckError::SwapOnCgroupV1);
    }
    Allocatable::of(config, &facts, None)?;
    if !facts.swaps.is_empty() {
        let names: Vec<String> = facts.swaps.into_iter().map(|s| s.name).collect();
        if config.fail_swap_on {
            return Err(CheckError::Swap(names));
        }
        tracing::info!(
            swaps = names.join(", "),
            "Swap is on and allowed; containers do not get any unless memorySwap says so"
        );
    }
    static_pods(world, config);
    directories(world, config)
}

/// A connection is opened and closed: what is said over it is the client's matter.
async fn runtime_answers(world: &World, endpoint: &Address) -> Result<(), CheckError> {
    use std::io::ErrorKind;
    let Err(error) = world.net.dial(endpoint).await else { return Ok(()) };
    let advice = match error.kind() {
        ErrorKind::NotFound => {
            "there is no such socket: start the container runtime before the kubelet, or correct containerRuntimeEndpoint"
        }
        ErrorKind::ConnectionRefused => "the socket is there but nobody serves it: start the container runtime",
        ErrorKind::PermissionDenied => "the kubelet may not open the socket: run it as root",
        _ => "see that the container runtime is up and containerRuntimeEndpoint is its socket",
    };
    let target = match endpoint {
        Address::Unix(path) => format!("unix {}", path.display()),
        tcp => format!("tcp {tcp}"),
    };
    Err(CheckError::Runtime { endpoint: endpoint.clone(), dial: DialError::new(target, &error), advice })
}

/// Pods from nowhere are no failure: the path may come later. Upstream only ever says so in its log.
fn static_pods(world: &World, config: &KubeletConfig) {
    match &config.static_pod_path {
        Some(path) if !world.files.exists(path) => {
            tracing::warn!(
                path = %path.display(),
                "staticPodPath does not exist yet: no pods run until it does (create it, or correct staticPodPath)"
            );
        }
        None if config.static_pod_url.is_none() => {
            tracing::warn!("Neither staticPodPath nor staticPodURL is set: this kubelet has no pods to run");
        }
        _ => {}
    }
}

/// Makes what upstream makes below its root directory, and the directories of logs.
fn directories(world: &World, config: &KubeletConfig) -> Result<(), CheckError> {
    let root = &config.root_dir;
    // Upstream asks for 0750, but its certificate store has made the directory with 0755 just before.
    make(world, root, 0o755)?;
    for (name, mode) in [
        ("pods", 0o750),
        ("plugins", 0o750),
        ("plugins_registry", 0o750),
        ("pod-resources", 0o750),
        ("checkpoints", 0o700),
    ] {
        make(world, &root.join(name), mode)?;
    }
    state_files::write(&world.files, root).map_err(|source| CheckError::State { dir: root.clone(), source })?;
    make(world, &config.pod_logs_dir, 0o750)?;
    make(world, &config.container_log_links_dir, 0o755)
}

/// Makes one directory; what is missing above it is for everybody to pass, as Go's umask leaves it.
fn make(world: &World, path: &Path, mode: u32) -> Result<(), CheckError> {
    let fail = |source| CheckError::Directory { path: path.to_owned(), source };
    if let Some(parent) = path.parent()
        && !world.files.exists(parent)
    {
        world.files.create_dir_all(parent, 0o755).map_err(fail)?;
    }
    match world.files.create_dir_all(path, mode) {
        Ok(()) => Ok(()),
        Err(e)
            if e.kind() == std::io::ErrorKind::AlreadyExists
                && world.files.metadata(path).is_ok_and(|m| m.kind == world::files::FileKind::Directory) =>
        {
            Ok(())
        }
        Err(e) => Err(fail(e)),
    }
}

#[cfg(test)]
mod tests;
