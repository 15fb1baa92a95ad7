//! A shell that somebody types to: the prompt, lines as they come, interrupts. Not the reading of scripts, and no line editing of its
//! own beyond the terminal's. As busybox's ash: an error or an interrupt ends the command, not the shell.

use super::{
    SCRIPT_LIMIT, builtins,
    state::{Flow, Shell, Variable},
    syntax,
};
use crate::os::{Code, Disposition, Signal, Terminal};

/// The prompt of a shell that is told no other, as busybox's: the directory, and `#` for root.
const PROMPT: &str = "\\w \\$ ";

/// What came of waiting for a line.
enum Line {
    Typed(String),
    End,
    Interrupted,
}

impl Shell {
    /// Whether somebody types to it.
    pub(super) fn has_terminal(&self) -> bool {
        [0, 2].into_iter().all(|number| self.process.descriptor(number).is_ok_and(|file| file.is_terminal()))
    }

    /// Runs what is typed, until the end of input or `exit`.
    pub(super) async fn run_interactive(&mut self) -> Code {
        self.interactive = true;
        // An interactive shell survives these; what it starts does not.
        for signal in [Signal::INT, Signal::QUIT, Signal::TERM] {
            self.process.set_disposition(signal, Disposition::Handle);
        }
        if self.process.var("PS1").is_none() {
            let _ = self.set("PS1", PROMPT);
        }
        let mut pending = String::new();
        loop {
            let prompt = if pending.is_empty() { "PS1" } else { "PS2" };
            let prompt = self.prompt(&self.get(prompt).unwrap_or_default());
            self.process.err(prompt).await;
            match self.typed_line().await {
                Line::Typed(line) => {
                    pending.push_str(&line);
                    pending.push('\n');
                }
                Line::End => {
                    self.process.err("\n").await;
                    break;
                }
                Line::Interrupted => {
                    self.process.err("\n").await;
                    pending.clear();
                    self.status = Signal::INT.exit_code();
                    continue;
                }
            }
            self.window_size();
            let program = match syntax::parse(&pending) {
                Ok(program) => program,
                Err(error) if syntax::is_unfinished(&error) && pending.len() < SCRIPT_LIMIT => continue,
                Err(error) => {
                    self.complain(error).await;
                    self.status = 2;
                    pending.clear();
                    continue;
                }
            };
            pending.clear();
            let mut flow = Flow::Next;
            for list in &program.complete_commands {
                flow = self.list(list, false).await;
                if flow != Flow::Next {
                    break;
                }
            }
            // What is interrupted or cannot be done leaves the shell where it was.
            let interrupted = std::mem::take(&mut self.interrupted);
            let failed = std::mem::take(&mut self.failed);
            if interrupted {
                self.process.err("\n").await;
                self.status = Signal::INT.exit_code();
            } else if flow == Flow::Exit && !failed {
                break;
            }
            self.tested = 0;
            self.depth = 0;
        }
        self.exit_trap().await;
        self.status
    }

    /// Waits for a line; signals that come in the meantime do what they do.
    async fn typed_line(&mut self) -> Line {
        loop {
            let process = self.process.clone();
            let line = tokio::select! {
                biased;
                () = process.pending() => None,
                line = builtins::read_line(&process) => Some(line),
            };
            match line {
                Some(Ok(Some(line))) => return Line::Typed(line),
                Some(Ok(None) | Err(_)) => return Line::End,
                None => {
                    let flow = self.traps_due().await;
                    if std::mem::take(&mut self.interrupted) {
                        return Line::Interrupted;
                    }
                    if flow == Flow::Exit {
                        return Line::End;
                    }
                }
            }
        }
    }

    /// `COLUMNS` and `LINES`, as the window is now.
    fn window_size(&mut self) {
        let Ok(file) = self.process.descriptor(0) else { return };
        let Some((columns, rows)) = file.terminal().map(Terminal::size).filter(|size| *size != (0, 0)) else { return };
        for (name, value) in [("COLUMNS", columns), ("LINES", rows)] {
            self.variables.insert(name.to_owned(), Variable { value: value.to_string(), ..Variable::default() });
        }
    }

    /// A prompt with what stands for something put in.
    fn prompt(&self, text: &str) -> String {
        let cwd = self.process.cwd();
        let home = self.get("HOME").filter(|home| home.len() > 1);
        let short = match home.as_deref().and_then(|home| cwd.strip_prefix(home)) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
            _ => cwd.clone(),
        };
        let mut out = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some('w') => out.push_str(&short),
                Some('W') => out.push_str(short.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(&short)),
                Some('$') => out.push(if self.process.credentials().uid == 0 { '#' } else { '$' }),
                Some('h') => out.push_str(&self.get("HOSTNAME").unwrap_or_default()),
                Some('n') => out.push('\n'),
                Some('e') => out.push('\u{1b}'),
                // Around what takes no room on the screen.
                Some('[' | ']') => {}
                Some(other) => out.push(other),
                None => out.push('\\'),
            }
        }
        out
    }
}
