//! A container's own streams: its log, clients that are attached to it, and where its input comes from. Not the clients' connections.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;

use crate::{
    logs::{Log, Stream},
    os::{
        Descriptor, Errno, Kernel, OpenFile, Terminal,
        pipe::{Null, PipeReader, PipeWriter, pipe},
    },
};

/// How long a container waits for an attached client that does not read, before it goes on without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What goes in and out of one container.
#[derive(Debug)]
pub struct Stdio {
    log: Arc<Log>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Clients' ends, by stream.
    attached: Vec<(Stream, Arc<PipeWriter>)>,
    input: Option<Arc<PipeWriter>>,
    terminal: Option<Arc<Terminal>>,
}

/// What a container's process writes to.
#[derive(Debug)]
struct Output {
    stdio: Arc<Stdio>,
    stream: Stream,
}

impl OpenFile for Output {
    fn read(&self, _max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        let logged = self.stdio.log.write(self.stream, bytes);
        let clients: Vec<_> =
            self.stdio.state().attached.iter().filter(|(s, _)| *s == self.stream).map(|(_, to)| to.clone()).collect();
        if clients.is_empty() {
            return Box::pin(async move { logged });
        }
        Box::pin(async move {
            for client in clients {
                if !matches!(tokio::time::timeout(PATIENCE, client.write(bytes)).await, Ok(Ok(()))) {
                    self.stdio.state().attached.retain(|(_, to)| !Arc::ptr_eq(to, &client));
                }
            }
            logged
        })
    }
}

impl Stdio {
    /// Streams that go to `log` only.
    pub fn new(log: Arc<Log>) -> Arc<Self> {
        Arc::new(Self { log, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Descriptors 0, 1 and 2 of the first process: a terminal on `kernel`, or streams of their own, with input if `stdin`.
    pub(crate) fn open(self: &Arc<Self>, kernel: &Kernel, stdin: bool, tty: bool) -> [Descriptor; 3] {
        let output = |stream| Arc::new(Output { stdio: self.clone(), stream }) as Descriptor;
        if tty {
            let terminal = Arc::new(Terminal::new(kernel.clone(), output(Stream::Stdout)));
            self.state().terminal = Some(terminal.clone());
            return [terminal.clone(), terminal.clone(), terminal];
        }
        let input: Descriptor = if stdin {
            let (reader, writer) = pipe();
            self.state().input = Some(writer);
            reader
        } else {
            Arc::new(Null)
        };
        [input, output(Stream::Stdout), output(Stream::Stderr)]
    }

    /// What is written from now on to standard output and error, each only if wanted. It ends with the container.
    pub(crate) fn attach(&self, stdout: bool, stderr: bool) -> (Arc<PipeReader>, Arc<PipeReader>) {
        let mut state = self.state();
        let mut join = |stream, wanted| {
            let (reader, writer) = pipe();
            if wanted {
                state.attached.push((stream, writer));
            }
            reader
        };
        (join(Stream::Stdout, stdout), join(Stream::Stderr, stderr))
    }

    /// Where clients write input, if the container reads any and it has not been closed.
    pub(crate) fn input(&self) -> Option<Arc<PipeWriter>> {
        self.state().input.clone()
    }

    /// Ends the input for good.
    pub(crate) fn close_input(&self) {
        let closed = self.state().input.take();
        drop(closed);
    }

    /// The container's terminal, if it has one.
    pub(crate) fn terminal(&self) -> Option<Arc<Terminal>> {
        self.state().terminal.clone()
    }

    /// The container has ended: so do all that are attached.
    pub(crate) fn close(&self) {
        let state = std::mem::take(&mut *self.state());
        if let Some(terminal) = &state.terminal {
            terminal.hang_up();
        }
        drop(state);
    }
}
