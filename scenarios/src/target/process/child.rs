//! A child process whose standard error goes into the history line by line. The one place of this crate that starts processes.
#![expect(
    clippy::disallowed_types,
    reason = "World::programs runs programs to their end; these run beside the scenario"
)]

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
    sync::Notify,
};
use world::Tasks;

use crate::{
    history::{History, What},
    target::TargetError,
};

/// How many lines of what a process said last are kept.
const LAST: usize = 5;

/// Whether a kubelet has this flag, which takes a path.
pub(super) async fn knows(kubelet: &Path, flag: &str) -> bool {
    let asked = Command::new(kubelet).args([&format!("{flag}=/"), "--version"]).kill_on_drop(true).output();
    let answer = tokio::time::timeout(Duration::from_secs(10), asked).await;
    matches!(answer, Ok(Ok(output)) if output.status.success())
}

/// A running process, or one that ended.
pub(super) struct Child {
    id: u32,
    ended: Arc<Ended>,
}

#[derive(Default)]
struct Ended {
    exit: Mutex<Option<i32>>,
    said: Mutex<Vec<String>>,
    changed: Notify,
}

impl Child {
    /// Starts `program` with `args`. It is killed when its task is cancelled.
    pub(super) fn spawn(
        name: &str,
        program: &Path,
        args: &[String],
        history: &History,
        tasks: &Tasks,
    ) -> Result<Self, TargetError> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| TargetError::io(format!("start {}", program.display()), e))?;
        let id = child.id().unwrap_or(0);
        let ended = Arc::new(Ended::default());
        let readers: Vec<_> = [
            child.stdout.take().map(|out| Box::new(out) as Box<dyn AsyncRead + Send + Unpin>),
            child.stderr.take().map(|err| Box::new(err) as Box<dyn AsyncRead + Send + Unpin>),
        ]
        .into_iter()
        .flatten()
        .map(|out| tasks.spawn(&format!("{name}-output"), record(out, history.clone(), ended.clone())))
        .collect();
        let (done, told, what) = (ended.clone(), history.clone(), name.to_owned());
        tasks.spawn(&format!("{name}-wait"), async move {
            let status = child.wait().await;
            for reader in readers {
                // A grandchild may hold the pipe open: what came so far is enough.
                let _ = tokio::time::timeout(Duration::from_millis(200), reader).await;
            }
            use std::os::unix::process::ExitStatusExt as _;
            let code = status.map_or(-1, |s| s.code().unwrap_or_else(|| 128 + s.signal().unwrap_or(0)));
            *done.exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
            told.push(What::Kubelet(format!("{what} ended with code {code}")));
            done.changed.notify_one();
        });
        Ok(Self { id, ended })
    }

    /// What kills it on the spot, for somebody who cannot wait for its end.
    pub(super) fn killer(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (id, ended) = (self.id, self.ended.clone());
        Arc::new(move || signal(id, &ended, Signal::KILL))
    }

    /// Exit code and what it said last, if it has ended.
    pub(super) fn exit(&self) -> Option<(i32, String)> {
        let code = (*self.ended.exit.lock().unwrap_or_else(PoisonError::into_inner))?;
        let said = self.ended.said.lock().unwrap_or_else(PoisonError::into_inner);
        Some((code, said.join("\n")))
    }

    /// Asks it to end, kills it when `patience` is over, and waits until it has ended.
    pub(super) async fn end(&self, patience: Duration) -> Result<(), TargetError> {
        if patience > Duration::ZERO {
            signal(self.id, &self.ended, Signal::TERM);
            if tokio::time::timeout(patience, self.wait()).await.is_ok() {
                return Ok(());
            }
        }
        signal(self.id, &self.ended, Signal::KILL);
        let waited = tokio::time::timeout(Duration::from_secs(10), self.wait()).await;
        waited.map_err(|_| TargetError::Failed(format!("process {} does not end", self.id)))
    }

    async fn wait(&self) {
        while self.exit().is_none() {
            self.ended.changed.notified().await;
        }
    }
}

/// Signals a child that has not ended as far as is known.
fn signal(id: u32, ended: &Ended, signal: Signal) {
    let running = ended.exit.lock().unwrap_or_else(PoisonError::into_inner).is_none();
    if running && let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have ended this moment.
        let _ = kill_process(pid, signal);
    }
}

async fn record(out: Box<dyn AsyncRead + Send + Unpin>, history: History, ended: Arc<Ended>) {
    let mut lines = BufReader::new(out).lines();
    let mut open = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(line) = super::poll::whole(&mut open, history.known(line)) else { continue };
        if let Some(event) = super::poll::event(&line) {
            history.push(What::Event(event));
        }
        {
            let mut said = ended.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == LAST {
                said.remove(0);
            }
            said.push(line.clone());
        }
        history.push(What::Log(line));
    }
}
