//! The process table of one pid namespace: starting, finding, ending. Mirrors Linux where containers can tell.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use world::Tasks;

use super::{
    Code, Credentials, Descriptor, Disposition, FileTree, Pid, Process, Program, Signal, Surroundings, process::State,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with a status.
    Code(Code),
    /// By a signal.
    Signal(Signal),
    /// By the out-of-memory killer.
    OutOfMemory,
}

impl Exit {
    /// The status that a shell or a container runtime shows.
    pub fn code(self) -> Code {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.exit_code(),
            Self::OutOfMemory => Signal::KILL.exit_code(),
        }
    }
}

/// What a new process starts with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Arguments, the program's name first.
    pub args: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Working directory, absolute.
    pub cwd: String,
    /// Who it acts as.
    pub credentials: Credentials,
    /// The files it sees.
    pub files: FileTree,
    /// Open descriptors.
    pub descriptors: BTreeMap<u32, Descriptor>,
    /// Signals that it ignores from the start.
    pub dispositions: BTreeMap<Signal, Disposition>,
}

/// A pid namespace. Clones are the same one.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

struct Inner {
    tasks: Tasks,
    surroundings: Surroundings,
    booted: Instant,
    table: Mutex<Table>,
}

struct Table {
    next: Pid,
    processes: BTreeMap<Pid, Process>,
    memory_limit: Option<u64>,
    network_admin: bool,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({} processes)", self.table().processes.len())
    }
}

/// Most processes that one kernel runs: a fork bomb ends here, not in the host's memory.
const PROCESS_LIMIT: usize = 4096;

impl Kernel {
    /// An empty namespace whose processes run in `tasks`.
    pub fn new(tasks: Tasks, surroundings: Surroundings) -> Self {
        let table = Table { next: 1, processes: BTreeMap::new(), memory_limit: None, network_admin: false };
        Self(Arc::new(Inner { tasks, surroundings, booted: Instant::now(), table: Mutex::new(table) }))
    }

    /// The outside of its processes.
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// The tasks that its processes are.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    /// Grants the right to change the network.
    pub fn allow_network_administration(&self, allowed: bool) {
        self.table().network_admin = allowed;
    }

    /// Whether processes may change the network.
    pub fn may_administer_network(&self) -> bool {
        self.table().network_admin
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the namespace began.
    pub fn booted(&self) -> Instant {
        self.0.booted
    }

    /// Bytes that all processes together may hold; `None` for no limit.
    pub fn set_memory_limit(&self, limit: Option<u64>) {
        self.table().memory_limit = limit.filter(|l| *l > 0);
        self.check_memory();
    }

    /// Starts a program, as a child of `parent`. `None` if there are too many processes.
    pub fn launch(&self, parent: Option<&Process>, launch: Launch, program: Program) -> Option<Process> {
        let process = {
            let mut table = self.table();
            if table.processes.len() >= PROCESS_LIMIT {
                return None;
            }
            let pid = table.next;
            table.next += 1;
            let state = State {
                parent: parent.map(Process::pid),
                args: launch.args,
                env: launch.env,
                cwd: launch.cwd,
                credentials: launch.credentials,
                descriptors: launch.descriptors,
                dispositions: launch.dispositions,
                pending: VecDeque::new(),
                fatal: None,
                exit: None,
                children: BTreeSet::new(),
                memory: 0,
            };
            let process = Process::new(pid, self.clone(), launch.files, state);
            table.processes.insert(pid, process.clone());
            process
        };
        if let Some(parent) = parent {
            parent.state().children.insert(process.pid());
        }
        let running = process.clone();
        let name = format!("pid {}", process.pid());
        drop(self.0.tasks.spawn(&name, async move {
            let fatal = running.clone();
            let exit = tokio::select! {
                biased;
                exit = fatal.fatal() => exit,
                code = program(running.clone()) => Exit::Code(code & 0xff),
            };
            running.kernel().clone().ended(&running, exit);
        }));
        Some(process)
    }

    /// A process by number, while it runs or waits to be waited for.
    pub fn process(&self, pid: Pid) -> Option<Process> {
        self.table().processes.get(&pid).cloned()
    }

    /// All processes, by number, ended ones that nobody waited for included.
    pub fn processes(&self) -> Vec<Process> {
        self.table().processes.values().cloned().collect()
    }

    /// Sends a signal to every process.
    pub fn signal_all(&self, signal: Signal) {
        for process in self.processes() {
            process.signal(signal);
        }
    }

    pub(super) fn reap(&self, pid: Pid) {
        let reaped = self.table().processes.remove(&pid);
        drop(reaped);
    }

    /// What the kernel does when a process ends: children go to the first process, the parent learns of it, and with the first
    /// process of a namespace all others die.
    fn ended(&self, process: &Process, exit: Exit) {
        process.finish(exit);
        let orphans = std::mem::take(&mut process.state().children);
        let first = process.pid() == 1;
        for child in orphans.into_iter().filter_map(|pid| self.process(pid)) {
            child.state().parent = Some(1);
            if child.exit().is_some() {
                self.reap(child.pid());
            }
        }
        if first {
            self.signal_all(Signal::KILL);
        }
        let parent = process.state().parent.and_then(|pid| self.process(pid)).filter(|p| p.exit().is_none());
        match parent {
            // The first process reaps whatever it inherits, as an init does.
            Some(parent) if !parent.state().children.contains(&process.pid()) => self.reap(process.pid()),
            Some(parent) => {
                parent.signal(Signal::CHLD);
                parent.notify_child_ended();
            }
            None => self.reap(process.pid()),
        }
    }

    /// Kills the largest process while all together hold more than the limit.
    pub(super) fn check_memory(&self) {
        let Some(limit) = self.table().memory_limit else { return };
        let living: Vec<_> = self.processes().into_iter().filter(|p| p.exit().is_none()).collect();
        let total: u64 = living.iter().map(Process::memory).fold(0, u64::saturating_add);
        if total > limit
            && let Some(largest) = living.iter().max_by_key(|p| p.memory())
        {
            largest.out_of_memory();
        }
    }
}
