//! A node below a private folder: the kubelet's configuration and flags with paths and ports of its own. What a host needs beyond the
//! tutorial's configuration (cgroup v1 allowed, swap allowed, no eviction) is added when the scenario does not say.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};
use world::{World, net::Address};

use super::share::Share;
use crate::{format::Scenario, http::Url, setup, target::TargetError};

/// Ports a kubelet listens on: configuration key and default.
const PORTS: [(&str, u16); 3] = [("readOnlyPort", 0), ("healthzPort", 10248), ("port", 10250)];

/// Signals for which a kubelet evicts pods if it is not told otherwise.
const NO_EVICTION: [&str; 5] =
    ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"];

/// Where things are on this node.
pub(super) struct Node {
    /// The kubelet's arguments.
    pub(super) args: Vec<String>,
    ports: BTreeMap<u16, u16>,
    root: String,
}

/// The flag that says where links to logs go, which upstream's kubelet does not have.
pub(super) const LINKS: &str = "--container-log-links-dir";

/// What of a host is this node's.
pub(super) struct Place<'a> {
    /// The folder that its paths are below.
    pub(super) root: &'a Path,
    /// Where its runtime listens.
    pub(super) endpoint: &'a str,
    /// The root of its control groups, if it has one.
    pub(super) groups: Option<&'a str>,
    /// Whether its kubelet can be told where links to logs go.
    pub(super) links: bool,
}

impl Node {
    /// Writes the configuration of `scenario` for this place.
    pub(super) fn new(
        scenario: &Scenario,
        place: &Place<'_>,
        share: &mut Share,
        world: &World,
    ) -> Result<Self, TargetError> {
        let (root, endpoint) = (place.root.display().to_string(), place.endpoint);
        let mut ports = BTreeMap::new();
        let text = match (setup::config(scenario), &scenario.kubelet.config_text) {
            (Some(config), _) => Some(setup::config_text(&adapt(config, place, share, &mut ports)?)),
            (None, Some(text)) => {
                let text = text.replace(setup::MANIFESTS, &format!("{root}{}", setup::MANIFESTS));
                Some(text.replace(&format!("unix://{}", setup::SOCKET), endpoint))
            }
            (None, None) => None,
        };
        let folder = Path::new(setup::CONFIG_PATH).parent().unwrap_or(Path::new("/"));
        world.files.create_dir_all(folder, 0o755).map_err(|e| TargetError::io(setup::CONFIG_PATH, e))?;
        for folder in ["/var/lib", "/var/log"] {
            world.files.create_dir_all(Path::new(folder), 0o755).map_err(|e| TargetError::io(folder, e))?;
        }
        if let Some(text) = text {
            let path = Path::new(setup::CONFIG_PATH);
            world.files.write(path, text.as_bytes(), 0o644).map_err(|e| TargetError::io(setup::CONFIG_PATH, e))?;
        }
        let mut args = vec![
            format!("--config={root}{}", setup::CONFIG_PATH),
            format!("--root-dir={root}/var/lib/kubelet"),
            format!("--cert-dir={root}/var/lib/kubelet/pki"),
            // Events of a standalone kubelet are log lines of this level.
            "--v=3".to_owned(),
        ];
        let flags = &scenario.kubelet.flags;
        if !flags.iter().any(|flag| flag.starts_with("--hostname-override")) {
            args.push(format!("--hostname-override={}", setup::NODE_NAME));
        }
        if place.links {
            args.push(format!("{LINKS}={root}/var/log/containers"));
        }
        args.extend(flags.iter().map(|flag| flag.replacen("=/", &format!("={root}/"), 1)));
        Ok(Self { args, ports, root })
    }

    /// A manifest with the host's paths below this node's folder.
    pub(super) fn manifest(&self, mut manifest: Value) -> Value {
        let volumes = manifest.pointer_mut("/spec/volumes").and_then(Value::as_array_mut);
        for volume in volumes.into_iter().flatten() {
            if let Some(Value::String(path)) = volume.pointer_mut("/hostPath/path")
                && path.starts_with('/')
            {
                *path = format!("{}{path}", self.root);
            }
        }
        manifest
    }

    /// Where a URL's server is: the kubelet's ports are others here.
    pub(super) fn address(&self, url: &Url) -> Address {
        let local = ["localhost", "127.0.0.1", "::1"].contains(&url.host.as_str());
        match self.ports.get(&url.port).filter(|_| local) {
            Some(port) => Address::tcp("127.0.0.1", *port),
            None => Address::tcp(url.host.clone(), url.port),
        }
    }
}

fn adapt(
    mut config: Value,
    place: &Place<'_>,
    share: &mut Share,
    ports: &mut BTreeMap<u16, u16>,
) -> Result<Value, TargetError> {
    let (root, endpoint) = (place.root.display(), place.endpoint);
    let Value::Object(map) = &mut config else { return Ok(config) };
    for key in ["staticPodPath", "podLogsDir", "volumePluginDir"] {
        if let Some(Value::String(path)) = map.get_mut(key)
            && path.starts_with('/')
        {
            *path = format!("{root}{path}");
        }
    }
    default(map, "podLogsDir", format!("{root}/var/log/pods").into());
    default(map, "volumePluginDir", format!("{root}/usr/libexec/kubernetes/kubelet-plugins/volume/exec").into());
    default(map, "failCgroupV1", false.into());
    if let Some(name) = place.groups {
        default(map, "cgroupRoot", format!("/{name}").into());
    }
    default(map, "failSwapOn", false.into());
    // How full this machine is, is not what scenarios are about.
    default(
        map,
        "evictionHard",
        NO_EVICTION.iter().map(|signal| (signal.to_string(), "0%".into())).collect::<Map<_, _>>().into(),
    );
    if let Some(Value::String(socket)) = map.get_mut("containerRuntimeEndpoint") {
        let own = format!("unix://{}", setup::SOCKET);
        let moved = socket.strip_prefix("unix://").map(|path| format!("unix://{root}{path}"));
        *socket = if *socket == own { endpoint.to_owned() } else { moved.unwrap_or(socket.clone()) };
    }
    for (key, usual) in PORTS {
        let wanted = map.get(key).and_then(Value::as_u64).map_or(usual, |port| u16::try_from(port).unwrap_or(0));
        let off = wanted == 0 || (key == "port" && map.get("enableServer") == Some(&Value::Bool(false)));
        if off {
            continue;
        }
        let port = match ports.get(&wanted) {
            // Two servers on one port is what a scenario may be about.
            Some(port) => *port,
            None => share.port()?,
        };
        ports.insert(wanted, port);
        map.insert(key.to_owned(), port.into());
    }
    Ok(config)
}

fn default(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.entry(key.to_owned()).or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_ports_become_private() {
        let mut ports = BTreeMap::new();
        let place =
            Place { root: Path::new("/tmp/x"), endpoint: "unix:///tmp/x/cri.sock", groups: Some("x"), links: true };
        let config = adapt(setup::tutorial_config(), &place, &mut Share::claim().unwrap(), &mut ports).unwrap();
        assert_eq!(config["cgroupRoot"], "/x");
        assert_eq!(config["staticPodPath"], "/tmp/x/etc/kubernetes/manifests");
        assert_eq!(config["containerRuntimeEndpoint"], "unix:///tmp/x/cri.sock");
        assert_eq!(config["podLogsDir"], "/tmp/x/var/log/pods");
        assert_eq!(config["failCgroupV1"], false);
        assert_eq!(ports.keys().copied().collect::<Vec<_>>(), [10248, 10255]);
        assert_eq!(config["readOnlyPort"], ports[&10255]);
        assert_eq!(config.get("port"), None, "the main server is off in the tutorial");
    }
}
