//! The streaming server: URLs for Exec, Attach and PortForward, and the sessions behind them. Not the processes. As the streaming
//! library of containerd and CRI-O, with version 5 of the WebSocket protocol and tunnelled port-forward besides.

use std::{io, sync::Arc};

use cri_proto::v1::{self, ContainerState};
use tonic::Status;
use world::{
    Tasks,
    net::{Address, Listener},
};

use crate::runtime::Runtime;

mod handshake;
pub mod hostile;
mod http;
mod portforward;
mod remotecommand;
mod session;
pub mod spdy;
mod tokens;
pub mod websocket;
mod wire;

use tokens::Asked;
pub(crate) use tokens::Tokens;

/// Most connections at a time; what is more waits to be accepted.
const CONNECTIONS: usize = 4096;

/// What all connections share.
pub(crate) struct Streaming {
    runtime: Arc<Runtime>,
}

/// Listens and serves until `tasks` end. The address that clients are told.
pub(crate) async fn start(runtime: &Arc<Runtime>, tasks: &Tasks) -> io::Result<Address> {
    let listener = runtime.world.net.listen(&runtime.config.streaming).await?;
    let address = listener.local();
    let streaming = Arc::new(Streaming { runtime: runtime.clone() });
    let tasks = tasks.child("streaming");
    drop(tasks.clone().spawn("accept", accept(listener, streaming, tasks)));
    Ok(address)
}

async fn accept(mut listener: Listener, streaming: Arc<Streaming>, tasks: Tasks) {
    let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok(conn) => {
                let serve = http::serve(conn, streaming.clone(), tasks.clone());
                drop(tasks.spawn("connection", async move {
                    serve.await;
                    drop(permit);
                }));
            }
            // Out of descriptors, most likely: some will be free later.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

/// What real runtimes refuse of the streams asked for.
fn check(id: &str, tty: bool, [stdin, stdout, stderr]: [bool; 3], and: &str) -> Result<(), Status> {
    if id.is_empty() {
        return Err(Status::invalid_argument("missing required container_id"));
    }
    if tty && stderr {
        return Err(Status::invalid_argument("tty and stderr cannot both be true"));
    }
    if !stdin && !stdout && !stderr {
        return Err(Status::invalid_argument(format!("one of stdin, stdout, {and} stderr must be set")));
    }
    Ok(())
}

impl Runtime {
    fn url(&self, kind: &str, asked: Asked) -> Result<String, Status> {
        let at = self.streaming_address().ok_or_else(|| Status::unavailable("the streaming server is down"))?;
        let token = self.tokens.issue(asked)?;
        Ok(format!("http://{at}/{kind}/{token}"))
    }

    fn must_run(&self, id: &str) -> Result<(), Status> {
        let state = self.container(id)?.state;
        if state == ContainerState::ContainerRunning {
            return Ok(());
        }
        Err(Status::unknown(format!("container is in {} state", state.as_str_name())))
    }

    /// Exec: where a client runs a command.
    pub(crate) fn exec_url(&self, request: v1::ExecRequest) -> Result<v1::ExecResponse, Status> {
        check(&request.container_id, request.tty, [request.stdin, request.stdout, request.stderr], "or")?;
        self.must_run(&request.container_id)?;
        self.url("exec", Asked::Exec(request)).map(|url| v1::ExecResponse { url })
    }

    /// Attach: where a client joins a container's first process.
    pub(crate) fn attach_url(&self, request: v1::AttachRequest) -> Result<v1::AttachResponse, Status> {
        check(&request.container_id, request.tty, [request.stdin, request.stdout, request.stderr], "and")?;
        self.must_run(&request.container_id)?;
        self.url("attach", Asked::Attach(request)).map(|url| v1::AttachResponse { url })
    }

    /// PortForward: where a client reaches a pod's ports.
    pub(crate) fn port_forward_url(&self, request: v1::PortForwardRequest) -> Result<v1::PortForwardResponse, Status> {
        if request.pod_sandbox_id.is_empty() {
            return Err(Status::invalid_argument("missing required pod_sandbox_id"));
        }
        if !self.sandbox(&request.pod_sandbox_id)?.ready {
            return Err(Status::unknown("sandbox container is not running"));
        }
        self.url("portforward", Asked::PortForward(request)).map(|url| v1::PortForwardResponse { url })
    }
}

#[cfg(test)]
mod tests;
