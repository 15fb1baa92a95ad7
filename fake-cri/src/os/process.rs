//! One process: its identity, environment, descriptors, signal handling and end.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Confinement, Descriptor, Disposition, Errno, Exit, FileTree, Kernel, Pid, Signal,
    capability::{Capabilities, Capability},
    seccomp::Verdict,
    surroundings::PodListener,
};

/// Who a process acts as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, as given.
    pub groups: Vec<u32>,
    /// What it may do beyond an ordinary user.
    pub capabilities: Capabilities,
}

impl Credentials {
    /// Whether it may use a capability.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.effective.has(capability)
    }

    /// Whether a file of that owner, group and mode grants `wanted` (4 read, 2 write, 1 execute).
    pub fn may(&self, uid: u32, gid: u32, mode: u32, wanted: u32) -> bool {
        if self.can(Capability::DAC_OVERRIDE) {
            return wanted & 1 == 0 || mode & 0o111 != 0 || mode & 0o4_0000 != 0;
        }
        let shift = if self.uid == uid {
            6
        } else if self.gid == gid || self.groups.contains(&gid) {
            3
        } else {
            0
        };
        (mode >> shift) & wanted == wanted
    }
}

/// A process. Clones are the same process.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

/// A process that may have ended.
#[derive(Clone)]
pub struct WeakProcess(Weak<Inner>);

impl WeakProcess {
    /// The process, if somebody still holds it.
    pub fn upgrade(&self) -> Option<Process> {
        self.0.upgrade().map(Process)
    }
}

impl fmt::Debug for WeakProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakProcess")
    }
}

struct Inner {
    pid: Pid,
    node_pid: Pid,
    confinement: Arc<Confinement>,
    kernel: Kernel,
    files: FileTree,
    started: Instant,
    state: Mutex<State>,
    signalled: Notify,
    ended: Notify,
    child_ended: Notify,
    turns: AtomicU32,
}

/// How many turns of a loop that never waits take a millisecond.
const TURNS_PER_MILLISECOND: u32 = 256;

pub(super) struct State {
    pub(super) parent: Option<Pid>,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: String,
    pub(super) credentials: Credentials,
    pub(super) descriptors: BTreeMap<u32, Descriptor>,
    pub(super) dispositions: BTreeMap<Signal, Disposition>,
    pub(super) pending: VecDeque<Signal>,
    pub(super) fatal: Option<Exit>,
    pub(super) exit: Option<Exit>,
    pub(super) children: BTreeSet<Pid>,
    pub(super) memory: u64,
    pub(super) umask: u32,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({} {:?})", self.0.pid, self.args())
    }
}

impl Process {
    pub(super) fn new(
        (pid, node_pid): (Pid, Pid),
        kernel: Kernel,
        files: &FileTree,
        confinement: Arc<Confinement>,
        state: State,
    ) -> Self {
        Self(Arc::new_cyclic(|this| Inner {
            pid,
            node_pid,
            confinement,
            kernel,
            files: files.seen_by(WeakProcess(this.clone())),
            started: Instant::now(),
            state: Mutex::new(state),
            signalled: Notify::new(),
            ended: Notify::new(),
            child_ended: Notify::new(),
            turns: AtomicU32::new(0),
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// Its number in the node's namespace.
    pub fn node_pid(&self) -> Pid {
        self.0.node_pid
    }

    /// What the runtime set around it.
    pub fn confinement(&self) -> &Arc<Confinement> {
        &self.0.confinement
    }

    /// Asks the filter about a system call that it is about to make.
    ///
    /// # Errors
    /// What the call fails with; a filter that kills has killed it.
    pub fn syscall(&self, call: &str) -> Result<(), Errno> {
        match self.0.confinement.seccomp.as_ref().map_or(Verdict::Allow, |filter| filter.verdict(call)) {
            Verdict::Allow => Ok(()),
            Verdict::Refuse(errno) => Err(errno),
            Verdict::Kill => {
                self.end_with(Exit::Signal(Signal::SYS));
                Err(Errno::NotPermitted)
            }
        }
    }

    /// The number of the process that started it, 0 for the first.
    pub fn parent(&self) -> Pid {
        self.state().parent.unwrap_or(0)
    }

    /// The kernel it runs on.
    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// The files it sees.
    pub fn files(&self) -> &FileTree {
        &self.0.files
    }

    /// When it started.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Its arguments, the name it was called by first.
    pub fn args(&self) -> Vec<String> {
        self.state().args.clone()
    }

    /// Gives it another command line, as daemons do (`nginx: master process …`).
    pub fn set_args(&self, args: Vec<String>) {
        self.state().args = args;
    }

    /// Its environment.
    pub fn env(&self) -> BTreeMap<String, String> {
        self.state().env.clone()
    }

    /// One variable.
    pub fn var(&self, name: &str) -> Option<String> {
        self.state().env.get(name).cloned()
    }

    /// Its working directory.
    pub fn cwd(&self) -> String {
        self.state().cwd.clone()
    }

    /// Changes its working directory, which the caller has checked.
    pub fn set_cwd(&self, cwd: String) {
        self.state().cwd = cwd;
    }

    /// The permissions that what it makes does not get.
    pub fn umask(&self) -> u32 {
        self.state().umask
    }

    /// Changes them, for it and for what it starts.
    pub fn set_umask(&self, umask: u32) {
        self.state().umask = umask & 0o777;
    }

    /// Listens on a port of its pod.
    ///
    /// # Errors
    /// `PermissionDenied` for a low port without the capability; whatever the network says.
    pub async fn listen(&self, port: u16) -> io::Result<PodListener> {
        self.kernel().surroundings().listen(port, &self.credentials()).await
    }

    /// Who it acts as.
    pub fn credentials(&self) -> Credentials {
        self.state().credentials.clone()
    }

    /// Acts as another user from now on: what a set-id program does.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.state().credentials = credentials;
    }

    /// A path as it means it: absolute, not resolved.
    pub fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.state().cwd.trim_end_matches('/'))
        }
    }

    /// An open descriptor.
    pub fn descriptor(&self, number: u32) -> Result<Descriptor, Errno> {
        self.state().descriptors.get(&number).cloned().ok_or(Errno::BadDescriptor)
    }

    /// All open descriptors.
    pub fn descriptors(&self) -> BTreeMap<u32, Descriptor> {
        self.state().descriptors.clone()
    }

    /// Opens or replaces a descriptor.
    pub fn set_descriptor(&self, number: u32, file: Descriptor) {
        self.state().descriptors.insert(number, file);
    }

    /// Closes a descriptor.
    pub fn close(&self, number: u32) {
        let closed = self.state().descriptors.remove(&number);
        drop(closed);
    }

    /// Reads from standard input.
    pub async fn read(&self, max: usize) -> Result<Vec<u8>, Errno> {
        self.descriptor(0)?.read(max).await
    }

    /// Writes to standard output. A pipe that nobody reads ends the process, as SIGPIPE does.
    pub async fn out(&self, bytes: impl AsRef<[u8]>) -> Result<(), Errno> {
        self.unless_ending().await;
        let result = match self.descriptor(1) {
            Ok(file) => file.write(bytes.as_ref()).await,
            Err(error) => Err(error),
        };
        if result == Err(Errno::BrokenPipe) {
            self.signal(Signal::PIPE);
            tokio::task::yield_now().await;
        }
        result
    }

    /// Nothing more comes of a process that a signal is ending.
    async fn unless_ending(&self) {
        if self.state().fatal.is_some() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes to standard error; a failure has nowhere to be told.
    pub async fn err(&self, bytes: impl AsRef<[u8]>) {
        self.unless_ending().await;
        if let Ok(file) = self.descriptor(2) {
            let _ = file.write(bytes.as_ref()).await;
        }
    }

    /// What it does about a signal.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        self.state().dispositions.get(&signal).copied().unwrap_or_default()
    }

    /// Sets what it does about a signal. KILL cannot be changed.
    pub fn set_disposition(&self, signal: Signal, disposition: Disposition) {
        if signal != Signal::KILL {
            self.state().dispositions.insert(signal, disposition);
        }
    }

    /// Dispositions that a new program keeps: what is ignored stays ignored.
    pub fn inherited_dispositions(&self) -> BTreeMap<Signal, Disposition> {
        self.state().dispositions.iter().filter(|(_, d)| **d == Disposition::Ignore).map(|(s, d)| (*s, *d)).collect()
    }

    /// Sends it a signal. The first process of a container gets only what it handles, and KILL.
    pub fn signal(&self, signal: Signal) {
        let mut state = self.state();
        if state.exit.is_some() || state.fatal.is_some() {
            return;
        }
        let disposition = state.dispositions.get(&signal).copied().unwrap_or_default();
        match disposition {
            _ if signal == Signal::KILL => state.fatal = Some(Exit::Signal(signal)),
            Disposition::Ignore => return,
            Disposition::Handle => state.pending.push_back(signal),
            Disposition::Default if self.0.pid == 1 || signal.harmless_by_default() => return,
            Disposition::Default => state.fatal = Some(Exit::Signal(signal)),
        }
        drop(state);
        self.0.signalled.notify_waiters();
    }

    /// A signal that another process sends. Within a namespace even KILL does nothing to its first process.
    pub fn signal_from(&self, sender: &Process, signal: Signal) {
        let within = self.0.pid == 1 && sender.kernel().number_of(self) == 1;
        if !(within && signal == Signal::KILL) {
            self.signal(signal);
        }
    }

    /// Ends it as the kernel's out-of-memory killer does.
    pub(super) fn out_of_memory(&self) {
        self.end_with(Exit::OutOfMemory);
    }

    /// Ends it by a signal, whatever it does about it.
    pub fn end_by(&self, signal: Signal) {
        self.end_with(Exit::Signal(signal));
    }

    /// Ends it whatever it does about signals.
    fn end_with(&self, exit: Exit) {
        let mut state = self.state();
        if state.exit.is_none() && state.fatal.is_none() {
            state.fatal = Some(exit);
        }
        drop(state);
        self.0.signalled.notify_waiters();
    }

    /// The next signal that it handles, if one is waiting.
    pub fn take_pending(&self) -> Option<Signal> {
        self.state().pending.pop_front()
    }

    /// Waits until a handled signal is waiting.
    pub async fn pending(&self) {
        self.until(|state| !state.pending.is_empty()).await;
    }

    /// Waits until a signal ends it.
    pub(super) async fn fatal(&self) -> Exit {
        self.until(|state| state.fatal.is_some()).await;
        self.state().fatal.unwrap_or(Exit::Signal(Signal::KILL))
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            let signalled = self.0.signalled.notified();
            tokio::pin!(signalled);
            signalled.as_mut().enable();
            if reached(&self.state()) {
                return;
            }
            signalled.await;
        }
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.state().exit
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Exit {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(exit) = self.exit() {
                return exit;
            }
            ended.await;
        }
    }

    /// Waits for a child to end and takes it off the table.
    pub async fn wait_child(&self, child: &Process) -> Exit {
        let exit = child.wait().await;
        self.state().children.remove(&child.pid());
        self.0.kernel.reap(child.pid());
        exit
    }

    /// Children that have not been waited for.
    pub fn children(&self) -> Vec<Pid> {
        self.state().children.iter().copied().collect()
    }

    /// Waits until a child has ended since the call.
    pub async fn child_ended(&self) {
        self.0.child_ended.notified().await;
    }

    /// Records how it ended and lets its descriptors go.
    pub(super) fn finish(&self, exit: Exit) {
        let descriptors = {
            let mut state = self.state();
            state.exit = Some(exit);
            state.memory = 0;
            std::mem::take(&mut state.descriptors)
        };
        drop(descriptors);
        self.0.ended.notify_waiters();
    }

    pub(super) fn notify_child_ended(&self) {
        self.0.child_ended.notify_waiters();
    }

    /// Takes another program's name and environment, as `exec` does: what was handled is the default again.
    pub fn become_program(&self, args: Vec<String>, env: BTreeMap<String, String>) {
        let mut state = self.state();
        state.args = args;
        state.env = env;
        state.dispositions.retain(|_, disposition| *disposition == Disposition::Ignore);
        state.pending.clear();
    }

    /// One turn of a loop: lets others run, and now and then takes a millisecond, so that a loop that never waits cannot stop time.
    pub async fn spin(&self) {
        if self.0.turns.fetch_add(1, Ordering::Relaxed) % TURNS_PER_MILLISECOND == TURNS_PER_MILLISECOND - 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Takes `bytes` more memory, and may be killed for it. The total it now holds.
    pub fn allocate(&self, bytes: u64) -> u64 {
        let total = {
            let mut state = self.state();
            state.memory = state.memory.saturating_add(bytes);
            state.memory
        };
        self.0.kernel.check_memory(&self.0.confinement.cgroup);
        total
    }

    /// Memory it holds, in bytes.
    pub fn memory(&self) -> u64 {
        self.state().memory
    }
}
