//! What a shell remembers: variables, functions, options, traps. And how it starts processes.

use std::{collections::BTreeMap, sync::Arc};

use brush_parser::ast::FunctionBody;

use crate::os::{Code, Disposition, Exit, Launch, Process, Program, Signal};

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
    pub functions: BTreeMap<String, Arc<FunctionBody>>,
    /// Signal, or `None` for EXIT, to action.
    pub traps: BTreeMap<Option<Signal>, String>,
    pub status: Code,
    /// Status of the last command substitution of the command being expanded.
    pub substituted: Option<Code>,
    pub last_background: Option<u32>,
    /// `$$`: stays that of the main shell in subshells.
    pub main_pid: u32,
    pub exit_on_error: bool,
    pub fail_on_unset: bool,
    pub trace: bool,
    pub no_glob: bool,
    pub no_execute: bool,
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
            main_pid,
            exit_on_error: false,
            fail_on_unset: false,
            trace: false,
            no_glob: false,
            no_execute: false,
            interactive: false,
            interrupted: false,
            failed: false,
            depth: 0,
            tested: 0,
            locals: Vec::new(),
            option_index: (1, 0),
        }
    }

    /// Sets an option by its letter; `false` if there is none.
    pub fn set_option(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'e' => self.exit_on_error = on,
            'u' => self.fail_on_unset = on,
            'x' => self.trace = on,
            'f' => self.no_glob = on,
            'n' => self.no_execute = on,
            'a' | 'b' | 'C' | 'h' | 'm' | 'v' => {}
            _ => return false,
        }
        true
    }

    pub fn set_parameters(&mut self, parameters: Vec<String>) {
        self.parameters = parameters;
    }

    pub fn get(&self, name: &str) -> Option<String> {
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
        if name == "OPTIND" {
            self.option_index = (variable.value.parse().unwrap_or(1), 0);
        }
        Ok(())
    }

    /// The environment that a program gets.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.variables.iter().filter(|(_, v)| v.exported).map(|(n, v)| (n.clone(), v.value.clone())).collect()
    }

    /// Writes an error as ash does: `sh: line: text` without the line, which `-c` scripts of one line do not show.
    pub async fn complain(&self, text: impl std::fmt::Display) {
        self.process.err(format!("{}: {text}\n", self.name)).await;
    }

    /// Starts a child process.
    pub fn launch(&self, args: Vec<String>, env: BTreeMap<String, String>, program: Program) -> Option<Process> {
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
    pub fn subshell(&self, process: Process) -> Self {
        let mut copy = self.clone();
        copy.process = process;
        copy.traps.retain(|signal, action| signal.is_some() && action.is_empty());
        copy.depth += 1;
        copy.interactive = false;
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
