//! With whose name and password an image is pulled: what the node's docker configuration says, then what credential provider plugins say.
//! Pods without an API server have no secrets of their own. As kubelet 1.36; what is found is never logged.

use std::sync::{Mutex, PoisonError};

use cri_proto::v1;
use jiff::{SignedDuration, Timestamp};
use world::{SteadyClock, World};

use crate::{
    api::image::Reference,
    images::credentials::{
        keyring::{Entries, Keyring},
        plugin::Plugin,
    },
};

mod docker_config;
pub mod keyring;
mod plugin;
mod provider_config;

pub use provider_config::{Provider, ProviderError, load};

/// How long the docker configuration is believed.
const DOCKER_CONFIG_AGE: SignedDuration = SignedDuration::from_mins(5);

/// All places where credentials come from.
#[derive(Debug)]
pub struct Credentials {
    world: World,
    steady: SteadyClock,
    root: std::path::PathBuf,
    docker: Mutex<Option<(Timestamp, Entries)>>,
    plugins: Vec<Plugin>,
}

impl Credentials {
    /// The node's, with `root` as the kubelet's directory, and those of these providers.
    pub fn new(world: World, root: std::path::PathBuf, providers: &[Provider]) -> Self {
        let steady = world.clock.steady();
        let plugins = providers.iter().map(|provider| Plugin::new(world.clone(), provider.clone())).collect();
        Self { world, steady, root, docker: Mutex::default(), plugins }
    }

    /// What to try for an image, in order; nothing is one try without a name.
    pub async fn of(&self, image: &str) -> Vec<v1::AuthConfig> {
        let Ok(reference) = Reference::parse(image) else { return Vec::new() };
        let repository = format!("{}/{}", reference.domain, reference.path);
        let mut found = Keyring::of([self.node()]).lookup(&repository);
        let mut given = Vec::new();
        for plugin in &self.plugins {
            given.push(plugin.provide(&repository).await);
        }
        found.extend(Keyring::of(given).lookup(&repository));
        found
    }

    fn node(&self) -> Entries {
        let now = self.steady.now();
        let mut docker = self.docker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, entries)) = docker.as_ref()
            && now.duration_since(*since) < DOCKER_CONFIG_AGE
        {
            return entries.clone();
        }
        let entries = docker_config::read(&self.world, &self.root);
        *docker = Some((now, entries.clone()));
        entries
    }
}

#[cfg(test)]
mod tests;
