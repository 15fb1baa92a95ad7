//! Applets about the terminal: stty, tty.

use crate::os::{Code, Process, terminal::Mode};

/// `tty`: where standard input is typed.
pub(super) async fn tty(process: Process) -> Code {
    let terminal = process.descriptor(0).is_ok_and(|file| file.is_terminal());
    let text = if terminal { "/dev/pts/0\n" } else { "not a tty\n" };
    let silent = process.args().get(1).is_some_and(|a| a == "-s");
    if !silent && process.out(text).await.is_err() {
        return 3;
    }
    i32::from(!terminal)
}

/// A flag on or off; `None` if there is none of that name.
fn flag(mode: Mode, name: &str, on: bool) -> Option<Mode> {
    Some(match name {
        "echo" => Mode { echo: on, ..mode },
        "icanon" => Mode { canonical: on, ..mode },
        "isig" => Mode { signals: on, ..mode },
        "opost" | "onlcr" => Mode { output: on, ..mode },
        "icrnl" => Mode { returns: on, ..mode },
        "raw" if on => mode.raw(),
        "raw" | "cooked" | "sane" => Mode::default(),
        "ixon" | "echoe" | "echok" | "echoctl" | "iexten" => mode,
        _ => return None,
    })
}

/// `stty [size | -a | FLAG… | cols N | rows N]`.
pub(super) async fn stty(process: Process) -> Code {
    let file = match process.descriptor(0) {
        Ok(file) => file,
        Err(error) => return super::complain(&process, "stty", "standard input", error).await,
    };
    let Some(terminal) = file.terminal() else {
        return super::complain(&process, "stty", "standard input", "Not a tty").await;
    };
    let args = process.args();
    let mut words = args.iter().skip(1).map(String::as_str).peekable();
    let (columns, rows) = terminal.size();
    if words.peek().is_none() {
        return i32::from(process.out("speed 38400 baud; line = 0;\n").await.is_err());
    }
    while let Some(word) = words.next() {
        let said = match word {
            "size" => format!("{rows} {columns}\n"),
            "-a" => {
                let mode = terminal.mode();
                let on = |on: bool, name: &str| if on { name.to_owned() } else { format!("-{name}") };
                format!(
                    "speed 38400 baud; rows {rows}; columns {columns}; line = 0;\n{} {}\n{} {}\n{}\n",
                    on(mode.signals, "isig"),
                    on(mode.canonical, "icanon"),
                    on(mode.echo, "echo"),
                    on(mode.returns, "icrnl"),
                    on(mode.output, "opost"),
                )
            }
            "cols" | "columns" | "rows" => {
                let Some(number) = words.next().and_then(|n| n.parse().ok()) else {
                    process.err(format!("stty: missing argument to '{word}'\n")).await;
                    return 1;
                };
                let (columns, rows) = terminal.size();
                if word == "rows" {
                    terminal.resize(columns, number);
                } else {
                    terminal.resize(number, rows);
                }
                continue;
            }
            word => {
                let (name, on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
                match flag(terminal.mode(), name, on) {
                    Some(mode) => terminal.set_mode(mode),
                    None => {
                        process.err(format!("stty: invalid argument '{word}'\n")).await;
                        return 1;
                    }
                }
                continue;
            }
        };
        if process.out(said).await.is_err() {
            return 1;
        }
    }
    0
}
