//! Host ports: listeners on the node that pass connections on to a pod, as the portmap plugin's rules do.

use std::{collections::BTreeMap, io, sync::Arc};

use cri_proto::v1::{PortMapping, Protocol};
use world::{
    Tasks,
    net::{Address, Listener},
};

use super::Runtime;

/// Forwarders of all sandboxes, by sandbox.
pub(super) type Forwarders = BTreeMap<String, Tasks>;

impl Runtime {
    /// Opens the host ports of a sandbox. Only TCP can be passed on.
    ///
    /// # Errors
    /// Which port could not be had; none is open then.
    pub(super) async fn open_ports(
        self: &Arc<Self>,
        id: &str,
        ip: &str,
        mappings: &[PortMapping],
    ) -> Result<(), String> {
        let tasks = self.processes.child("host ports");
        for mapping in mappings.iter().filter(|m| m.host_port > 0 && m.protocol == Protocol::Tcp as i32) {
            let port =
                u16::try_from(mapping.host_port).map_err(|_| format!("host port {} is none", mapping.host_port))?;
            let to = u16::try_from(mapping.container_port).unwrap_or_default();
            for host in self.hosts(&mapping.host_ip) {
                let listener = match self.world.net.listen(&Address::tcp(host, port)).await {
                    Ok(listener) => listener,
                    Err(error) => {
                        tasks.token().cancel();
                        return Err(format!("cannot open hostport {port} for pod {ip}: {error}"));
                    }
                };
                let (runtime, target) = (self.clone(), Address::tcp(ip.to_owned(), to));
                let connections = tasks.clone();
                drop(tasks.spawn("host port", async move { runtime.forward(listener, target, &connections).await }));
            }
        }
        self.forwarders().insert(id.to_owned(), tasks);
        Ok(())
    }

    /// Addresses of the node that a host port without one of its own is open on. Not all of 127.0.0.0/8: pods have theirs there.
    fn hosts(&self, asked: &str) -> Vec<String> {
        if !matches!(asked, "" | "0.0.0.0" | "::") {
            return vec![asked.to_owned()];
        }
        let mut hosts = vec!["127.0.0.1".to_owned()];
        let facts = self.world.machine.facts().ok();
        hosts.extend(facts.into_iter().flat_map(|f| f.addresses).filter(|a| a.is_ipv4()).map(|a| a.to_string()));
        hosts.dedup();
        hosts
    }

    /// Closes the host ports of a sandbox.
    pub(super) fn close_ports(&self, id: &str) {
        if let Some(tasks) = self.forwarders().remove(id) {
            tasks.token().cancel();
        }
    }

    async fn forward(&self, mut listener: Listener, target: Address, tasks: &Tasks) {
        while let Ok(mut inbound) = listener.accept().await {
            let (net, target) = (self.world.net.clone(), target.clone());
            drop(tasks.spawn("forwarded connection", async move {
                let mut outbound = net.dial(&target).await?;
                tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await?;
                Ok::<_, io::Error>(())
            }));
        }
    }
}
