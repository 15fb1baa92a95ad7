//! A node below a private folder: the kubelet's configuration and flags with paths and ports of its own. What a host needs beyond the
//! tutorial's configuration (cgroup v1 allowed, swap allowed) is added when the scenario does not say.

use std::{collections::BTreeMap, net::TcpListener, path::Path};

use serde_json::{Map, Value};
use world::{World, net::Address};

use crate::{format::Scenario, http::Url, setup, target::TargetError};

/// Ports a kubelet listens on: configuration key and default.
const PORTS: [(&str, u16); 3] = [("readOnlyPort", 0), ("healthzPort", 10248), ("port", 10250)];

/// Where things are on this node.
pub(super) struct Node {
    /// The kubelet's arguments.
    pub(super) args: Vec<String>,
    ports: BTreeMap<u16, u16>,
}

impl Node {
    /// Writes the configuration of `scenario` below `root`.
    pub(super) fn new(scenario: &Scenario, root: &Path, endpoint: &str, world: &World) -> Result<Self, TargetError> {
        let root = root.display().to_string();
        let mut ports = BTreeMap::new();
        let text = match (setup::config(scenario), &scenario.kubelet.config_text) {
            (Some(config), _) => Some(setup::config_text(&adapt(config, &root, endpoint, &mut ports)?)),
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
        args.extend(scenario.kubelet.flags.iter().cloned());
        Ok(Self { args, ports })
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

fn adapt(mut config: Value, root: &str, endpoint: &str, ports: &mut BTreeMap<u16, u16>) -> Result<Value, TargetError> {
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
    default(map, "failSwapOn", false.into());
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
            None => free_port()?,
        };
        ports.insert(wanted, port);
        map.insert(key.to_owned(), port.into());
    }
    Ok(config)
}

fn default(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.entry(key.to_owned()).or_insert(value);
}

/// A port that nobody uses now.
fn free_port() -> Result<u16, TargetError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|e| TargetError::io("find a free port", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_ports_become_private() {
        let mut ports = BTreeMap::new();
        let config = adapt(setup::tutorial_config(), "/tmp/x", "unix:///tmp/x/cri.sock", &mut ports).unwrap();
        assert_eq!(config["staticPodPath"], "/tmp/x/etc/kubernetes/manifests");
        assert_eq!(config["containerRuntimeEndpoint"], "unix:///tmp/x/cri.sock");
        assert_eq!(config["podLogsDir"], "/tmp/x/var/log/pods");
        assert_eq!(config["failCgroupV1"], false);
        assert_eq!(ports.keys().copied().collect::<Vec<_>>(), [10248, 10255]);
        assert_eq!(config["readOnlyPort"], ports[&10255]);
        assert_eq!(config.get("port"), None, "the main server is off in the tutorial");
    }
}
