//! What a process can learn of and reach outside its container: the node, its own name and addresses, the network.

use std::{io, net::IpAddr};

use world::{
    World,
    net::{Address, Conn, Listener},
};

/// The outside of one container.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Clock, network, machine.
    pub world: World,
    /// Host name.
    pub hostname: String,
    /// Addresses of the pod; empty in the node's network.
    pub addresses: Vec<IpAddr>,
}

impl Surroundings {
    /// The address by which the pod's own loopback is reached: pods have no loopback of their own, so it is the pod's address.
    fn own(&self) -> String {
        self.addresses.first().map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string)
    }

    fn is_own(&self, host: &str) -> bool {
        matches!(host, "" | "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::") || host == self.hostname
    }

    /// Listens on a port of the pod.
    pub async fn listen(&self, port: u16) -> io::Result<Listener> {
        let host = if self.addresses.is_empty() { String::new() } else { self.own() };
        self.world.net.listen(&Address::tcp(host, port)).await
    }

    /// Connects to a port, of the pod itself or of another host.
    pub async fn dial(&self, host: &str, port: u16) -> io::Result<Conn> {
        let host = if self.is_own(host) { self.own() } else { host.to_owned() };
        self.world.net.dial(&Address::tcp(host, port)).await
    }
}
