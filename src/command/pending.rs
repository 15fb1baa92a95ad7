//! Stands in for the kubelet proper until its wiring is there: has no pods and is always well.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use world::{Tasks, World};

use crate::{config::KubeletConfig, observer::Observer, server::KubeletView};

/// Never happens.
#[derive(Debug, thiserror::Error)]
pub enum StartError {}

/// Nothing.
pub struct Kubelet;

impl Kubelet {
    /// Starts nothing.
    pub async fn start(_: World, _: Arc<KubeletConfig>, _: Arc<dyn Observer>, _: &Tasks) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl KubeletView for Kubelet {
    fn pods(&self) -> Vec<Arc<Pod>> {
        Vec::new()
    }

    fn sync_loop_healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn running_pods(&self) -> BoxFuture<'_, Result<Vec<Pod>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
