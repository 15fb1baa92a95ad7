//! PortForward: bytes between a client and a port of a pod, over pairs of SPDY streams or of WebSocket channels. As `k8s.io/cri-streaming`.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use cri_proto::v1;
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    spdy::{DATA_BYTES, Stream},
    websocket::Channels,
    wire::{Outgoing, STREAM_CREATION},
};
use crate::{
    os::{OpenFile as _, pipe::PipeReader},
    runtime::Runtime,
};

/// The streams of one forwarded connection, as they come.
#[derive(Default)]
struct Pair {
    data: Option<Stream>,
    error: Option<Stream>,
    /// Which attempt at this pair it is: a late time-out must not hit the next one of the same name.
    number: u64,
}

/// What goes on at a connection.
enum Done {
    /// A forwarded connection has ended.
    Forwarded,
    /// A pair has had its time.
    Late(String, u64),
}

/// The port that a stream is for, if the stream makes sense.
fn port(stream: &Stream) -> Option<u16> {
    let port = stream.headers.get("port").parse().ok().filter(|port| *port > 0)?;
    matches!(stream.headers.get("streamtype"), "error" | "data").then_some(port)
}

/// The pair that a stream belongs to. Old clients do not say and open the data stream right after the error stream.
fn pair_of(stream: &Stream) -> String {
    match stream.headers.get("requestid") {
        "" if stream.headers.get("streamtype") == "data" => stream.id.saturating_sub(2).to_string(),
        "" => stream.id.to_string(),
        id => id.to_owned(),
    }
}

/// Serves the streams of a SPDY connection until it ends.
pub(super) async fn over_spdy(
    runtime: Arc<Runtime>,
    request: v1::PortForwardRequest,
    mut streams: mpsc::Receiver<Stream>,
    gone: CancellationToken,
) {
    let sandbox = request.pod_sandbox_id.as_str();
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    let mut next = 0;
    let mut going: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = gone.cancelled() => return,
            Some(done) = going.next() => {
                if let Done::Late(id, number) = done
                    && pairs.get(&id).is_some_and(|pair| pair.number == number)
                    && let Some(pair) = pairs.remove(&id)
                {
                    late(&id, pair).await;
                }
                continue;
            }
            stream = streams.recv() => match stream {
                Some(stream) => stream,
                None => std::future::pending().await,
            },
        };
        let Some(port) = port(&stream) else {
            stream.output.reset().await;
            continue;
        };
        stream.accept().await;
        let id = pair_of(&stream);
        let pair = pairs.entry(id.clone()).or_insert_with(|| {
            next += 1;
            let (id, number) = (id.clone(), next);
            going.push(Box::pin(async move {
                tokio::time::sleep(STREAM_CREATION).await;
                Done::Late(id, number)
            }));
            Pair { number, ..Pair::default() }
        });
        let kind = stream.headers.get("streamtype").to_owned();
        let slot = if kind == "data" { &mut pair.data } else { &mut pair.error };
        if slot.is_some() {
            if let Some(error) = &pair.error {
                let text = format!("error processing stream for request {id}: {kind} stream already assigned");
                let _ = error.output.write(text.as_bytes()).await;
            }
            continue;
        }
        *slot = Some(stream);
        if let Pair { data: Some(_), error: Some(_), .. } = pair
            && let Some(Pair { data: Some(data), error: Some(error), .. }) = pairs.remove(&id)
        {
            let runtime = runtime.clone();
            going.push(Box::pin(async move {
                // Nobody may write to the error stream.
                drop(error.input);
                match forward(&runtime, sandbox, port, &data.input, &data.output).await {
                    Ok(()) => {
                        data.output.close().await;
                        error.output.close().await;
                    }
                    Err(why) => {
                        let _ = error.output.write(refusal(sandbox, port, &why).as_bytes()).await;
                        data.output.reset().await;
                        error.output.reset().await;
                    }
                }
                Done::Forwarded
            }));
        }
    }
}

async fn late(id: &str, pair: Pair) {
    if let Some(error) = &pair.error {
        let _ = error.output.write(format!("(request={id}) timed out waiting for streams").as_bytes()).await;
    }
    for stream in [pair.data, pair.error].into_iter().flatten() {
        stream.output.reset().await;
    }
}

fn refusal(sandbox: &str, port: u16, why: &str) -> String {
    format!("error forwarding port {port} to pod {sandbox}, uid : {why}")
}

/// Forwards one connection to its end. The error is why the port cannot be reached.
async fn forward(
    runtime: &Arc<Runtime>,
    sandbox: &str,
    port: u16,
    input: &PipeReader,
    output: &Outgoing,
) -> Result<(), String> {
    let conn = runtime.dial_pod(sandbox, port).await?;
    let (mut from, mut to) = split(conn);
    let up = async {
        while let Ok(bytes) = input.read(DATA_BYTES).await {
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
        std::future::pending::<()>().await;
    };
    let down = async {
        let mut buffer = vec![0; DATA_BYTES];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            if output.write(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    // The pod's side decides: what it still has to say after the client has said all is forwarded.
    tokio::select! {
        biased;
        () = down => {}
        () = up => {}
    }
    Ok(())
}

/// Serves the channels of a WebSocket: two a port, for data and for errors, which begin with the port's number.
pub(super) async fn over_channels(runtime: Arc<Runtime>, request: v1::PortForwardRequest, mut channels: Channels) {
    let sandbox = request.pod_sandbox_id.as_str();
    let gone = channels.gone.clone();
    let mut going = FuturesUnordered::new();
    for (i, port) in (0u8..).step_by(2).zip(&request.port) {
        let (Some(input), Ok(port)) = (channels.input(i), u16::try_from(*port)) else { continue };
        let (data, error) = (channels.output(i), channels.output(i + 1));
        let runtime = &runtime;
        going.push(async move {
            for channel in [&data, &error] {
                let _ = channel.write(&port.to_le_bytes()).await;
            }
            if let Err(why) = forward(runtime, sandbox, port, &input, &data).await {
                let _ = error.write(refusal(sandbox, port, &why).as_bytes()).await;
            }
        });
    }
    until(gone, async { while going.next().await.is_some() {} }).await;
}

async fn until(gone: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = work => {}
        () = gone.cancelled() => {}
    }
}
