//! One connection: two pipes and the relay between them, which holds bytes back, or cuts. Not the choice of whom to disturb.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf, WriteHalf},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{SimulatedNetwork, rules::Wanted};

/// Bytes that a pipe holds, about what a host's socket does.
const PIPE: usize = 64 * 1024;
/// Bytes taken in one go.
const CHUNK: usize = 16 * 1024;
/// Bytes under way in a line with a delay.
const UNDER_WAY: usize = 1024 * 1024;

/// The relay's side of both pipes.
pub(super) struct Line {
    client: DuplexStream,
    server: DuplexStream,
    reset: Arc<AtomicBool>,
    /// Resets the connection.
    pub(super) cut: CancellationToken,
}

/// The end that a program holds.
pub(super) struct End {
    stream: DuplexStream,
    reset: Arc<AtomicBool>,
}

/// A fresh connection: the client's end, the server's, and what the relay needs.
pub(super) fn pipe() -> (End, End, Line) {
    let reset = Arc::new(AtomicBool::new(false));
    let (client, near) = tokio::io::duplex(PIPE);
    let (server, far) = tokio::io::duplex(PIPE);
    let line = Line { client: near, server: far, reset: reset.clone(), cut: CancellationToken::new() };
    (End { stream: client, reset: reset.clone() }, End { stream: server, reset }, line)
}

impl End {
    fn check(&self) -> io::Result<()> {
        if self.reset.load(Ordering::Relaxed) { Err(Errno::CONNRESET.into()) } else { Ok(()) }
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            // The end of a pipe whose connection was cut meanwhile is no orderly end.
            self.check()?;
        }
        read
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Err(_))) {
            self.check()?;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Carries bytes both ways until both ends are done or the connection is cut.
pub(super) async fn run(line: Line, network: &SimulatedNetwork, id: u64) {
    let Line { client, server, reset, cut } = line;
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        biased;
        () = cut.cancelled() => reset.store(true, Ordering::Relaxed),
        _ = async {
            tokio::join!(carry(from_client, to_server, network, id), carry(from_server, to_client, network, id))
        } => {}
    }
}

/// Carries bytes one way. An error means that the receiver is gone, which is this direction's end.
async fn carry(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>, network: &SimulatedNetwork, id: u64) {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut held = 0;
    let mut open = true;
    let mut chunk = vec![0; CHUNK];
    while open || !under_way.is_empty() {
        let changed = network.0.changed.notified();
        let wanted = network.wanted(id);
        let due = under_way.front().map(|(due, _)| *due).filter(|_| !wanted.hole);
        tokio::select! {
            biased;
            () = changed => {}
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let Some((_, bytes)) = under_way.pop_front() else { continue };
                held -= bytes.len();
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            read = from.read(&mut chunk), if open && held < UNDER_WAY && !wanted.hole => match read {
                Ok(0) | Err(_) => {
                    // The end of the bytes is under way as long as they are.
                    open = false;
                    under_way.push_back((Instant::now() + wanted.delay, Vec::new()));
                }
                Ok(n) if wanted.delay.is_zero() && under_way.is_empty() => {
                    if to.write_all(&chunk[..n]).await.is_err() {
                        return;
                    }
                }
                Ok(n) => {
                    held += n;
                    // Bytes arrive in order, so a delay that shrinks does not let later ones overtake.
                    under_way.push_back((Instant::now() + wanted.delay, chunk[..n].to_vec()));
                }
            },
        }
    }
    let _ = to.shutdown().await;
}

impl SimulatedNetwork {
    /// What the rules want of an open connection now.
    fn wanted(&self, id: u64) -> Wanted {
        let state = self.state();
        state.open.get(&id).map_or_else(Wanted::default, |open| state.rules.on_open(&open.names, open.since))
    }
}
