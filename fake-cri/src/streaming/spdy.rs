//! SPDY/3.1, as kubectl, crictl and critest speak it after an upgrade: the connection and its streams. Not what streams are for.
//!
//! Windows are given to clients that keep account of them; the clients of Kubernetes keep none and give none, so none are waited for.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::wire::{Activity, Framing, Out, Outgoing, drive, queue};
use crate::os::{
    OpenFile as _,
    pipe::{PipeReader, PipeWriter, pipe},
};

pub mod frame;
pub mod headers;

pub use frame::{CANCEL, Decoder, Encoder, Frame, FrameError, PROTOCOL_ERROR, REFUSED_STREAM};
pub(crate) use frame::{DATA_BYTES, data};
pub use headers::Headers;

/// Most streams of a connection at a time.
const STREAMS_LIMIT: usize = 1000;

/// New streams that wait to be looked at.
const NEW_STREAMS: usize = 16;

/// A stream that a client has opened.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its number.
    pub id: u32,
    /// What it is for.
    pub headers: Headers,
    /// What the client sends.
    pub input: Arc<PipeReader>,
    /// What the client gets.
    pub output: Outgoing,
    encoder: Arc<Mutex<Encoder>>,
    to: mpsc::Sender<Out>,
}

impl Stream {
    /// Tells the client that it is taken.
    pub async fn accept(&self) {
        let reply = Frame::SynReply { stream: self.id, fin: false, headers: Headers::default() };
        // Encoded when there is room for it: the compression goes by the order on the wire.
        if let Ok(room) = self.to.reserve().await {
            let bytes = self.encoder.lock().unwrap_or_else(PoisonError::into_inner).encode(&reply);
            room.send(Out::Bytes(bytes));
        }
    }
}

/// A stream as the reader knows it.
struct Known {
    input: Option<Arc<PipeWriter>>,
    reader: Weak<PipeReader>,
    closed: Arc<AtomicBool>,
}

/// Serves one connection. `talk` gets the streams that the client opens and a token that says when it has gone.
pub(super) async fn serve<F, Fut>(io: impl AsyncRead + AsyncWrite, talk: F)
where
    F: FnOnce(mpsc::Receiver<Stream>, CancellationToken) -> Fut,
    Fut: Future<Output = ()>,
{
    let (reader, writer) = split(io);
    let (out, from) = queue();
    let (new, streams) = mpsc::channel(NEW_STREAMS);
    let gone = CancellationToken::new();
    let activity = Activity::new();
    let last = Arc::new(Mutex::new(0));
    let read = read(reader, new, out.clone(), activity.clone(), last.clone());
    let write = write(writer, from, activity.clone(), last);
    drive(read, write, talk(streams, gone.clone()), out, gone, activity).await;
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut from: mpsc::Receiver<Out>,
    activity: Arc<Activity>,
    last: Arc<Mutex<u32>>,
) {
    while let Some(Out::Bytes(bytes)) = from.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        activity.moved();
    }
    let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
    let farewell = Encoder::default().encode(&Frame::GoAway { last, status: 0 });
    if writer.write_all(&farewell).await.is_ok() {
        let _ = writer.flush().await;
    }
    let _ = writer.shutdown().await;
}

/// Takes in what the client sends until it goes or breaks the protocol.
async fn read(
    mut reader: impl AsyncRead + Unpin,
    new: mpsc::Sender<Stream>,
    out: mpsc::Sender<Out>,
    activity: Arc<Activity>,
    last: Arc<Mutex<u32>>,
) {
    let mut decoder = Decoder::default();
    let mut streams: BTreeMap<u32, Known> = BTreeMap::new();
    let encoder: Arc<Mutex<Encoder>> = Arc::default();
    let send = async |frame: Frame| out.send(Out::Bytes(Encoder::default().encode(&frame))).await.is_ok();
    let mut buffer = vec![0; DATA_BYTES];
    loop {
        let Ok(n @ 1..) = reader.read(&mut buffer).await else { return };
        activity.moved();
        decoder.feed(&buffer[..n]);
        loop {
            let frame = match decoder.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "a streaming client does not speak SPDY/3.1");
                    let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
                    send(Frame::GoAway { last, status: PROTOCOL_ERROR }).await;
                    return;
                }
            };
            match frame {
                Frame::SynStream { stream: id, fin, unidirectional: _, headers } => {
                    let before = *last.lock().unwrap_or_else(PoisonError::into_inner);
                    if id % 2 == 0 || id <= before {
                        send(Frame::Reset { stream: id, status: PROTOCOL_ERROR }).await;
                        continue;
                    }
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = id;
                    streams.retain(|_, known| {
                        let read = known.input.is_some() && known.reader.strong_count() > 0;
                        read || !known.closed.load(Ordering::Acquire)
                    });
                    let (input, writer) = pipe();
                    let output = Outgoing::new(out.clone(), Framing::Spdy(id));
                    let (input_end, closed) = ((!fin).then_some(writer), output.closed.clone());
                    let known = Known { input: input_end, reader: Arc::downgrade(&input), closed };
                    let stream = Stream { id, headers, input, output, encoder: encoder.clone(), to: out.clone() };
                    if streams.len() >= STREAMS_LIMIT || new.send(stream).await.is_err() {
                        send(Frame::Reset { stream: id, status: REFUSED_STREAM }).await;
                        continue;
                    }
                    streams.insert(id, known);
                }
                Frame::Data { stream: id, bytes, fin } => {
                    let Some(known) = streams.get_mut(&id) else { continue };
                    if let Some(input) = &known.input {
                        // Waits while nobody reads: the client has to wait as well. Once nobody will, bytes are dropped.
                        let _ = input.write(&bytes).await;
                        if !bytes.is_empty() {
                            let delta = u32::try_from(bytes.len()).unwrap_or(0);
                            send(Frame::WindowUpdate { stream: id, delta }).await;
                            send(Frame::WindowUpdate { stream: 0, delta }).await;
                        }
                    }
                    if fin {
                        known.input = None;
                    }
                }
                Frame::Reset { stream: id, status: _ } => {
                    if let Some(known) = streams.remove(&id) {
                        known.closed.store(true, Ordering::Release);
                    }
                }
                // Even numbers answer pings of ours, and there are none.
                Frame::Ping(id) if id % 2 == 1 => {
                    send(Frame::Ping(id)).await;
                }
                Frame::Headers { stream: id, fin: true, headers: _ } => {
                    if let Some(known) = streams.get_mut(&id) {
                        known.input = None;
                    }
                }
                Frame::Ping(_)
                | Frame::Headers { .. }
                | Frame::SynReply { .. }
                | Frame::Settings
                | Frame::WindowUpdate { .. }
                | Frame::GoAway { .. }
                | Frame::Unknown(_) => {}
            }
        }
    }
}
