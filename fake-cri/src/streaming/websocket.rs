//! WebSocket under remotecommand and port-forward: channels in messages, and raw bytes for what is tunnelled. Framing is tungstenite's.
//!
//! A message is a channel's number and its bytes; the base64 protocols write the number as a digit and both as text.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    spdy::DATA_BYTES,
    wire::{Activity, Framing, Out, Outgoing, drive, queue},
};
use crate::os::{
    OpenFile as _,
    pipe::{PipeReader, PipeWriter, pipe},
};

/// Longest message that is read. Clients of Kubernetes send at most 32 KiB.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// On protocol version 5: the next byte is a channel that ends.
const CLOSE: u8 = 255;

/// How a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Text in base64 instead of bytes.
    pub base64: bool,
    /// Channels can be closed.
    pub closes: bool,
}

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes on a channel.
    Data(u8, Vec<u8>),
    /// A channel ends.
    Close(u8),
}

/// What a message's payload means; `None` if nothing.
pub fn decode(payload: &[u8], dialect: Dialect) -> Option<Received> {
    let (first, rest) = payload.split_first()?;
    if dialect.base64 {
        let channel = first.checked_sub(b'0').filter(|n| *n < 10)?;
        return Some(Received::Data(channel, STANDARD.decode(rest).ok()?));
    }
    if dialect.closes && *first == CLOSE {
        return rest.first().map(|channel| Received::Close(*channel));
    }
    Some(Received::Data(*first, rest.to_vec()))
}

type Socket<T> = WebSocketStream<T>;

/// Bounds of what is read, and no buffer of what is written.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .write_buffer_size(0)
}

async fn socket<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> Socket<T> {
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await
}

/// The channels of a connection: those a client writes, and a way to make those it reads.
pub(super) struct Channels {
    out: mpsc::Sender<Out>,
    inputs: BTreeMap<u8, Arc<PipeReader>>,
    dialect: Dialect,
    /// Cancelled when the client has gone.
    pub gone: CancellationToken,
}

impl Channels {
    /// What a client writes to a channel.
    pub fn input(&mut self, number: u8) -> Option<Arc<PipeReader>> {
        self.inputs.remove(&number)
    }

    /// A channel that a client reads.
    pub fn output(&self, number: u8) -> Outgoing {
        Outgoing::new(self.out.clone(), Framing::Channel { number, base64: self.dialect.base64 })
    }
}

/// Serves one connection on which clients write the channels of `inputs`.
pub(super) async fn serve<T, F, Fut>(io: T, dialect: Dialect, inputs: &[u8], talk: F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: FnOnce(Channels) -> Fut,
    Fut: Future<Output = ()>,
{
    let (to, from) = socket(io).await.split();
    let (out, queued) = queue();
    let (readers, writers): (BTreeMap<_, _>, BTreeMap<_, _>) = inputs
        .iter()
        .map(|number| {
            let (reader, writer) = pipe();
            ((*number, reader), (*number, writer))
        })
        .unzip();
    let gone = CancellationToken::new();
    let activity = Activity::new();
    let channels = Channels { out: out.clone(), inputs: readers, dialect, gone: gone.clone() };
    let read = read(from, writers, dialect, activity.clone());
    let write = write(to, queued, dialect, activity.clone());
    drive(read, write, talk(channels), out, gone, activity).await;
}

async fn write<T: AsyncRead + AsyncWrite + Unpin>(
    mut to: SplitSink<Socket<T>, Message>,
    mut queued: mpsc::Receiver<Out>,
    dialect: Dialect,
    activity: Arc<Activity>,
) {
    while let Some(Out::Bytes(bytes)) = queued.recv().await {
        let message = if dialect.base64 {
            Message::text(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            Message::binary(bytes)
        };
        if to.send(message).await.is_err() {
            return;
        }
        activity.moved();
    }
    // The normal end, 1000.
    let _ = to.send(Message::Close(Some(farewell()))).await;
    let _ = to.flush().await;
}

fn farewell() -> tokio_tungstenite::tungstenite::protocol::CloseFrame {
    tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode::Normal,
        reason: "".into(),
    }
}

async fn read<T: AsyncRead + AsyncWrite + Unpin>(
    mut from: SplitStream<Socket<T>>,
    mut writers: BTreeMap<u8, Arc<PipeWriter>>,
    dialect: Dialect,
    activity: Arc<Activity>,
) {
    // Pings are answered below this.
    while let Some(Ok(message)) = from.next().await {
        activity.moved();
        if !matches!(message, Message::Binary(_) | Message::Text(_)) {
            continue;
        }
        match decode(&message.into_data(), dialect) {
            Some(Received::Data(channel, bytes)) => {
                if let Some(writer) = writers.get(&channel) {
                    // Waits while nobody reads; what nobody will read is dropped.
                    let _ = writer.write(&bytes).await;
                }
            }
            Some(Received::Close(channel)) => drop(writers.remove(&channel)),
            None => {}
        }
    }
}

/// Serves a connection whose messages are pieces of a byte stream. `talk` gets the stream.
pub(super) async fn tunnel<T, F, Fut>(io: T, talk: F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: FnOnce(tokio::io::DuplexStream) -> Fut,
    Fut: Future<Output = ()>,
{
    let (mut to, mut from) = socket(io).await.split();
    let (inner, outer) = tokio::io::duplex(2 * DATA_BYTES);
    let (mut reader, mut writer) = tokio::io::split(outer);
    let up = async {
        while let Some(Ok(message)) = from.next().await {
            if let Message::Binary(bytes) = message
                && writer.write_all(&bytes).await.is_err()
            {
                break;
            }
        }
        let _ = writer.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0; DATA_BYTES];
        while let Ok(n @ 1..) = reader.read(&mut buffer).await {
            if to.send(Message::binary(buffer[..n].to_vec())).await.is_err() {
                return;
            }
        }
        let _ = to.send(Message::Close(Some(farewell()))).await;
    };
    tokio::join!(biased; talk(inner), down, up);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const BINARY: Dialect = Dialect { base64: false, closes: false };
    const FIVE: Dialect = Dialect { base64: false, closes: true };
    const TEXT: Dialect = Dialect { base64: true, closes: false };

    #[rstest]
    #[case(b"\x00ls", BINARY, Some(Received::Data(0, b"ls".to_vec())))]
    #[case(b"\xff\x00", BINARY, Some(Received::Data(255, b"\0".to_vec())))]
    #[case(b"\xff\x00", FIVE, Some(Received::Close(0)))]
    #[case(b"\xff", FIVE, None)]
    #[case(b"0bHM=", TEXT, Some(Received::Data(0, b"ls".to_vec())))]
    #[case(b"4", TEXT, Some(Received::Data(4, vec![])))]
    #[case(b"0!", TEXT, None)]
    #[case(b"xbHM=", TEXT, None)]
    #[case(b"", BINARY, None)]
    fn messages(#[case] payload: &[u8], #[case] dialect: Dialect, #[case] received: Option<Received>) {
        assert_eq!(decode(payload, dialect), received);
    }

    proptest! {
        #[test]
        fn no_message_panics(payload in proptest::collection::vec(any::<u8>(), 0..64), base64: bool, closes: bool) {
            let _ = decode(&payload, Dialect { base64, closes });
        }
    }
}
