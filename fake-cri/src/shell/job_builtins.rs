//! Builtins about what runs and what comes in: `trap`, `wait`, `jobs`, `kill`.

use super::{
    quoting::quote,
    state::{Flow, Shell},
};
use crate::{applets, os::Signal};

/// `trap [ACTION SIGNAL…]`.
pub(super) async fn trap(shell: &mut Shell, rest: &[String]) -> i32 {
    let rest = if rest.first().is_some_and(|o| o == "--") { &rest[1..] } else { rest };
    let Some(first) = rest.first() else {
        let lines: String = shell
            .traps
            .iter()
            .map(|(signal, action)| {
                format!("trap -- {} {}\n", quote(action), signal.map_or("EXIT".to_owned(), Signal::name))
            })
            .collect();
        let _ = shell.process.out(lines).await;
        return 0;
    };
    let (action, signals) = match first.as_str() {
        "-" => (None, &rest[1..]),
        text if rest.len() == 1 || text.parse::<u32>().is_ok() => (None, rest),
        text => (Some(text.to_owned()), &rest[1..]),
    };
    let mut status = 0;
    for name in signals {
        match name.as_str() {
            "EXIT" | "0" => shell.trap(None, action.clone()),
            other => match Signal::parse(other) {
                Some(signal) => shell.trap(Some(signal), action.clone()),
                None => {
                    shell.complain(format!("{other}: invalid signal specification")).await;
                    status = 1;
                }
            },
        }
    }
    status
}

/// `wait [PID | %JOB]…`: a signal with a trap ends the waiting at once.
pub(super) async fn wait(shell: &mut Shell, rest: &[String]) -> Flow {
    let process = shell.process.clone();
    let wanted: Vec<u32> = if rest.is_empty() {
        process.children()
    } else {
        rest.iter().map(|p| shell.jobs.find(p).or_else(|| p.parse().ok()).unwrap_or(0)).collect()
    };
    shell.status = 0;
    for pid in wanted {
        let Some(child) = process.kernel().process(pid).filter(|_| process.children().contains(&pid)) else {
            shell.status = 127;
            continue;
        };
        let ended = tokio::select! {
            biased;
            exit = process.wait_child(&child) => Some(exit),
            () = process.pending() => None,
        };
        match ended {
            Some(exit) => {
                shell.jobs.remove(pid);
                if !rest.is_empty() {
                    shell.tell(exit).await;
                }
                shell.status = if rest.is_empty() { 0 } else { exit.code() };
            }
            None => {
                let signal = process.take_pending();
                let action = signal.and_then(|s| shell.traps.get(&Some(s)).cloned());
                let code = signal.map_or(0, Signal::exit_code);
                if let Some(action) = action {
                    let flow = shell.evaluate(&action).await;
                    if flow != Flow::Next {
                        return flow;
                    }
                }
                shell.status = code;
                return Flow::Next;
            }
        }
    }
    Flow::Next
}

/// `jobs`: what was put into the background; what has ended is told once.
pub(super) async fn jobs(shell: &mut Shell) -> i32 {
    let mut lines = String::new();
    for (at, job) in shell.jobs.newest_first().into_iter().enumerate() {
        let mark = match at {
            0 => '+',
            1 => '-',
            _ => ' ',
        };
        let exit = shell.process.kernel().process(job.pid).and_then(|p| p.exit());
        let state = match exit {
            None => "Running".to_owned(),
            Some(crate::os::Exit::Code(0)) => "Done".to_owned(),
            Some(crate::os::Exit::Code(code)) => format!("Done({code})"),
            Some(crate::os::Exit::Signal(signal)) => signal.description(),
            Some(crate::os::Exit::OutOfMemory) => Signal::KILL.description(),
        };
        if exit.is_some() {
            shell.jobs.remove(job.pid);
        }
        lines.push_str(&format!("[{}]{mark}  {state:<27}\n", job.number));
    }
    i32::from(shell.process.out(lines).await.is_err())
}

/// `kill` as the shell has it: it knows jobs.
pub(super) async fn kill(shell: &mut Shell, rest: &[String]) -> i32 {
    let jobs = shell.jobs.clone();
    applets::kill_words(&shell.process, "sh", rest, move |target| jobs.find(target)).await
}
