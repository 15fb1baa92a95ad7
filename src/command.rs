//! The `kubelet` command from its arguments to its end: configuration, start-up checks, the kubelet and its servers. Not the process
//! around it (`main`): signals, the real world and exit codes. As `kubelet` 1.36.

use std::sync::Arc;

use world::{Tasks, World};

use crate::observer::Observer;

/// Why the command ended with a failure. Its text is what upstream prints behind `command failed`, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Anything, for now.
    #[error("{0}")]
    Failed(String),
}

/// Runs the kubelet with `args` (without the program's name) until `tasks` are cancelled; pods are left running then.
///
/// # Errors
/// The arguments, the configuration, the host or the runtime do not allow a start.
pub async fn run(world: World, args: Vec<String>, observer: Arc<dyn Observer>, tasks: Tasks) -> Result<(), CommandError> {
    let _ = (world, args, observer, tasks);
    Ok(())
}
