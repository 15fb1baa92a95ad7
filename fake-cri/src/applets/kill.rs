//! Sending signals: `kill` as a program and for the shell, `killall`, `pkill`.

use super::processes::{command, matching, may_signal};
use crate::os::{Code, Errno, Process, Signal};

/// The signal that an option names: `Some(None)` is 0, which only asks whether the process is there.
fn signal(name: &str) -> Option<Option<Signal>> {
    if name == "0" || name == "EXIT" { Some(None) } else { Signal::parse(name).map(Some) }
}

/// `kill -l [SIGNAL…]`: all signals, or each by its other form.
async fn list(process: &Process, name: &str, wanted: &[String]) -> Code {
    if wanted.is_empty() {
        let lines: String = (1..32)
            .filter_map(Signal::from_number)
            .map(|signal| format!("{:2}) {}\n", signal.number(), signal.name()))
            .collect();
        return i32::from(process.out(lines).await.is_err());
    }
    for text in wanted {
        let line = match text.parse::<u32>() {
            Ok(number) => Signal::from_number(number & 0x7f).map(Signal::name),
            Err(_) => Signal::parse(text).map(|signal| signal.number().to_string()),
        };
        let Some(line) = line else {
            process.err(format!("{name}: unknown signal '{text}'\n")).await;
            return 1;
        };
        let _ = process.out(line + "\n").await;
    }
    0
}

/// Runs `kill` with its arguments. `name` begins its errors; `job` knows the process of `%1`.
pub(crate) async fn kill_words(
    process: &Process,
    name: &str,
    args: &[String],
    job: impl Fn(&str) -> Option<u32> + Send,
) -> Code {
    let mut chosen = Some(Signal::TERM);
    let mut targets = args;
    if let Some(option) = args.first().and_then(|a| a.strip_prefix('-')).filter(|o| !o.is_empty()) {
        let (named, rest) = match option {
            "l" => return list(process, name, &args[1..]).await,
            "s" => (args.get(1).map_or("", String::as_str), args.get(2..).unwrap_or_default()),
            "-" => ("TERM", &args[1..]),
            option => (option, &args[1..]),
        };
        let Some(signal) = signal(named) else {
            process.err(format!("{name}: bad signal name '{named}'\n")).await;
            return 1;
        };
        chosen = signal;
        targets = rest;
        if targets.first().is_some_and(|t| t == "--") {
            targets = &targets[1..];
        }
    }
    if targets.is_empty() {
        process.err(format!("{name}: you need to specify whom to kill\n")).await;
        return 1;
    }
    let mut code = 0;
    for target in targets {
        let number = match job(target) {
            Some(pid) => i64::from(pid),
            None => match target.parse::<i64>() {
                Ok(number) => number,
                Err(_) => {
                    process.err(format!("{name}: invalid number '{target}'\n")).await;
                    code = 1;
                    continue;
                }
            },
        };
        if number == -1 {
            for other in process.kernel().processes() {
                if other.pid() != 1 && other.pid() != process.pid() && may_signal(process, &other) {
                    chosen.inspect(|signal| other.signal_from(process, *signal));
                }
            }
            continue;
        }
        // A group is known by its first process; 0 is one's own.
        let pid = if number == 0 { Some(process.pid()) } else { u32::try_from(number.unsigned_abs()).ok() };
        match pid.and_then(|pid| process.kernel().process(pid)) {
            Some(other) if !may_signal(process, &other) => {
                process.err(format!("{name}: can't kill pid {number}: {}\n", Errno::NotPermitted)).await;
                code = 1;
            }
            Some(other) => {
                chosen.inspect(|signal| other.signal_from(process, *signal));
                tokio::task::yield_now().await;
            }
            None => {
                process.err(format!("{name}: can't kill pid {number}: No such process\n")).await;
                code = 1;
            }
        }
    }
    code
}

/// `kill [-SIGNAL] PID…` as a program.
pub(super) async fn kill(process: Process) -> Code {
    let args = process.args();
    kill_words(&process, "kill", &args[1..], |_| None).await
}

/// `killall [-SIGNAL] [-q] NAME…`.
pub(super) async fn killall(process: Process) -> Code {
    let args = process.args();
    let (mut chosen, mut quiet, mut code) = (Some(Signal::TERM), false, 0);
    for arg in &args[1..] {
        match arg.strip_prefix('-') {
            Some("q") => quiet = true,
            Some("l") => return list(&process, "killall", &[]).await,
            Some(name) => match signal(name) {
                Some(signal) => chosen = signal,
                None => {
                    process.err(format!("killall: bad signal name '{name}'\n")).await;
                    return 1;
                }
            },
            None => {
                let mut targets = process.kernel().processes();
                targets.retain(|p| {
                    p.exit().is_none() && p.pid() != process.pid() && command(p) == *arg && may_signal(&process, p)
                });
                if targets.is_empty() {
                    if !quiet {
                        process.err(format!("killall: {arg}: no process killed\n")).await;
                    }
                    code = 1;
                }
                for target in targets {
                    chosen.inspect(|signal| target.signal_from(&process, *signal));
                }
            }
        }
    }
    tokio::task::yield_now().await;
    code
}

/// `pkill [-SIGNAL] [-fxnov] PATTERN`.
pub(super) async fn pkill(process: Process) -> Code {
    let mut args = process.args();
    let mut chosen = Some(Signal::TERM);
    if let Some(name) = args.get(1).and_then(|a| a.strip_prefix('-'))
        && let Some(signal) = signal(name)
    {
        chosen = signal;
        args.remove(1);
    }
    let targets = match matching(&process, &args).await {
        Ok(targets) => targets,
        Err(code) => return code,
    };
    for target in &targets {
        if may_signal(&process, target) {
            chosen.inspect(|signal| target.signal_from(&process, *signal));
        }
    }
    tokio::task::yield_now().await;
    i32::from(targets.is_empty())
}
