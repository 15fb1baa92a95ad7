//! The process table of one pid namespace: starting, finding, ending. Mirrors Linux where containers can tell.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::time::Instant;
use world::Tasks;

use super::{
    Cgroup, Code, Confinement, Credentials, Descriptor, Disposition, FileTree, Memory, Pid, Process, Program, Signal,
    Surroundings, process::State,
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
    /// What the runtime set around it.
    pub confinement: Arc<Confinement>,
}

impl Launch {
    /// A child of `process` that runs another command: everything else is as its parent's.
    pub fn child(process: &Process, args: Vec<String>) -> Self {
        Self {
            args,
            env: process.env(),
            cwd: process.cwd(),
            credentials: process.credentials(),
            files: process.files().clone(),
            descriptors: process.descriptors(),
            dispositions: process.inherited_dispositions(),
            confinement: process.confinement().clone(),
        }
    }
}

/// A pid namespace. Clones are the same one.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

/// A pid namespace that may have gone.
#[derive(Clone, Debug)]
pub struct WeakKernel(Weak<Inner>);

impl WeakKernel {
    /// The namespace, if it is still there.
    pub fn upgrade(&self) -> Option<Kernel> {
        self.0.upgrade().map(Kernel)
    }
}

struct Inner {
    tasks: Tasks,
    surroundings: Surroundings,
    booted: Instant,
    /// The node's namespace, which sees the processes of all others; `None` in the node's own.
    node: Option<Kernel>,
    /// Whether its processes are numbered by the node and see all of the node's.
    on_node: bool,
    memory: Memory,
    table: Mutex<Table>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kernel")
    }
}

struct Table {
    next: Pid,
    processes: BTreeMap<Pid, Process>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({} processes)", self.table().processes.len())
    }
}

/// Most processes that one kernel runs: a fork bomb ends here, not in the host's memory.
const PROCESS_LIMIT: usize = 4096;

/// The permissions that what a container makes does not get, as runtimes start its first process.
const UMASK: u32 = 0o022;

/// The first number that the node gives to a simulated process.
const FIRST_ON_NODE: Pid = 1000;

impl Kernel {
    /// An empty namespace whose processes run in `tasks`. `node` is the one that sees them too.
    pub fn new(tasks: Tasks, surroundings: Surroundings, node: Option<Kernel>) -> Self {
        // On the node the low numbers belong to what is not simulated.
        let next = if node.is_some() { 1 } else { FIRST_ON_NODE };
        let table = Mutex::new(Table { next, processes: BTreeMap::new() });
        Self(Arc::new(Inner {
            tasks,
            surroundings,
            booted: Instant::now(),
            node,
            on_node: false,
            memory: Memory::default(),
            table,
        }))
    }

    /// A part of the node's own namespace, with surroundings of its own: its processes see all others.
    pub fn on_node(tasks: Tasks, surroundings: Surroundings, node: Kernel) -> Self {
        let table = Mutex::new(Table { next: 1, processes: BTreeMap::new() });
        Self(Arc::new(Inner {
            tasks,
            surroundings,
            booted: Instant::now(),
            node: Some(node),
            on_node: true,
            memory: Memory::default(),
            table,
        }))
    }

    /// Whose processes are seen: the node's for a part of its namespace.
    fn seen(&self) -> &Self {
        self.0.node.as_ref().filter(|_| self.0.on_node).unwrap_or(self)
    }

    /// Itself, without keeping it.
    pub fn downgrade(&self) -> WeakKernel {
        WeakKernel(Arc::downgrade(&self.0))
    }

    /// The number that a process has in this namespace: its own, or on the node another.
    pub fn number_of(&self, process: &Process) -> Pid {
        if Arc::ptr_eq(&self.0, &process.kernel().0) { process.pid() } else { process.node_pid() }
    }

    /// The outside of its processes.
    pub fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// What its shells hold.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// The tasks that its processes are.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the namespace began.
    pub fn booted(&self) -> Instant {
        self.0.booted
    }

    /// Bytes that the processes of a group together may hold; `None` for no limit.
    pub fn set_memory_limit(&self, group: &Cgroup, limit: Option<u64>) {
        group.set_memory_limit(limit);
        self.check_memory(group);
    }

    /// Starts a program, as a child of `parent`. `None` if there are too many processes.
    pub fn launch(&self, parent: Option<&Process>, launch: Launch, program: Program) -> Option<Process> {
        let process = {
            let mut table = self.table();
            if table.processes.len() >= PROCESS_LIMIT {
                return None;
            }
            let node_pid = self.0.node.as_ref().map(Self::take_number);
            let pid = match node_pid {
                Some(number) if self.0.on_node => number,
                _ => {
                    table.next += 1;
                    table.next - 1
                }
            };
            let node_pid = node_pid.unwrap_or(pid);
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
                umask: parent.map_or(UMASK, Process::umask),
            };
            let process = Process::new((pid, node_pid), self.clone(), &launch.files, launch.confinement, state);
            table.processes.insert(pid, process.clone());
            process
        };
        if let Some(node) = &self.0.node {
            node.table().processes.insert(process.node_pid(), process.clone());
        }
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
            let exit = running.state().fatal.unwrap_or(exit);
            running.kernel().clone().ended(&running, exit);
        }));
        Some(process)
    }

    fn take_number(&self) -> Pid {
        let mut table = self.table();
        table.next += 1;
        table.next - 1
    }

    /// A process by number, while it runs or waits to be waited for.
    pub fn process(&self, pid: Pid) -> Option<Process> {
        self.seen().table().processes.get(&pid).cloned()
    }

    /// All processes that are seen here, by number, ended ones that nobody waited for included.
    pub fn processes(&self) -> Vec<Process> {
        self.seen().table().processes.values().cloned().collect()
    }

    /// Sends a signal to every process of this namespace.
    pub fn signal_all(&self, signal: Signal) {
        for process in self.processes().into_iter().filter(|p| Arc::ptr_eq(&p.kernel().0, &self.0)) {
            process.signal(signal);
        }
    }

    /// Processes of a control group.
    pub fn members(&self, group: &Cgroup) -> Vec<Process> {
        let mut members = self.processes();
        members.retain(|p| p.confinement().cgroup.is(group));
        members
    }

    pub(super) fn reap(&self, pid: Pid) {
        let reaped = self.table().processes.remove(&pid);
        if let (Some(node), Some(process)) = (&self.0.node, &reaped) {
            let seen = node.table().processes.remove(&process.node_pid());
            drop(seen);
        }
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

    /// Kills the largest process of a group, or all of them, while they together hold more than its limit.
    pub(super) fn check_memory(&self, group: &Cgroup) {
        let Some(limit) = group.memory_limit() else { return };
        let mut living = self.members(group);
        living.retain(|p| p.exit().is_none());
        let total: u64 = living.iter().map(Process::memory).fold(0, u64::saturating_add);
        if total > limit
            && let Some(largest) = living.iter().max_by_key(|p| p.memory())
        {
            let all = group.run_out();
            for process in living.iter().filter(|process| all || process.pid() == largest.pid()) {
                process.out_of_memory();
            }
        }
    }
}
