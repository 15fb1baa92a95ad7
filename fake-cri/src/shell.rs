//! A deterministic `sh` for simulated processes: POSIX shell language as busybox's ash speaks it. No job control.
//!
//! Parsing is brush-parser's; this module expands and executes. Limits keep hostile scripts from eating the host.

mod arithmetic;
mod builtins;
mod command;
mod execute;
mod expand;
mod extended_test;
#[cfg(any(test, feature = "fuzz"))]
pub mod hostile;
mod interactive;
mod job_builtins;
mod jobs;
mod memory;
mod options;
mod path_names;
pub(crate) mod pattern;
mod quoting;
mod read;
mod redirect;
mod state;
mod syntax;
mod test_command;
mod variable_builtins;

pub use pattern::matches;
pub use test_command::test;

use futures_util::future::BoxFuture;

use crate::os::{Code, Process};
use state::Shell;

/// Most bytes of a script.
pub const SCRIPT_LIMIT: usize = 256 * 1024;

/// Most bytes that one command substitution may yield.
const SUBSTITUTION_LIMIT: usize = 4 * 1024 * 1024;

/// Most fields that one command line may expand to.
const FIELD_LIMIT: usize = 64 * 1024;

/// Most bytes of one variable.
const VALUE_LIMIT: usize = 4 * 1024 * 1024;

/// Most bytes that one command expands to.
const EXPANSION_LIMIT: usize = 16 * 1024 * 1024;

/// Deepest nesting of functions, substitutions and subshells.
const DEPTH_LIMIT: u32 = 64;

/// Runs `sh` as a process: `sh -c SCRIPT [NAME [ARG…]]`, `sh FILE [ARG…]`, or a script from standard input.
pub fn main(process: Process) -> BoxFuture<'static, Code> {
    Box::pin(async move {
        let args = process.args();
        let mut shell = Shell::new(process);
        let mut rest = args.iter().skip(1).map(String::as_str).peekable();
        let mut script = None;
        let mut interactive = false;
        while let Some(option) = rest.peek().filter(|o| o.len() > 1 && o.starts_with(['-', '+'])) {
            let (on, letters) = (option.starts_with('-'), &option[1..]);
            if letters == "-" {
                rest.next();
                break;
            }
            let (mut command, mut named) = (false, false);
            for letter in letters.chars() {
                match letter {
                    'c' => command = true,
                    'i' => interactive = true,
                    's' => shell.options.stdin = true,
                    'l' => {}
                    'o' => named = true,
                    other => {
                        if !shell.options.set_letter(other, on) {
                            shell.process.err(format!("sh: illegal option -{other}\n")).await;
                            return 2;
                        }
                    }
                }
            }
            rest.next();
            if named {
                let name = rest.next().unwrap_or_default();
                if !shell.options.set_name(name, on) {
                    shell.process.err(format!("sh: illegal option -o {name}\n")).await;
                    return 2;
                }
            }
            if command {
                let Some(text) = rest.next() else {
                    shell.process.err("sh: -c requires an argument\n").await;
                    return 2;
                };
                script = Some(text.to_owned());
                break;
            }
        }
        match script {
            Some(text) => {
                shell.options.command = true;
                shell.line_base = -1;
                if let Some(name) = rest.next() {
                    shell.name = name.to_owned();
                }
                shell.set_parameters(rest.map(str::to_owned).collect());
                shell.run_script(&text, true).await
            }
            None => match if shell.options.stdin { None } else { rest.next() } {
                Some(file) => {
                    shell.from_file = true;
                    shell.name = file.to_owned();
                    shell.set_parameters(rest.map(str::to_owned).collect());
                    let path = shell.process.absolute(file);
                    match shell.process.files().read(&path, &shell.process.credentials()) {
                        Ok(bytes) => shell.run_script(&String::from_utf8_lossy(&bytes), true).await,
                        Err(error) => {
                            shell.process.err(format!("sh: can't open '{file}': {error}\n")).await;
                            if error == crate::os::Errno::NoEntry { 2 } else { 126 }
                        }
                    }
                }
                None if interactive || shell.has_terminal() => shell.run_interactive().await,
                None => {
                    shell.set_parameters(rest.map(str::to_owned).collect());
                    shell.run_stdin().await
                }
            },
        }
    })
}

#[cfg(test)]
mod tests;
