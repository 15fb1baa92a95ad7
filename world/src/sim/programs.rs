//! Programs that are functions: the same arguments, environment, input, output and exit contract as child processes, under virtual time.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use rustix::io::Errno;

use crate::programs::{Invocation, Outcome, Parent, Run, too_much_output};

type Program = Arc<dyn Fn(Invocation) -> BoxFuture<'static, io::Result<Outcome>> + Send + Sync>;

/// The programs that exist. Clones share one table.
#[derive(Clone, Default)]
pub struct RegisteredPrograms(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    programs: BTreeMap<PathBuf, Program>,
    calls: Vec<Invocation>,
}

impl fmt::Debug for RegisteredPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table().programs.keys()).finish()
    }
}

impl RegisteredPrograms {
    /// No programs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a program at `path`, in place of another. Dropping its future is what killing is to a process; an error that it returns is
    /// one of starting it.
    pub fn register<F, Fut>(&self, path: impl Into<PathBuf>, program: F)
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Outcome>> + Send + 'static,
    {
        self.table().programs.insert(path.into(), Arc::new(move |invocation| program(invocation).boxed()));
    }

    /// Takes a program away; what runs goes on.
    pub fn unregister(&self, path: impl Into<PathBuf>) {
        self.table().programs.remove(&path.into());
    }

    /// Every invocation so far, of programs that exist, in order.
    pub fn calls(&self) -> Vec<Invocation> {
        self.table().calls.clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, invocation: Invocation) -> io::Result<BoxFuture<'static, io::Result<Outcome>>> {
        let program = {
            let mut table = self.table();
            let program = table.programs.get(&invocation.program).cloned().ok_or(Errno::NOENT)?;
            table.calls.push(invocation.clone());
            program
        };
        Ok(program(invocation))
    }
}

impl Run for RegisteredPrograms {
    fn parent(&self) -> Parent {
        let env = [("HOME", "/home/kubelet"), ("PATH", "/usr/bin:/bin")];
        Parent {
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            working_dir: PathBuf::from("/"),
        }
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'_, io::Result<Outcome>> {
        async move {
            let (limit, kept) = (invocation.timeout, invocation.output_limit);
            let running = self.start(invocation)?;
            let outcome = match limit {
                Some(limit) => {
                    tokio::time::timeout(limit, running).await.map_err(|_| crate::programs::too_slow(limit))?
                }
                None => running.await,
            }?;
            if outcome.stdout.len().max(outcome.stderr.len()) > kept {
                return Err(too_much_output(kept));
            }
            Ok(outcome)
        }
        .boxed()
    }
}
