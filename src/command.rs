//! The `kubelet` command from its arguments to its end: configuration, start-up checks, the kubelet and its servers. Not the process
//! around it (`main`): signals, the real world and exit codes. As `kubelet` 1.36.

use std::sync::Arc;

use world::{Tasks, World};

use crate::{
    config::{self, ConfigError, Invocation, Loaded},
    kubelet::{Kubelet, StartError},
    node::{self, CheckError},
    observer::{LogEvents, Observer},
    server::{ServeError, Server},
};

mod notes;

/// Why the command ended with a failure. Its text is what upstream prints behind `command failed`, and what to do about it. Every one
/// of them ends the process with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Arguments or configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host.
    #[error("failed to run Kubelet: {0}")]
    Check(#[from] CheckError),
    /// The kubelet itself.
    #[error("failed to run Kubelet: {0}")]
    Start(#[from] StartError),
    /// Its servers.
    #[error("failed to run Kubelet: {0}")]
    Serve(#[from] ServeError),
}

/// Runs the kubelet with `args` (without the program's name) until `tasks` are cancelled; pods are left running then.
///
/// A command line that only asks for text (`--help`, `--version`) has it logged; who wants to print it calls [`config::load`] first.
///
/// # Errors
/// The arguments, the configuration, the host or the runtime do not allow a start.
pub async fn run(
    world: World,
    args: Vec<String>,
    observer: Arc<dyn Observer>,
    tasks: Tasks,
) -> Result<(), CommandError> {
    match config::load(&world, &args)? {
        Invocation::Print(text) => {
            tracing::info!("{text}");
            Ok(())
        }
        Invocation::Run(loaded) => start(world, *loaded, observer, tasks).await,
    }
}

/// As [`run`], with a configuration that has been loaded.
///
/// # Errors
/// The host or the runtime do not allow a start.
pub async fn start(
    world: World,
    loaded: Loaded,
    observer: Arc<dyn Observer>,
    tasks: Tasks,
) -> Result<(), CommandError> {
    notes::log(&loaded.notes);
    let config = Arc::new(loaded.config);
    tracing::info!(kubeletVersion = crate::VERSION, node = config.node_name, "Kubelet version");
    tracing::info!("Standalone mode, no API client");
    let started = async {
        node::check(&world, &config).await?;
        let observer: Arc<dyn Observer> = Arc::new(LogEvents::new(observer.clone()));
        let kubelet = Arc::new(Kubelet::start(world.clone(), config.clone(), observer.clone(), &tasks).await?);
        Server::start(&world, &config, kubelet.clone(), &tasks).await?;
        tracing::info!("Started kubelet");
        observer.started();
        Ok::<_, CommandError>(kubelet)
    };
    let kubelet = tokio::select! {
        biased;
        () = tasks.cancelled() => return Ok(()),
        started = started => started?,
    };
    tasks.cancelled().await;
    tracing::info!("Stopping; pods are left running");
    drop(kubelet);
    Ok(())
}

#[cfg(test)]
mod tests;
