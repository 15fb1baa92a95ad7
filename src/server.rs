//! The kubelet's HTTP servers: healthz, and the read-only one. They show state, they hold none. Routes, bodies and headers as
//! kubelet 1.36. The main server (TLS, `port`) is not here yet: it is announced as missing when it is asked for.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use world::{Tasks, World, net::Address};

use crate::config::KubeletConfig;

mod health;
mod listen;
mod metrics;
mod pods;
mod reply;
mod routes;

/// Between two attempts to bind the healthz port.
const HEALTHZ_RETRY: Duration = Duration::from_secs(5);

/// What the servers show.
pub trait KubeletView: Send + Sync {
    /// The pods the kubelet is asked to run, with their live status, in a stable order.
    fn pods(&self) -> Vec<Arc<Pod>>;

    /// Whether the sync loop is alive; the text says why not.
    fn sync_loop_healthy(&self) -> Result<(), String>;

    /// The pods that the runtime runs, newest first, with only names, uid and the images of their containers.
    fn running_pods(&self) -> BoxFuture<'_, Result<Vec<Pod>, String>>;
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error(
        "listen tcp {address}: {} ({field} in the configuration asks for it: see who has it with `ss -ltnp`, then stop that or choose \
         another {field})",
        crate::config::load::go_reason(.source)
    )]
    Listen {
        /// The field of the configuration that asks for it.
        field: &'static str,
        /// Address and port.
        address: Address,
        /// Why not.
        source: io::Error,
    },
}

/// Which of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Face {
    /// `/healthz` and `/healthz/ping`, for the node's own supervision.
    Healthz,
    /// What may be read without credentials.
    ReadOnly,
}

/// What a server answers from.
struct Site {
    face: Face,
    world: World,
    config: Arc<KubeletConfig>,
    view: Arc<dyn KubeletView>,
}

/// The running servers. Their tasks end with the group they were started in.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where the read-only server listens, if it was asked for.
    pub read_only: Option<Address>,
}

impl Server {
    /// Binds what `config` asks for, and serves until `tasks` are cancelled. A healthz port that cannot be bound is tried again every
    /// five seconds, as upstream does.
    ///
    /// # Errors
    /// The read-only port cannot be bound.
    pub async fn start(
        world: &World,
        config: &Arc<KubeletConfig>,
        view: Arc<dyn KubeletView>,
        tasks: &Tasks,
    ) -> Result<Self, ServeError> {
        let site = |face| Arc::new(Site { face, world: world.clone(), config: config.clone(), view: view.clone() });
        if config.enable_server {
            tracing::warn!(
                address = config.address,
                port = config.port,
                "The main server needs TLS, which this version does not have: it is not started; set enableServer: false to silence this"
            );
        }
        let read_only = match config.read_only_port {
            Some(port) => {
                let address = address(&config.address, port);
                tracing::info!(address = config.address, port, "Starting to listen read-only");
                let listener = world.net.listen(&address).await.map_err(|source| ServeError::Listen {
                    field: "readOnlyPort",
                    address,
                    source,
                })?;
                let bound = listener.local();
                drop(tasks.spawn("read-only-server", listen::serve(listener, site(Face::ReadOnly), tasks.clone())));
                Some(bound)
            }
            None => None,
        };
        if let Some(port) = config.healthz_port {
            let address = address(&config.healthz_bind_address, port);
            drop(tasks.spawn("healthz-server", healthz(address, site(Face::Healthz), tasks.clone())));
        }
        Ok(Self { read_only })
    }
}

/// Serves healthz, however long it takes to get the port.
async fn healthz(address: Address, site: Arc<Site>, tasks: Tasks) {
    loop {
        match site.world.net.listen(&address).await {
            Ok(listener) => return listen::serve(listener, site, tasks).await,
            Err(error) => {
                let reason = crate::config::load::go_reason(&error);
                tracing::error!(err = format!("listen tcp {address}: {reason}"), "Failed to start healthz server");
            }
        }
        tokio::time::sleep(HEALTHZ_RETRY).await;
    }
}

fn address(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

#[cfg(test)]
mod tests;
