//! What a shell remembers: variables, functions, options, traps. And how it starts processes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{jobs::Jobs, memory::Function, options::Options};
use crate::os::{Code, Disposition, Exit, Held, Launch, Process, Program, Signal};

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variable {
    pub value: String,
    pub exported: bool,
    pub read_only: bool,
}

/// One shell: the main one, or a copy in a subshell.
#[derive(Clone)]
pub(super) struct Shell {
    pub process: Process,
    pub name: String,
    pub variables: BTreeMap<String, Variable>,
    pub parameters: Vec<String>,
    pub functions: BTreeMap<String, Arc<Function>>,
    /// Signal, or `None` for EXIT, to action.
    pub traps: BTreeMap<Option<Signal>, String>,
    pub status: Code,
    /// Status of the last command substitution of the command being expanded.
    pub substituted: Option<Code>,
    pub last_background: Option<u32>,
    pub jobs: Jobs,
    pub aliases: BTreeMap<String, String>,
    /// `$$`: stays that of the main shell in subshells.
    pub main_pid: u32,
    pub options: Options,
    /// Somebody types to it.
    pub interactive: bool,
    /// An interrupt ended the command that ran.
    pub interrupted: bool,
    /// An error ended the command that ran.
    pub failed: bool,
    pub depth: u32,
    /// Above zero where a failing command must not end the shell: conditions.
    pub tested: u32,
    /// Saved values of `local` variables, one map per running function.
    pub locals: Vec<BTreeMap<String, Option<Variable>>>,
    pub option_index: (usize, usize),
    /// Loops that `break` can leave here.
    pub loops: u32,
    /// The line of the command that runs, as `$LINENO` has it.
    pub line: usize,
    /// Lines before the text that is parsed; less than none for `-c`, whose first line is 0.
    pub line_base: isize,
    /// It runs a file, so errors name the line.
    pub from_file: bool,
    /// What `$RANDOM` is drawn from.
    pub random: Arc<AtomicU32>,
    /// The builtin that runs, for its errors.
    pub builtin: Option<&'static str>,
    /// What it holds of the kernel's memory.
    pub held: Arc<Held>,
    /// Bytes that the commands that run have expanded to.
    pub expanded: usize,
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next one.
    Next,
    /// Out of that many loops.
    Break(u32),
    /// The next turn of the loop that many levels up.
    Continue(u32),
    /// Out of a function or a sourced file.
    Return,
    /// The end of the shell.
    Exit,
}

impl Shell {
    pub fn new(process: Process) -> Self {
        let name = process.args().first().cloned().unwrap_or_else(|| "sh".to_owned());
        let mut variables: BTreeMap<String, Variable> = process
            .env()
            .into_iter()
            .map(|(name, value)| (name, Variable { value, exported: true, read_only: false }))
            .collect();
        let mut default = |name: &str, value: String| {
            variables.entry(name.to_owned()).or_insert(Variable { value, ..Variable::default() });
        };
        default("IFS", " \t\n".to_owned());
        default("OPTIND", "1".to_owned());
        default("PS1", "$ ".to_owned());
        default("PS2", "> ".to_owned());
        default("PS4", "+ ".to_owned());
        default("PATH", "/sbin:/usr/sbin:/bin:/usr/bin".to_owned());
        default("PWD", process.cwd());
        default("PPID", process.parent().to_string());
        let main_pid = process.pid();
        let held = Arc::new(process.kernel().memory().nothing());
        Self {
            process,
            name,
            variables,
            parameters: Vec::new(),
            functions: BTreeMap::new(),
            traps: BTreeMap::new(),
            status: 0,
            substituted: None,
            last_background: None,
            jobs: Jobs::default(),
            aliases: BTreeMap::new(),
            main_pid,
            options: Options::default(),
            interactive: false,
            interrupted: false,
            failed: false,
            depth: 0,
            tested: 0,
            locals: Vec::new(),
            option_index: (1, 0),
            loops: 0,
            line: 0,
            line_base: 0,
            from_file: false,
            random: Arc::default(),
            builtin: None,
            held,
            expanded: 0,
        }
    }

    pub fn set_parameters(&mut self, parameters: Vec<String>) {
        self.parameters = parameters;
    }

    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            "LINENO" => return Some(self.line.to_string()),
            "RANDOM" => {
                let turn = self.random.fetch_add(1, Ordering::Relaxed);
                let label = format!("RANDOM {} {turn}", self.process.node_pid());
                let drawn = world::random::hex(&mut self.process.kernel().surroundings().world.random.fork(&label), 4);
                return Some((u16::from_str_radix(&drawn, 16).unwrap_or(0) & 0x7fff).to_string());
            }
            _ => {}
        }
        self.variables.get(name).map(|v| v.value.clone())
    }

    /// Sets a variable; fails on a read-only one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), String> {
        let variable = self.variables.entry(name.to_owned()).or_default();
        if variable.read_only {
            return Err(format!("{name}: is read only"));
        }
        let value = value.into();
        if value.len() > super::VALUE_LIMIT {
            return Err("out of memory".to_owned());
        }
        variable.value = value;
        variable.exported |= self.options.allexport;
        if name == "OPTIND" {
            self.option_index = (variable.value.parse().unwrap_or(1), 0);
        }
        Ok(())
    }

    /// The environment that a program gets.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.variables.iter().filter(|(_, v)| v.exported).map(|(n, v)| (n.clone(), v.value.clone())).collect()
    }

    /// Writes an error as ash does: a builtin is named, and the line where there is a file or a builtin.
    pub async fn complain(&self, text: impl std::fmt::Display) {
        let line = self.line;
        let name = &self.name;
        let text = match &self.builtin {
            Some(builtin) => format!("{name}: {builtin}: line {line}: {text}\n"),
            None if self.from_file => format!("{name}: line {line}: {text}\n"),
            None => format!("{name}: {text}\n"),
        };
        self.process.err(text).await;
    }

    /// Writes an error of a program that is built in: as the program would, under the shell's name.
    pub async fn complain_as_program(&self, text: impl std::fmt::Display) {
        self.process.err(format!("sh: {text}\n")).await;
    }

    /// Starts a child process. `None` if there are too many processes, or no memory for it.
    pub fn launch(&self, args: Vec<String>, env: BTreeMap<String, String>, program: Program) -> Option<Process> {
        let held = self.hold_for_child(&args, &env)?;
        let program: Program = Box::new(move |process| {
            Box::pin(async move {
                let code = program(process).await;
                drop(held);
                code
            })
        });
        let launch = Launch { env, ..Launch::child(&self.process, args) };
        self.process.kernel().clone().launch(Some(&self.process), launch, program)
    }

    /// Waits for a child and tells, as ash does, of one that a signal ended. Its status.
    pub async fn reap(&self, child: &Process) -> i32 {
        let exit = self.process.clone().wait_child(child).await;
        self.tell(exit).await;
        exit.code()
    }

    /// Says what signal ended a child; INT and PIPE go without saying.
    pub async fn tell(&self, exit: Exit) {
        let signal = match exit {
            Exit::Signal(signal) => signal,
            Exit::OutOfMemory => Signal::KILL,
            Exit::Code(_) => return,
        };
        if !matches!(signal, Signal::INT | Signal::PIPE) {
            self.process.err(format!("{}\n", signal.description())).await;
        }
    }

    /// A copy for a subshell that runs as `process`: traps that do something are gone, ignored signals stay ignored.
    pub fn subshell(&self, process: Process, held: Held) -> Self {
        let mut copy = self.clone();
        copy.process = process;
        copy.held = Arc::new(held);
        copy.expanded = 0;
        copy.traps.retain(|signal, action| signal.is_some() && action.is_empty());
        copy.depth += 1;
        copy.interactive = false;
        copy.jobs = Jobs::default();
        copy
    }

    /// Sets what a signal, or the exit for `None`, does; `None` as action is the default again.
    pub fn trap(&mut self, signal: Option<Signal>, action: Option<String>) {
        if let Some(signal) = signal {
            let disposition = match action.as_deref() {
                None => Disposition::Default,
                Some("") => Disposition::Ignore,
                Some(_) => Disposition::Handle,
            };
            self.process.set_disposition(signal, disposition);
        }
        match action {
            Some(action) => self.traps.insert(signal, action),
            None => self.traps.remove(&signal),
        };
    }
}
