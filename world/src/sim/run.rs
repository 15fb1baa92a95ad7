//! Runs one simulation: a single thread under virtual time, with a limit on virtual time and a watchdog on real time.
//!
//! The simulation has a thread of its own, so that one that hangs can be reported by the thread that waits for it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::SimWorld;
use crate::{Tasks, tasks::TaskPanic};

/// Room on the simulation's stack: debug builds nest deep futures.
const STACK: usize = 16 * 1024 * 1024;

/// How long a simulation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Virtual time. A simulation in which everything waits for ever gets there at once.
    pub virtual_time: Duration,
    /// Real time: a simulation whose tasks keep each other busy never gets on in virtual time.
    pub real_time: Duration,
}

impl Default for Limits {
    /// A virtual day and a real minute.
    fn default() -> Self {
        Self { virtual_time: Duration::from_secs(24 * 60 * 60), real_time: Duration::from_secs(60) }
    }
}

/// Why a simulation has no result.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The virtual limit was reached.
    #[error("seed {seed}: not done after {limit:?} of virtual time; alive: {}", list(.alive))]
    VirtualTime {
        /// The limit.
        limit: Duration,
        /// The seed of the run.
        seed: u64,
        /// Names of the tasks alive then.
        alive: Vec<String>,
    },
    /// The real limit was reached: something runs without ever waiting for time. Its thread cannot be stopped and goes on.
    #[error("seed {seed}: not done after {limit:?} of real time; alive: {}", list(.alive))]
    RealTime {
        /// The limit.
        limit: Duration,
        /// The seed of the run.
        seed: u64,
        /// Names of the tasks alive then.
        alive: Vec<String>,
    },
    /// Tasks did not end after they were cancelled.
    #[error("seed {seed}: still alive after the end: {}", list(.alive))]
    Shutdown {
        /// The seed of the run.
        seed: u64,
        /// Their names.
        alive: Vec<String>,
    },
    /// A task panicked.
    #[error("seed {seed}: {panic}")]
    Panic {
        /// The seed of the run.
        seed: u64,
        /// Which, and what it said.
        panic: TaskPanic,
    },
    /// The system gave no thread or no runtime.
    #[error("cannot start a simulation")]
    Start(#[source] std::io::Error),
}

fn list(alive: &[String]) -> String {
    if alive.is_empty() { "no task but the main one".to_owned() } else { alive.join(", ") }
}

/// Runs `scenario` in a fresh world drawn from `seed`, then cancels and awaits the tasks it left. The same seed and scenario run the same.
///
/// A panic of the scenario itself goes on in the caller, as an assertion in a test should.
pub fn run<F, Fut, T>(seed: u64, limits: Limits, scenario: F) -> Result<T, SimError>
where
    F: FnOnce(SimWorld, Tasks) -> Fut + Send + 'static,
    Fut: Future<Output = T>,
    T: Send + 'static,
{
    let tasks = Tasks::root("sim");
    let watched = tasks.clone();
    let (to, from) = mpsc::sync_channel(1);
    let simulate = move || {
        let done = catch_unwind(AssertUnwindSafe(|| simulate(seed, limits, scenario, tasks)));
        // Nobody listens after the real limit.
        let _ = to.send(done);
    };
    thread::Builder::new().name("simulation".to_owned()).stack_size(STACK).spawn(simulate).map_err(SimError::Start)?;
    match from.recv_timeout(limits.real_time) {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(SimError::RealTime { limit: limits.real_time, seed, alive: watched.live() }),
    }
}

fn simulate<F, Fut, T>(seed: u64, limits: Limits, scenario: F, tasks: Tasks) -> Result<T, SimError>
where
    F: FnOnce(SimWorld, Tasks) -> Fut,
    Fut: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(SimError::Start)?;
    runtime.block_on(async {
        let limit = limits.virtual_time;
        let end = tokio::time::Instant::now() + limit;
        // What the world runs for itself outlives what the scenario starts: stopping servers may want to say good-bye.
        let under = Tasks::root("world");
        let world = SimWorld::new(seed, &under);
        let result = tokio::select! {
            biased;
            panic = tasks.panicked() => return Err(SimError::Panic { seed, panic }),
            result = scenario(world, tasks.clone()) => result,
            () = tokio::time::sleep_until(end) => return Err(SimError::VirtualTime { limit, seed, alive: tasks.live() }),
        };
        let over = tokio::time::Instant::now() + limit;
        tokio::time::timeout_at(over, tasks.shutdown())
            .await
            .map_err(|_| SimError::Shutdown { seed, alive: tasks.live() })?;
        under.shutdown().await;
        match tasks.panics().into_iter().chain(under.panics()).next() {
            Some(panic) => Err(SimError::Panic { seed, panic }),
            None => Ok(result),
        }
    })
}
