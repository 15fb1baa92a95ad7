//! Applets about processes and time: sleep, ps, top, kill, pgrep, pidof, timeout.

use std::time::Duration;

use super::{Options, bad_option, regex::Regex};
use crate::os::{Code, Disposition, Errno, Process, Signal, capability::Capability};

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

/// `timeout [-s SIGNAL] SECONDS COMMAND…`.
pub(super) async fn timeout(process: Process) -> Code {
    let args = process.args();
    let mut rest = args[1..].iter();
    let mut signal = Signal::TERM;
    let mut word = rest.next();
    if word.is_some_and(|w| w == "-s") {
        signal = rest.next().and_then(|s| Signal::parse(s)).unwrap_or(Signal::TERM);
        word = rest.next();
    }
    let Some(limit) = word.and_then(|w| duration(w)) else {
        process.err("Usage: timeout [-s SIG] SECS PROG ARGS\n").await;
        return 1;
    };
    let command: Vec<String> = rest.cloned().collect();
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let Some(name) = command.first() else {
        process.err("Usage: timeout [-s SIG] SECS PROG ARGS\n").await;
        return 1;
    };
    let program = match super::find(&process, name, &path) {
        Ok(program) => program,
        Err(error) => {
            process.err(format!("timeout: can't execute '{name}': {}\n", error.text)).await;
            return error.code;
        }
    };
    let launch = crate::os::Launch::child(&process, command.clone());
    let Some(child) = process.kernel().clone().launch(Some(&process), launch, program) else { return 126 };
    tokio::select! {
        biased;
        exit = process.wait_child(&child) => exit.code(),
        () = pause(limit) => {
            child.signal(signal);
            process.wait_child(&child).await.code()
        }
    }
}

fn command(process: &Process) -> String {
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
                let heads: Vec<String> = columns.iter().map(|c| c.to_ascii_uppercase()).collect();
                lines.push_str(&format!("{}\n", heads.join(" ")));
            }
            for p in &processes {
                let row: Vec<String> = columns
                    .iter()
                    .map(|c| match *c {
                        "pid" => format!("{:5}", process.kernel().number_of(p)),
                        "ppid" => format!("{:5}", p.parent()),
                        "user" => super::identity::user_name(&process, p.credentials().uid),
                        "comm" => command(p),
                        "stat" => if p.exit().is_some() { "Z" } else { "S" }.to_owned(),
                        _ => p.args().join(" "),
                    })
                    .collect();
                lines.push_str(&format!("{}\n", row.join(" ")));
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

/// `killall [-SIGNAL] NAME…`.
pub(super) async fn killall(process: Process) -> Code {
    let args = process.args();
    let mut signal = Signal::TERM;
    let mut code = 0;
    for arg in &args[1..] {
        if let Some(name) = arg.strip_prefix('-') {
            let Some(named) = Signal::parse(name) else {
                process.err(format!("killall: bad signal name '{name}'\n")).await;
                return 1;
            };
            signal = named;
            continue;
        }
        let mut targets = process.kernel().processes();
        targets.retain(|p| {
            p.exit().is_none() && p.pid() != process.pid() && command(p) == *arg && may_signal(&process, p)
        });
        if targets.is_empty() {
            process.err(format!("killall: {arg}: no process killed\n")).await;
            code = 1;
        }
        for target in targets {
            target.signal_from(&process, signal);
        }
    }
    tokio::task::yield_now().await;
    code
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

/// `kill [-SIGNAL] PID…` as a program.
pub(super) async fn kill(process: Process) -> Code {
    let args = process.args();
    let mut signal = Some(Signal::TERM);
    let mut code = 0;
    for arg in &args[1..] {
        if let Some(name) = arg.strip_prefix('-').filter(|n| n.parse::<u32>().is_err() || args[1] == *arg) {
            signal = Signal::parse(name);
            if signal.is_none() && name != "0" {
                process.err(format!("kill: bad signal name '{name}'\n")).await;
                return 1;
            }
            continue;
        }
        match arg.parse().ok().and_then(|pid| process.kernel().process(pid)) {
            Some(target) if !may_signal(&process, &target) => {
                process.err(format!("kill: can't kill pid {arg}: {}\n", Errno::NotPermitted)).await;
                code = 1;
            }
            Some(target) => {
                signal.inspect(|s| target.signal_from(&process, *s));
                tokio::task::yield_now().await;
            }
            None => {
                process.err(format!("kill: can't kill pid {arg}: No such process\n")).await;
                code = 1;
            }
        }
    }
    code
}

/// `pgrep [-f] [-l] [-x] PATTERN`.
pub(super) async fn pgrep(process: Process) -> Code {
    let options = match Options::read(&process.args(), "flxnov", "uP") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(pattern) = options.rest.first() else {
        process.err("Usage: pgrep [-flanovx] [-s SID|-P PPID|PATTERN]\n").await;
        return 1;
    };
    let Some(regex) = Regex::new(pattern, true, false, false) else {
        process.err(format!("pgrep: bad regex '{pattern}'\n")).await;
        return 2;
    };
    let mut code = 1;
    for p in process.kernel().processes() {
        if p.pid() == process.pid() || p.exit().is_some() {
            continue;
        }
        let text = if options.has('f') { p.args().join(" ") } else { command(&p) };
        let held = if options.has('x') { regex.whole(&text) } else { regex.held(&text) };
        if held != options.has('v') {
            code = 0;
            let tail = if options.has('l') { format!(" {}", command(&p)) } else { String::new() };
            let _ = process.out(format!("{}{tail}\n", process.kernel().number_of(&p))).await;
        }
    }
    code
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
