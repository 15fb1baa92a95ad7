//! What a process can learn of and reach outside its container: the node, its own name and addresses, the network.

use std::{io, net::IpAddr};

use super::{Credentials, Namespaces, capability::Capability, namespaces::Listening};
use world::{
    World,
    net::{Address, Conn, Listener},
};

/// The outside of one container.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Clock, network, machine.
    pub world: World,
    /// What the pod's containers share.
    pub namespaces: Namespaces,
    /// Addresses of the pod; empty in the node's network.
    pub addresses: Vec<IpAddr>,
}

impl Surroundings {
    /// The address by which the pod's own loopback is reached: pods have no loopback of their own, so it is the pod's address.
    fn own(&self) -> String {
        self.addresses.first().map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string)
    }

    fn is_own(&self, host: &str) -> bool {
        matches!(host, "" | "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::") || host == self.namespaces.hostname()
    }

    /// Listens on a port of the pod, as `who`.
    ///
    /// # Errors
    /// `PermissionDenied` for a low port without the capability; whatever the network says.
    pub async fn listen(&self, port: u16, who: &Credentials) -> io::Result<PodListener> {
        if port < self.namespaces.first_open_port() && !who.can(Capability::NET_BIND_SERVICE) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let host = if self.addresses.is_empty() { String::new() } else { self.own() };
        let listener = self.world.net.listen(&Address::tcp(host, port)).await?;
        let address = self.addresses.first().copied().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Ok(PodListener { listener, _listed: self.namespaces.listening(port, address) })
    }

    /// Connects to a port, of the pod itself or of another host.
    pub async fn dial(&self, host: &str, port: u16) -> io::Result<Conn> {
        let host = if self.is_own(host) { self.own() } else { host.to_owned() };
        self.world.net.dial(&Address::tcp(host, port)).await
    }
}

/// A port of a pod that is listened on.
#[derive(Debug)]
pub struct PodListener {
    listener: Listener,
    _listed: Listening,
}

impl PodListener {
    /// The next connection.
    ///
    /// # Errors
    /// Whatever the network says.
    pub async fn accept(&mut self) -> io::Result<Conn> {
        self.listener.accept().await
    }
}
