//! Helper programs: run with arguments, environment and standard input; answer with status and output.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

pub mod real;

/// A program to run. The environment is exactly `env`, nothing is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Absolute path of the executable.
    pub program: PathBuf,
    /// Arguments, without the program's own name.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// How long it may take; it is killed then and the call fails with `TimedOut`. `None` is for ever.
    pub timeout: Option<Duration>,
    /// How many bytes of each output stream are kept; more is an error of kind `FileTooLarge`.
    pub output_limit: usize,
}

/// What a program left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code; 128 plus the signal if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// What a program that is started gets from its parent unless it is told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// Environment of this process.
    pub env: Vec<(String, String)>,
    /// Directory that this process works in.
    pub working_dir: PathBuf,
}

/// What an arm does.
pub trait Run: Send + Sync + fmt::Debug {
    /// Runs a program to its end. `NotFound` if there is none at that path.
    fn run(&self, invocation: Invocation) -> BoxFuture<'_, io::Result<Outcome>>;
    /// What programs would inherit.
    fn parent(&self) -> Parent;
}

/// The way to run helper programs.
#[derive(Clone, Debug)]
pub struct Programs(Arc<dyn Run>);

impl Programs {
    /// Child processes of this one.
    pub fn real() -> Self {
        Self::new(real::ChildProcesses)
    }

    /// Wraps an arm.
    pub fn new(run: impl Run + 'static) -> Self {
        Self(Arc::new(run))
    }

    /// What programs would inherit from this process; nothing is handed on by itself.
    pub fn parent(&self) -> Parent {
        self.0.parent()
    }

    /// Runs a program to its end; see [`Run::run`].
    pub async fn run(&self, invocation: Invocation) -> io::Result<Outcome> {
        self.0.run(invocation).await
    }
}

/// What an arm says of a program that writes more than is kept.
pub(crate) fn too_much_output(limit: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the program wrote more than {limit} bytes"))
}

/// What an arm says of a program that it killed for taking too long.
pub(crate) fn too_slow(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the program took over {limit:?}"))
}
