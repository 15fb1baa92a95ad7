//! What every streaming connection shares, whatever it speaks: one bounded queue to the client, named ways into it, and its end.
//!
//! A client that does not read fills the queue and then makes writers wait; it costs no more memory than that.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::spdy::{CANCEL, DATA_BYTES, Encoder, Frame, data};

/// Messages that wait to be written, each at most [`DATA_BYTES`] and a head.
const QUEUE: usize = 16;

/// A connection on which nothing moves ends after this. As upstream's default.
pub(super) const IDLE: Duration = Duration::from_secs(4 * 60 * 60);

/// How long clients have to open the streams they asked for. As upstream's default.
pub(super) const STREAM_CREATION: Duration = Duration::from_secs(30);

/// How long a connection that has said all stays open for its client to hang up: closing earlier could lose what is under way.
const LINGER: Duration = Duration::from_secs(5);

/// The client is not there any more, or wants no more of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Something to write.
#[derive(Debug)]
pub(super) enum Out {
    /// Bytes of SPDY, or one WebSocket message.
    Bytes(Vec<u8>),
    /// Nothing follows.
    End,
}

/// The queue's two ends.
pub(super) fn queue() -> (mpsc::Sender<Out>, mpsc::Receiver<Out>) {
    mpsc::channel(QUEUE)
}

/// How bytes of a stream are wrapped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// A SPDY stream.
    Spdy(u32),
    /// A WebSocket channel; as text in base64 or as bytes.
    Channel {
        /// Its number.
        number: u8,
        /// Whether it is text.
        base64: bool,
    },
}

/// A way to the client.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    to: mpsc::Sender<Out>,
    framing: Framing,
    /// The client has reset it, or it has been closed.
    pub(super) closed: Arc<AtomicBool>,
}

impl Outgoing {
    pub(super) fn new(to: mpsc::Sender<Out>, framing: Framing) -> Self {
        Self { to, framing, closed: Arc::default() }
    }

    fn frame(&self, bytes: &[u8], fin: bool) -> Vec<u8> {
        match self.framing {
            Framing::Spdy(stream) => data(stream, bytes, fin),
            Framing::Channel { number, base64: false } => [&[number], bytes].concat(),
            Framing::Channel { number, base64: true } => {
                format!("{}{}", char::from(b'0' + number % 10), STANDARD.encode(bytes)).into_bytes()
            }
        }
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.to.send(Out::Bytes(bytes)).await.map_err(|_| Gone)
    }

    /// Sends bytes, waiting while the client does not read.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), Gone> {
        for piece in bytes.chunks(DATA_BYTES) {
            if self.closed.load(Ordering::Acquire) {
                return Err(Gone);
            }
            self.send(self.frame(piece, false)).await?;
        }
        Ok(())
    }

    /// Sends a message without content: WebSocket clients take it as a sign that they are heard.
    pub(super) async fn greet(&self) {
        let _ = self.send(self.frame(&[], false)).await;
    }

    /// Ends it. WebSocket channels have no end of their own.
    pub(crate) async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) && matches!(self.framing, Framing::Spdy(_)) {
            let _ = self.send(self.frame(&[], true)).await;
        }
    }

    /// Takes it away from the client.
    pub(crate) async fn reset(&self) {
        self.closed.store(true, Ordering::Release);
        if let Framing::Spdy(stream) = self.framing {
            let _ = self.send(Encoder::default().encode(&Frame::Reset { stream, status: CANCEL })).await;
        }
    }
}

/// When something last moved on a connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    pub(super) fn moved(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn idle(&self) {
        loop {
            let end = self.last() + IDLE;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// Runs a connection's three sides to its end: `read` takes in what the client sends until it goes, `write` sends what is in the queue
/// until `Out::End`, `talk` is what it is all for.
pub(super) async fn drive(
    read: impl Future<Output = ()>,
    write: impl Future<Output = ()>,
    talk: impl Future<Output = ()>,
    out: mpsc::Sender<Out>,
    gone: CancellationToken,
    activity: Arc<Activity>,
) {
    let talk = async {
        talk.await;
        let _ = out.send(Out::End).await;
    };
    let write = async {
        write.await;
        // Nobody hears what is said from here on.
        gone.cancel();
    };
    let both = async { tokio::join!(biased; write, talk) };
    tokio::pin!(read, both);
    tokio::select! {
        biased;
        () = &mut read => {
            // What is on its way may still be taken: a client can end its half first.
            gone.cancel();
            let _ = timeout(LINGER, both).await;
        }
        _ = &mut both => {
            let _ = timeout(LINGER, read).await;
        }
        () = activity.idle() => gone.cancel(),
    }
}
