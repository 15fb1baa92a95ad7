//! The network of sandboxes: attached and detached through CNI plugins, in the words of the runtime that is played.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use cri_proto::v1;
use serde_json::{Map, Value, json};
use tonic::Status;
use world::{Files, sim::MemoryFiles};

use super::Runtime;
use crate::{
    cni::{
        configuration::NetworkConfig,
        ipam::HostLocal,
        runtime::{Attachment, Libcni, Plugins},
    },
    config::{Config, Personality},
    faults::Faults,
};

/// Where results and addresses are kept: as libcni and host-local do.
const STATE: &str = "/var/lib/cni";

/// The networks of a runtime.
#[derive(Debug)]
pub(super) struct Network {
    cni: Libcni,
    /// `lo` and the pods' network.
    loopback: NetworkConfig,
    pods: NetworkConfig,
}

/// A network of one list of plugins, which the callers below make right.
fn built_in(value: &Value) -> Result<NetworkConfig, String> {
    NetworkConfig::parse(value.to_string().as_bytes()).map_err(|e| e.to_string())
}

impl Network {
    /// The networks of a configuration: those in its directory, or one of its own.
    pub(super) fn new(world: &world::World, config: &Config, faults: Arc<Faults>) -> Result<Self, String> {
        let loopback =
            built_in(&json!({ "cniVersion": "1.0.0", "name": "cni-loopback", "plugins": [{ "type": "loopback" }] }))?;
        let (plugins, files) = match &config.cni_bin_dir {
            Some(directory) => {
                (Plugins::Executables(world.programs.clone(), vec![directory.clone()]), world.files.clone())
            }
            // Its books are nobody else's business: they stay in memory.
            None => (Plugins::Library, Files::new(MemoryFiles::empty(world.clock.clone()))),
        };
        let pods = match &config.cni_conf_dir {
            Some(directory) => {
                let found = NetworkConfig::load(&world.files, directory).map_err(|e| e.to_string())?;
                let none = || format!("{}: no network configuration", directory.display());
                found.into_iter().next().ok_or_else(none)?
            }
            None => built_in(&json!({
                "cniVersion": "1.0.0",
                "name": "podlab",
                "plugins": [
                    {
                        "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
                        "ipam": { "type": "host-local", "ranges": [[{ "subnet": config.pod_cidr }]], "routes": [{ "dst": "0.0.0.0/0" }] },
                    },
                    { "type": "portmap", "capabilities": { "portMappings": true } },
                    { "type": "bandwidth", "capabilities": { "bandwidth": true } },
                ],
            }))?,
        };
        let cni = Libcni { files, cache: PathBuf::from(STATE), plugins, faults };
        Ok(Self { cni, loopback, pods })
    }

    fn books(&self) -> PathBuf {
        Path::new(STATE).join("networks").join(&self.pods.name)
    }

    /// Whether an address is taken.
    fn is_taken(&self, ip: &str) -> bool {
        self.cni.files.exists(&self.books().join(ip))
    }

    /// Addresses that are taken, with the sandboxes that hold them.
    pub(super) fn taken(&self) -> Vec<(IpAddr, String)> {
        let taken = HostLocal::taken(&self.cni.files, &self.books()).into_iter();
        taken.map(|(ip, holder)| (ip, holder.split('\r').next().unwrap_or_default().to_owned())).collect()
    }
}

/// Bits per second and burst of a Kubernetes bandwidth annotation: `10M`.
fn rate(annotations: &std::collections::BTreeMap<String, String>, way: &str) -> Option<u64> {
    let text = annotations.get(&format!("kubernetes.io/{way}-bandwidth"))?;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn capabilities(config: &v1::PodSandboxConfig) -> Map<String, Value> {
    let mut all = Map::new();
    let ports: Vec<Value> = config
        .port_mappings
        .iter()
        .filter(|m| m.host_port > 0)
        .map(|m| {
            let protocol = v1::Protocol::try_from(m.protocol).unwrap_or_default().as_str_name().to_ascii_lowercase();
            json!({ "hostPort": m.host_port, "containerPort": m.container_port, "protocol": protocol, "hostIP": m.host_ip })
        })
        .collect();
    if !ports.is_empty() {
        all.insert("portMappings".to_owned(), Value::from(ports));
    }
    let mut bandwidth = Map::new();
    for way in ["ingress", "egress"] {
        if let Some(rate) = rate(&config.annotations, way) {
            bandwidth.insert(format!("{way}Rate"), json!(rate));
            bandwidth.insert(format!("{way}Burst"), json!(u32::MAX));
        }
    }
    if !bandwidth.is_empty() {
        all.insert("bandwidth".to_owned(), Value::Object(bandwidth));
    }
    all
}

/// The interface of a sandbox in a network.
fn attachment(id: &str, config: &v1::PodSandboxConfig, ifname: &str, netns: bool) -> Attachment {
    let metadata = config.metadata.clone().unwrap_or_default();
    let args = [
        ("IgnoreUnknown", "1".to_owned()),
        ("K8S_POD_NAMESPACE", metadata.namespace),
        ("K8S_POD_NAME", metadata.name.clone()),
        ("K8S_POD_INFRA_CONTAINER_ID", id.to_owned()),
        ("K8S_POD_UID", metadata.uid),
    ];
    Attachment {
        container_id: id.to_owned(),
        netns: if netns { format!("/var/run/netns/cni-{}", id.get(..12).unwrap_or(id)) } else { String::new() },
        ifname: ifname.to_owned(),
        args: args.map(|(name, value)| (name.to_owned(), value)).into(),
        capabilities: capabilities(config),
        pod: metadata.name,
    }
}

impl Runtime {
    /// Attaches a sandbox. What was done before an error is undone.
    pub(super) async fn attach(&self, id: &str, config: &v1::PodSandboxConfig) -> Result<Vec<IpAddr>, Status> {
        let Network { cni, loopback, pods } = &self.network;
        self.ledger.opened("network attachment", id);
        let pod = attachment(id, config, "eth0", true);
        let attached = async {
            cni.add(loopback, &attachment(id, config, "lo", true)).await?;
            let result = cni.add(pods, &pod).await?;
            if self.config.personality == Personality::Crio {
                cni.check(pods, &pod).await?;
            }
            Ok::<_, crate::cni::Error>(result.addresses_of("eth0"))
        };
        let failed = match attached.await {
            Ok(ips) if !ips.is_empty() => {
                for ip in &ips {
                    self.ledger.opened("address", &format!("{id} {ip}"));
                }
                return Ok(ips);
            }
            Ok(_) => format!("failed to find network info for sandbox {id:?}"),
            Err(error) => self.attach_error(id, config, &error.to_string()),
        };
        // As runtimes do, and as they do without telling of a second error.
        let _ = self.detach(id, config, true).await;
        Err(Status::unknown(failed))
    }

    fn attach_error(&self, id: &str, config: &v1::PodSandboxConfig, error: &str) -> String {
        if self.config.personality != Personality::Crio {
            return format!("failed to setup network for sandbox \"{id}\": {error}");
        }
        let metadata = config.metadata.clone().unwrap_or_default();
        let v1::PodSandboxMetadata { name, uid, namespace, attempt } = metadata;
        let network = &self.network.pods.name;
        format!(
            "failed to create pod network sandbox k8s_{name}_{namespace}_{uid}_{attempt}({id}): error adding pod {namespace}_{name} to CNI network \
             \"{network}\": {error}"
        )
    }

    /// Detaches a sandbox, which may have been detached before. `netns` tells whether its network namespace is still there.
    pub(super) async fn detach(&self, id: &str, config: &v1::PodSandboxConfig, netns: bool) -> Result<(), Status> {
        let Network { cni, loopback, pods } = &self.network;
        let gone = async {
            cni.del(pods, &attachment(id, config, "eth0", netns)).await?;
            cni.del(loopback, &attachment(id, config, "lo", netns)).await
        };
        match gone.await {
            Ok(()) => {
                self.ledger.closed("network attachment", id);
                // A plugin may say that it is done and have kept the address.
                for held in self.ledger.open_from("address", id) {
                    let ip = held.rsplit(' ').next().unwrap_or_default();
                    if !self.network.is_taken(ip) {
                        self.ledger.closed("address", &held);
                    }
                }
                Ok(())
            }
            Err(error) => Err(Status::unknown(format!("failed to destroy network for sandbox \"{id}\": {error}"))),
        }
    }

    /// Pod addresses that are taken, with the sandboxes that hold them.
    pub(crate) fn addresses(&self) -> Vec<(IpAddr, String)> {
        self.network.taken()
    }

    /// Drops all books, as a node does that is set up anew.
    pub(super) fn forget_networks(&self) {
        let files = &self.network.cni.files;
        if matches!(self.network.cni.plugins, Plugins::Library) {
            let _ = files.remove_dir_all(Path::new(STATE));
        }
    }
}
