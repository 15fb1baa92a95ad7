//! Child processes of this one.

use std::{
    io,
    process::{ExitStatus, Stdio},
};

use std::os::unix::process::ExitStatusExt as _;

use futures_util::future::{BoxFuture, FutureExt as _};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Invocation, Outcome, Parent, Run, too_much_output, too_slow};

/// The host's programs, each in a process group of its own, so that ending one ends what it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChildProcesses;

impl Run for ChildProcesses {
    fn parent(&self) -> Parent {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Parent {
            env: std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
            working_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'_, io::Result<Outcome>> {
        async move {
            let limit = invocation.timeout;
            let run = run(invocation);
            match limit {
                Some(limit) => tokio::time::timeout(limit, run).await.map_err(|_| too_slow(limit))?,
                None => run.await,
            }
        }
        .boxed()
    }
}

/// Kills a program's process group when its run is given up: timeout, too much output, a caller that went away.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Nobody left is no error.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[expect(clippy::disallowed_types, reason = "the one place that starts child processes")]
async fn run(invocation: Invocation) -> io::Result<Outcome> {
    let mut child = tokio::process::Command::new(&invocation.program)
        .args(&invocation.args)
        .env_clear()
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        match stdin.write_all(&invocation.stdin).await {
            // A program need not read what it is given.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    };
    let limit = invocation.output_limit;
    let ((), stdout, stderr, status) =
        tokio::try_join!(feed, collect(stdout, limit), collect(stderr, limit), child.wait())?;
    // It ended by itself: what it left running on purpose may stay, and its number may be another's soon.
    group.0 = None;
    Ok(Outcome { code: code(status), stdout, stderr })
}

async fn collect(from: Option<impl AsyncRead + Unpin>, limit: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(from) = from {
        from.take((limit as u64).saturating_add(1)).read_to_end(&mut kept).await?;
    }
    if kept.len() > limit { Err(too_much_output(limit)) } else { Ok(kept) }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
