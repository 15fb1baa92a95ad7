//! A pod's ports as its own processes reach them: what PortForward connects to. Not the client's side.

use std::{io, sync::Arc};

use world::net::{Address, Conn};

use super::Runtime;

impl Runtime {
    /// Connects to a port of a sandbox. The error is why not, in containerd's words.
    pub(crate) async fn dial_pod(self: &Arc<Self>, id: &str, port: u16) -> Result<Conn, String> {
        let sandbox = self.sandbox(id).map_err(|e| format!("failed to find sandbox {id:?}: {}", e.message()))?;
        if !sandbox.ready {
            return Err("sandbox container is not running".to_owned());
        }
        let namespace = if sandbox.host_network() {
            "host".to_owned()
        } else {
            format!("/var/run/netns/cni-{}", sandbox.id.get(..12).unwrap_or_default())
        };
        // Pods have no loopback of their own: the pod's address is what its processes listen on.
        let host = sandbox.ips.first().map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string);
        let result = self.world.net.dial(&Address::tcp(host, port)).await;
        result.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::TimedOut => "connection timed out".to_owned(),
                _ => error.to_string(),
            };
            format!(
                "failed to execute portforward in network namespace {namespace:?}: failed to connect to localhost:{port} inside namespace {:?}, \
                 IPv4: dial tcp4 127.0.0.1:{port}: connect: {why} IPv6 dial tcp6 [::1]:{port}: connect: {why} ",
                sandbox.id
            )
        })
    }
}
