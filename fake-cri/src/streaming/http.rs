//! The streaming server's HTTP side: which URL is which session, which protocol is agreed on, and the upgrade. Not the protocols.

use std::{convert::Infallible, sync::Arc};

use http::{Method, Request, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use world::{Tasks, net::Conn};

use super::{
    Streaming,
    handshake::{Answer, Protocol, agree, say},
    portforward, remotecommand,
    session::{Session, Version, Wanted},
    spdy,
    tokens::Asked,
    websocket::{self, Channels},
    wire::{Outgoing, STREAM_CREATION},
};

/// How long a client may take to send the head of a request.
const HEAD_TIME: std::time::Duration = std::time::Duration::from_secs(30);

/// Serves one connection: one request, and what it is upgraded to.
pub(super) async fn serve(conn: Conn, streaming: Arc<Streaming>, tasks: Tasks) {
    let service = hyper::service::service_fn(move |request| {
        let answer = respond(request, &streaming, &tasks);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(conn), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a streaming connection failed");
    }
}

fn respond(mut request: Request<Incoming>, streaming: &Arc<Streaming>, tasks: &Tasks) -> Answer {
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let (kind, token, more) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    if !matches!(kind, "exec" | "attach" | "portforward") || token.is_empty() || more.is_some() {
        return say(StatusCode::NOT_FOUND, "404: Page Not Found");
    }
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return say(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
    }
    // A token is used up by whoever shows it, at the right door or not.
    let asked = match (streaming.runtime.tokens.redeem(token), kind) {
        (Some(asked @ Asked::Exec(_)), "exec") => asked,
        (Some(asked @ Asked::Attach(_)), "attach") => asked,
        (Some(asked @ Asked::PortForward(_)), "portforward") => asked,
        _ => return say(StatusCode::NOT_FOUND, "404 page not found\n"),
    };
    let (agreed, answer) = agree(request.headers(), &asked);
    let Some(protocol) = agreed else { return answer };
    let upgraded = hyper::upgrade::on(&mut request);
    let streaming = streaming.clone();
    let name = format!("{kind} {token} of {}", asked.target());
    drop(tasks.spawn(kind, upgrade(upgraded, protocol, asked, name, streaming)));
    answer
}

/// Speaks what was agreed on, to the end.
async fn upgrade(upgraded: OnUpgrade, protocol: Protocol, asked: Asked, name: String, streaming: Arc<Streaming>) {
    let Ok(upgraded) = upgraded.await else { return };
    let io = TokioIo::new(upgraded);
    let runtime = streaming.runtime.clone();
    let _open = streaming.runtime.ledger.hold("stream", name);
    match (protocol, asked) {
        (Protocol::Spdy(_), Asked::PortForward(request)) => {
            spdy::serve(io, |streams, gone| portforward::over_spdy(runtime, request, streams, gone)).await;
        }
        (Protocol::Tunnel, Asked::PortForward(request)) => {
            websocket::tunnel(io, |io| {
                spdy::serve(io, |streams, gone| portforward::over_spdy(runtime, request, streams, gone))
            })
            .await;
        }
        (Protocol::Channels(_, dialect), Asked::PortForward(request)) => {
            let inputs: Vec<u8> = (0u8..250).step_by(2).take(request.port.len()).collect();
            websocket::serve(io, dialect, &inputs, |c| portforward::over_channels(runtime, request, c)).await;
        }
        (Protocol::Spdy(version), asked) => {
            let wanted = wanted(&asked);
            spdy::serve(io, |streams, gone| async move {
                if let Some(session) = collect(streams, wanted, version, gone).await {
                    talk(runtime, asked, session).await;
                }
            })
            .await;
        }
        (Protocol::Channels(version, dialect), asked) => {
            let wanted = wanted(&asked);
            let inputs: &[u8] = if wanted.stdin { &[0, 4] } else { &[4] };
            websocket::serve(io, dialect, inputs, |channels| async move {
                let session = session_of(channels, wanted, version).await;
                talk(runtime, asked, session).await;
            })
            .await;
        }
        (Protocol::Tunnel, _) => {}
    }
}

async fn talk(runtime: Arc<crate::runtime::Runtime>, asked: Asked, session: Session) {
    match asked {
        Asked::Exec(request) => remotecommand::exec(runtime, request, session).await,
        Asked::Attach(request) => remotecommand::attach(runtime, request, session).await,
        Asked::PortForward(_) => {}
    }
}

fn wanted(asked: &Asked) -> Wanted {
    match asked {
        Asked::Exec(r) => Wanted { stdin: r.stdin, stdout: r.stdout, stderr: r.stderr, tty: r.tty },
        Asked::Attach(r) => Wanted { stdin: r.stdin, stdout: r.stdout, stderr: r.stderr, tty: r.tty },
        Asked::PortForward(_) => Wanted { stdin: false, stdout: false, stderr: false, tty: false },
    }
}

/// Waits for all the streams that the client has asked for. `None` if they do not come in time.
async fn collect(
    mut streams: tokio::sync::mpsc::Receiver<spdy::Stream>,
    wanted: Wanted,
    version: Version,
    gone: tokio_util::sync::CancellationToken,
) -> Option<Session> {
    let resizes = wanted.tty && version >= Version::V3;
    let expected = 1 + [wanted.stdin, wanted.stdout, wanted.stderr, resizes].into_iter().filter(|w| *w).count();
    let (mut stdin, mut stdout, mut stderr, mut error, mut resize) = (None, None, None, None, None);
    let all = async {
        let mut got = 0;
        while got < expected {
            let stream = streams.recv().await?;
            stream.accept().await;
            match stream.headers.get("streamtype") {
                "stdin" => {
                    if version == Version::V1 {
                        stream.output.close().await;
                    }
                    stdin = Some(stream.input);
                }
                "stdout" => stdout = Some(stream.output),
                "stderr" => stderr = Some(stream.output),
                "error" => error = Some(stream.output),
                "resize" => resize = Some(stream.input),
                _ => continue,
            }
            got += 1;
        }
        Some(())
    };
    let came = tokio::select! {
        biased;
        came = tokio::time::timeout(STREAM_CREATION, all) => came.ok().flatten(),
        () = gone.cancelled() => None,
    };
    came?;
    let only = |stream: Option<Outgoing>, wanted: bool| stream.filter(|_| wanted);
    Some(Session {
        stdin: stdin.filter(|_| wanted.stdin),
        stdout: only(stdout, wanted.stdout),
        stderr: only(stderr, wanted.stderr),
        error: error?,
        resize,
        version,
        gone,
    })
}

async fn session_of(mut channels: Channels, wanted: Wanted, version: Version) -> Session {
    let session = Session {
        stdin: channels.input(0),
        stdout: wanted.stdout.then(|| channels.output(1)),
        stderr: wanted.stderr.then(|| channels.output(2)),
        error: channels.output(3),
        resize: channels.input(4),
        version,
        gone: channels.gone.clone(),
    };
    let lowest = session.stdout.as_ref().or(session.stderr.as_ref()).unwrap_or(&session.error);
    lowest.greet().await;
    session
}
