//! Applets about processes and time: sleep, ps, top, kill, pgrep, pidof, timeout.

use std::time::Duration;

use super::{Options, bad_option, regex::Regex};
use crate::os::{Code, Disposition, Process, Signal, capability::Capability};

/// Reads `5`, `0.2`, `1m`, `2h`, `1d`, `infinity`; `None` if it is none of them.
fn duration(text: &str) -> Option<Duration> {
    if matches!(text, "inf" | "infinity") {
        return Some(Duration::MAX);
    }
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let value: f64 = digits.parse().ok()?;
    if !(0.0..1e15).contains(&value) {
        return None;
    }
    Duration::try_from_secs_f64(value * unit).ok()
}

/// Waits, for ever if it must.
async fn pause(wait: Duration) {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    if wait > 100 * YEAR {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(wait).await;
}

/// `sleep N…`: the sum.
pub(super) async fn sleep(process: Process) -> Code {
    let args = process.args();
    if args.len() < 2 {
        process.err("Usage: sleep [N]...\n").await;
        return 1;
    }
    let mut total = Duration::ZERO;
    for arg in &args[1..] {
        match duration(arg) {
            Some(wait) => total = total.saturating_add(wait),
            None => {
                process.err(format!("sleep: invalid number '{arg}'\n")).await;
                return 1;
            }
        }
    }
    pause(total).await;
    0
}

/// `timeout [-s SIGNAL] [-k SECONDS] SECONDS COMMAND…`. The status is the command's own, as busybox has it.
pub(super) async fn timeout(process: Process) -> Code {
    const USAGE: &str = "Usage: timeout [-s SIG] [-k KILL_SECS] SECS PROG ARGS\n";
    let args = process.args();
    let mut rest = args[1..].iter().peekable();
    let (mut signal, mut then_kill) = (Signal::TERM, None);
    while let Some(option) = rest.next_if(|word| word.starts_with('-') && word.len() > 1) {
        let inline = &option[2..];
        let value = if inline.is_empty() { rest.next().map_or("", String::as_str) } else { inline };
        match &option[..2] {
            "-s" => match Signal::parse(value) {
                Some(named) => signal = named,
                None => {
                    process.err(format!("timeout: unknown signal '{value}'\n")).await;
                    return 1;
                }
            },
            "-k" => match duration(value) {
                Some(wait) => then_kill = Some(wait),
                None => {
                    process.err(format!("timeout: invalid number '{value}'\n")).await;
                    return 1;
                }
            },
            other => return bad_option(&process, other.chars().nth(1).unwrap_or('-')).await,
        }
    }
    let (Some(limit), Some(name)) = (rest.next().cloned(), rest.peek().map(|name| (*name).clone())) else {
        process.err(USAGE).await;
        return 1;
    };
    let Some(limit) = duration(&limit) else {
        process.err(format!("timeout: invalid number '{limit}'\n")).await;
        return 1;
    };
    let command: Vec<String> = rest.cloned().collect();
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let program = match super::find(&process, &name, &path) {
        Ok(program) => program,
        Err(error) => {
            process.err(format!("timeout: can't execute '{name}': {}\n", error.reason())).await;
            return error.code;
        }
    };
    let launch = crate::os::Launch::child(&process, command);
    let Some(child) = process.kernel().clone().launch(Some(&process), launch, program) else { return 126 };
    let (code, late) = tokio::select! {
        biased;
        exit = process.wait_child(&child) => (exit.code(), false),
        () = pause(limit) => {
            child.signal(signal);
            match then_kill {
                None => (process.wait_child(&child).await.code(), true),
                Some(wait) => tokio::select! {
                    biased;
                    exit = process.wait_child(&child) => (exit.code(), true),
                    () = pause(wait) => {
                        child.signal(Signal::KILL);
                        (process.wait_child(&child).await.code(), true)
                    }
                },
            }
        }
    };
    // The command has taken the program's own place there, so whoever waits sees it end by the signal.
    if late
        && code > 128
        && let Some(signal) = Signal::from_number((code - 128) as u32)
    {
        process.end_by(signal);
    }
    code
}

/// The name that a process was started by.
pub(super) fn command(process: &Process) -> String {
    process.args().first().map(|a| a.rsplit('/').next().unwrap_or(a).to_owned()).unwrap_or_default()
}

/// `ps [-o COLUMNS]`.
pub(super) async fn ps(process: Process) -> Code {
    let options = match Options::read(&process.args(), "aefwlTx", "o") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut lines = String::new();
    let processes: Vec<Process> = process.kernel().processes();
    match options.value('o') {
        None => {
            lines.push_str("PID   USER     TIME  COMMAND\n");
            for p in &processes {
                let user = super::identity::user_name(&process, p.credentials().uid);
                let shown = if p.exit().is_some() { format!("[{}]", command(p)) } else { p.args().join(" ") };
                lines.push_str(&format!("{:5} {user:8}  0:00 {shown}\n", process.kernel().number_of(p)));
            }
        }
        Some(columns) => {
            let columns: Vec<&str> = columns.split(',').map(|c| c.split('=').next().unwrap_or(c)).collect();
            if !options.value('o').is_some_and(|c| c.contains('=')) {
                let heads: Vec<String> = columns
                    .iter()
                    .map(|c| match *c {
                        "pid" | "ppid" | "pgid" => format!("{:<5}", c.to_ascii_uppercase()),
                        "user" => "USER    ".to_owned(),
                        "comm" => format!("{:<16}", "COMMAND"),
                        "args" => "COMMAND".to_owned(),
                        other => other.to_ascii_uppercase(),
                    })
                    .collect();
                lines.push_str(&format!("{}\n", heads.join(" ").trim_end()));
            }
            for p in &processes {
                let row: Vec<String> = columns
                    .iter()
                    .map(|c| match *c {
                        "pid" => format!("{:5}", process.kernel().number_of(p)),
                        "ppid" => format!("{:5}", p.parent()),
                        "user" => format!("{:<8}", super::identity::user_name(&process, p.credentials().uid)),
                        "comm" => format!("{:<16}", command(p)),
                        "stat" => if p.exit().is_some() { "Z" } else { "S" }.to_owned(),
                        _ => p.args().join(" "),
                    })
                    .collect();
                lines.push_str(&format!("{}\n", row.join(" ").trim_end()));
            }
        }
    }
    i32::from(process.out(lines).await.is_err())
}

/// `top`: shows the processes every five seconds until it is told to stop.
pub(super) async fn top(process: Process) -> Code {
    // It puts the terminal back before it ends, so it handles what would end it; as the first process too.
    let fatal = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
    for signal in fatal {
        process.set_disposition(signal, Disposition::Handle);
    }
    tokio::select! {
        biased;
        () = process.pending() => process.take_pending().map_or(1, Signal::exit_code),
        code = show(&process) => code,
    }
}

async fn show(process: &Process) -> Code {
    let options = Options::read(&process.args(), "bm", "nd").ok();
    let turns: Option<u32> = options.as_ref().and_then(|o| o.value('n')).and_then(|n| n.parse().ok());
    let mut shown = 0;
    loop {
        let mut text = "Mem: 0K used, 0K free, 0K shrd, 0K buff, 0K cached\nCPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% sirq\n\
             Load average: 0.00 0.00 0.00 1/1 1\n  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND\n"
            .to_owned();
        for p in process.kernel().processes().into_iter().filter(|p| p.exit().is_none()) {
            let user = super::identity::user_name(process, p.credentials().uid);
            text.push_str(&format!(
                "{:5} {:5} {user:8} S        0   0%   0   0% {}\n",
                process.kernel().number_of(&p),
                p.parent(),
                p.args().join(" ")
            ));
        }
        if process.out(text).await.is_err() {
            return 1;
        }
        shown += 1;
        if turns.is_some_and(|n| shown >= n) {
            return 0;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Whether a process may signal another: of the same user, or with the capability.
pub(crate) fn may_signal(process: &Process, target: &Process) -> bool {
    let who = process.credentials();
    process.syscall("kill").is_ok() && (who.can(Capability::KILL) || who.uid == target.credentials().uid)
}

/// `usleep N`: microseconds.
pub(super) async fn usleep(process: Process) -> Code {
    match process.args().get(1).and_then(|n| n.parse().ok()) {
        Some(micros) => {
            pause(Duration::from_micros(micros)).await;
            0
        }
        None => {
            process.err("Usage: usleep N\n").await;
            1
        }
    }
}

/// The processes that `pgrep` and `pkill` mean by their arguments, oldest first; the error is what to exit with.
pub(super) async fn matching(process: &Process, args: &[String]) -> Result<Vec<Process>, Code> {
    let options = match Options::read(args, "flxnova", "uPs") {
        Ok(options) => options,
        Err(letter) => return Err(bad_option(process, letter).await),
    };
    let parent = options.value('P').and_then(|pid| pid.parse::<u32>().ok());
    let pattern = options.rest.first().map_or("", String::as_str);
    if pattern.is_empty() && parent.is_none() {
        let name = command(process);
        process.err(format!("Usage: {name} [-flanovx] [-s SID|-P PPID|PATTERN]\n")).await;
        return Err(1);
    }
    let Some(regex) = Regex::new(pattern, true, false, false) else {
        process.err(format!("{}: bad regex '{pattern}'\n", command(process))).await;
        return Err(2);
    };
    let mut found: Vec<Process> = process.kernel().processes();
    found.retain(|p| {
        let text = if options.has('f') { p.args().join(" ") } else { command(p) };
        let held = if options.has('x') { regex.whole(&text) } else { regex.held(&text) };
        let child = parent.is_none_or(|parent| p.parent() == parent);
        p.pid() != process.pid() && p.exit().is_none() && child && held != options.has('v')
    });
    if options.has('n') {
        found = found.pop().into_iter().collect();
    } else if options.has('o') {
        found.truncate(1);
    }
    Ok(found)
}

/// `pgrep [-flaxnov] [-P PARENT] PATTERN`.
pub(super) async fn pgrep(process: Process) -> Code {
    let found = match matching(&process, &process.args()).await {
        Ok(found) => found,
        Err(code) => return code,
    };
    let shown = |letter: char| process.args().iter().any(|a| a.starts_with('-') && a.contains(letter));
    for p in &found {
        let tail = match (shown('a'), shown('l')) {
            (true, _) => format!(" {}", p.args().join(" ")),
            (_, true) => format!(" {}", command(p)),
            _ => String::new(),
        };
        let _ = process.out(format!("{}{tail}\n", process.kernel().number_of(p))).await;
    }
    i32::from(found.is_empty())
}

/// `pidof NAME…`: newest first.
pub(super) async fn pidof(process: Process) -> Code {
    let args = process.args();
    let wanted: Vec<&String> = args[1..].iter().filter(|a| !a.starts_with('-')).collect();
    let mut found: Vec<String> = process
        .kernel()
        .processes()
        .into_iter()
        .filter(|p| p.exit().is_none())
        .filter(|p| {
            // A daemon that renamed itself (`nginx: master process …`) is still found by its first word.
            let name = command(p);
            let name = name.split(':').next().unwrap_or_default();
            wanted.iter().any(|w| w.rsplit('/').next() == Some(name))
        })
        .map(|p| process.kernel().number_of(&p).to_string())
        .collect();
    if found.is_empty() {
        return 1;
    }
    found.reverse();
    if args.iter().any(|a| a == "-s") {
        found.truncate(1);
    }
    i32::from(process.out(found.join(" ") + "\n").await.is_err())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("5", Some(5000))]
    #[case("0.2", Some(200))]
    #[case("1m", Some(60_000))]
    #[case("2h", Some(7_200_000))]
    #[case("", None)]
    #[case("x", None)]
    #[case("-1", None)]
    fn durations(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(duration(text), millis.map(Duration::from_millis));
    }
}
