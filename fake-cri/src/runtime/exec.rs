//! Commands executed in running containers, with their output: ExecSync.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cri_proto::v1::{self, ContainerState};
use tokio::sync::oneshot;
use tonic::Status;

use super::{Runtime, launch::exec};
use crate::os::{
    Descriptor, Launch, Process, Signal,
    pipe::{Null, PipeReader, pipe},
};

/// Most bytes kept of each stream; what is more is read and dropped, so that nothing hangs.
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

async fn collect(reader: Arc<PipeReader>) -> Vec<u8> {
    let reader: Descriptor = reader;
    let mut all = Vec::new();
    while let Ok(chunk) = reader.read(64 * 1024).await {
        if chunk.is_empty() {
            break;
        }
        let room = OUTPUT_LIMIT.saturating_sub(all.len());
        all.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
    }
    all
}

/// Kills a process with everything it started.
fn kill_tree(process: &Process) {
    for child in process.children() {
        if let Some(child) = process.kernel().process(child) {
            kill_tree(&child);
        }
    }
    process.signal(Signal::KILL);
}

/// Kills what runs when the client goes away.
pub(crate) struct KillOnDrop(pub(crate) Option<Process>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            kill_tree(&process);
        }
    }
}

impl Runtime {
    /// ExecSync.
    pub(crate) async fn exec_sync(
        self: &Arc<Self>,
        request: v1::ExecSyncRequest,
    ) -> Result<v1::ExecSyncResponse, Status> {
        let container = self.container(&request.container_id)?;
        if request.cmd.is_empty() {
            return Err(Status::invalid_argument("the command is empty"));
        }
        if container.state != ContainerState::ContainerRunning {
            let state = container.state.as_str_name();
            return Err(Status::unknown(format!("container is in {state} state")));
        }
        let limit = u64::try_from(request.timeout).ok().filter(|t| *t > 0).map(Duration::from_secs);
        let timed_out = || {
            let after = limit.unwrap_or_default().as_secs();
            Status::deadline_exceeded(format!(
                "failed to exec in container: timeout {after}s exceeded: context deadline exceeded"
            ))
        };
        let command = request.cmd.join(" ");
        let since = container.started.map(|s| s.elapsed()).unwrap_or_default();
        if let Some(rule) = container.behaviour.as_ref().and_then(|b| b.exec(&command, since)).cloned() {
            let wait = async {
                if rule.hang {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(rule.delay.0).await;
            };
            match limit {
                Some(limit) => tokio::time::timeout(limit, wait).await.map_err(|_| timed_out())?,
                None => wait.await,
            }
            return Ok(v1::ExecSyncResponse {
                stdout: rule.stdout.into_bytes(),
                stderr: rule.stderr.into_bytes(),
                exit_code: rule.exit,
            });
        }
        let (out, out_writer) = pipe();
        let (err, err_writer) = pipe();
        let descriptors = BTreeMap::from([
            (0, Arc::new(Null) as Descriptor),
            (1, out_writer as Descriptor),
            (2, err_writer as Descriptor),
        ]);
        let process = self.execute(&container, &request.cmd, descriptors, false).await?;
        let mut guard = KillOnDrop(Some(process.clone()));
        let finished = async {
            let (stdout, stderr, exit) = tokio::join!(biased; collect(out), collect(err), process.wait());
            v1::ExecSyncResponse { stdout, stderr, exit_code: exit.code() }
        };
        let response = match limit {
            Some(limit) => tokio::time::timeout(limit, finished).await.map_err(|_| timed_out())?,
            None => finished.await,
        };
        guard.0 = None;
        Ok(response)
    }

    /// Starts a command in a running container; `tty` if its descriptors are a terminal.
    pub(crate) async fn execute(
        self: &Arc<Self>,
        container: &crate::model::Container,
        command: &[String],
        descriptors: BTreeMap<u32, Descriptor>,
        tty: bool,
    ) -> Result<Process, Status> {
        let sandbox = self.sandbox(&container.sandbox)?;
        let (Some(kernel), Some(tree)) = (container.kernel.clone(), container.tree.clone()) else {
            return Err(Status::unknown("container is not running"));
        };
        let credentials = self.credentials(container, &tree).map_err(Status::unknown)?;
        let cwd = if container.config.working_dir.is_empty() {
            &container.image.working_dir
        } else {
            &container.config.working_dir
        };
        let mut env = self.environment(container, &sandbox);
        if tty {
            env.entry("TERM".to_owned()).or_insert_with(|| "xterm".to_owned());
        }
        let launch = Launch {
            args: command.to_vec(),
            env,
            cwd: cwd.clone(),
            credentials,
            files: tree,
            descriptors,
            dispositions: BTreeMap::new(),
            confinement: container.process.as_ref().map(|p| p.confinement().clone()).unwrap_or_default(),
        };
        let (found, answer) = oneshot::channel();
        let process = kernel
            .launch(None, launch, exec(command.to_vec(), found))
            .ok_or_else(|| Status::unknown("failed to exec in container: resource temporarily unavailable"))?;
        match answer.await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(error)) => Err(Status::unknown(format!(
                "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: {error}: unknown"
            ))),
            Err(_) => Err(Status::unknown("failed to exec in container: the container has ended")),
        }
    }
}
