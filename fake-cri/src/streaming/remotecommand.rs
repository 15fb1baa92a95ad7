//! Exec and Attach: what a session is joined to. Not how it reached this server.

use std::{collections::BTreeMap, sync::Arc};

use cri_proto::v1::{self, ContainerState};

use super::session::{Failure, Session, feed, pump, resized, typed};
use crate::{
    os::{
        Descriptor, Terminal,
        pipe::{Null, pipe},
    },
    runtime::{KillOnDrop, Runtime},
};

/// Runs a command in a container with a client at its streams. The end of the client is the end of the command.
pub(super) async fn exec(runtime: Arc<Runtime>, request: v1::ExecRequest, session: Session) {
    let gone = session.gone.clone();
    let result = tokio::select! {
        biased;
        result = run(&runtime, &request, &session) => result,
        () = gone.cancelled() => return,
    };
    session.finish(result).await;
}

async fn run(runtime: &Arc<Runtime>, request: &v1::ExecRequest, session: &Session) -> Result<(), Failure> {
    let failed =
        |error: tonic::Status| Failure::Internal(format!("error executing command in container: {}", error.message()));
    let container = runtime.container(&request.container_id).map_err(failed)?;
    if container.state != ContainerState::ContainerRunning {
        let state = container.state.as_str_name();
        return Err(failed(tonic::Status::unknown(format!("container is in {state} state"))));
    }
    let since = container.started.map(|s| s.elapsed()).unwrap_or_default();
    let rule = container.behaviour.as_ref().and_then(|b| b.exec(&request.cmd.join(" "), since)).cloned();
    if let Some(rule) = rule {
        if rule.hang {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(rule.delay.0).await;
        for (stream, text) in [(&session.stdout, &rule.stdout), (&session.stderr, &rule.stderr)] {
            if let Some(stream) = stream {
                let _ = stream.write(text.as_bytes()).await;
            }
        }
        return ended(request, rule.exit);
    }
    let (out, out_writer) = pipe();
    if request.tty {
        let kernel =
            container.kernel.clone().ok_or_else(|| failed(tonic::Status::unknown("container is not running")))?;
        let terminal = Arc::new(Terminal::new(kernel, out_writer));
        let descriptors = (0..3).map(|number| (number, terminal.clone() as Descriptor)).collect();
        let process = runtime.execute(&container, &request.cmd, descriptors, true).await.map_err(failed)?;
        let mut guard = KillOnDrop(Some(process.clone()));
        let exit = async {
            let exit = process.wait().await;
            // What the session leaves behind loses its terminal.
            terminal.hang_up();
            exit
        };
        let exit = tokio::select! {
            biased;
            (exit, ()) = async { tokio::join!(biased; exit, pump(out, session.stdout.clone())) } => exit,
            exit = with_terminal(session, &terminal) => exit,
        };
        guard.0 = None;
        return ended(request, exit.code());
    }
    let (err, err_writer) = pipe();
    let stdin: Descriptor =
        session.stdin.clone().map_or_else(|| Arc::new(Null) as Descriptor, |stdin| stdin as Descriptor);
    let descriptors: BTreeMap<u32, Descriptor> =
        BTreeMap::from([(0, stdin), (1, out_writer as Descriptor), (2, err_writer as Descriptor)]);
    let process = runtime.execute(&container, &request.cmd, descriptors, false).await.map_err(failed)?;
    let mut guard = KillOnDrop(Some(process.clone()));
    let (out, err) = (pump(out, session.stdout.clone()), pump(err, session.stderr.clone()));
    let (exit, (), ()) = tokio::join!(biased; process.wait(), out, err);
    guard.0 = None;
    ended(request, exit.code())
}

fn ended(request: &v1::ExecRequest, code: i32) -> Result<(), Failure> {
    match code {
        0 => Ok(()),
        code => {
            // As Go prints a list of words.
            let command = request.cmd.join(" ");
            Err(Failure::Exit { code, text: format!("error executing command [{command}], exit code {code}") })
        }
    }
}

/// Joins a client's input and window to a terminal. Never ends: input and sizes may end long before the command does.
async fn with_terminal<T>(session: &Session, terminal: &Terminal) -> T {
    let stdin = async {
        if let Some(stdin) = &session.stdin {
            typed(stdin, terminal).await;
        }
    };
    let sizes = async {
        if let Some(sizes) = &session.resize {
            resized(sizes, terminal).await;
        }
    };
    tokio::join!(biased; sizes, stdin);
    std::future::pending().await
}

/// Joins a client to a running container's own streams, until the container ends, the client goes, or its input ends.
pub(super) async fn attach(runtime: Arc<Runtime>, request: v1::AttachRequest, session: Session) {
    let gone = session.gone.clone();
    let result = tokio::select! {
        biased;
        result = join(&runtime, &request, &session) => result,
        () = gone.cancelled() => return,
    };
    session.finish(result).await;
}

async fn join(runtime: &Arc<Runtime>, request: &v1::AttachRequest, session: &Session) -> Result<(), Failure> {
    let failed = |text: &str| Failure::Internal(format!("error attaching to container: {text}"));
    let container = runtime.container(&request.container_id).map_err(|e| failed(e.message()))?;
    if container.state != ContainerState::ContainerRunning {
        return Err(failed(&format!("container is in {} state", container.state.as_str_name())));
    }
    let stdio = container.stdio.clone();
    let (out, err) = stdio.attach(session.stdout.is_some(), session.stderr.is_some());
    let terminal = stdio.terminal();
    let output = async { tokio::join!(biased; pump(out, session.stdout.clone()), pump(err, session.stderr.clone())) };
    let input = async {
        match (&session.stdin, &terminal) {
            (Some(stdin), Some(terminal)) => typed(stdin, terminal).await,
            (Some(stdin), None) => match stdio.input() {
                Some(input) => feed(stdin, &input).await,
                // It reads nothing: the client's input goes nowhere, and its end ends nothing.
                None => std::future::pending().await,
            },
            (None, _) => std::future::pending().await,
        }
        if container.config.stdin_once && terminal.is_none() {
            stdio.close_input();
            // The container ends by it, or not; its output is still wanted.
            std::future::pending::<()>().await;
        }
    };
    let sizes = async {
        if let (Some(sizes), Some(terminal)) = (&session.resize, &terminal) {
            resized(sizes, terminal).await;
        }
        std::future::pending::<()>().await;
    };
    if session.stdout.is_none() && session.stderr.is_none() {
        // Nothing to wait for but the input's end and the container's.
        let process = container.process.clone();
        let ended = async {
            match &process {
                Some(process) => drop(process.wait().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased; () = input => {}, () = sizes => {}, () = ended => {} }
        return Ok(());
    }
    tokio::select! { biased; _ = output => {}, () = input => {}, () = sizes => {} }
    Ok(())
}
