//! Commands that the shell runs itself.

use std::time::Duration;

use super::{
    state::{Flow, Shell, Variable},
    test_command,
};
use crate::{
    applets,
    os::{Errno, Process, Signal},
};

/// Special builtins, whose assignments stay and whose errors end the shell.
const SPECIAL: [&str; 14] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "trap",
    "unset",
];

/// The others.
const REGULAR: [&str; 18] = [
    "[", "alias", "cd", "command", "echo", "false", "getopts", "kill", "local", "printf", "pwd", "read", "test",
    "true", "type", "umask", "wait", "times",
];

/// Whether the shell runs that command itself.
pub(super) fn is_builtin(name: &str) -> bool {
    SPECIAL.contains(&name) || REGULAR.contains(&name)
}

/// Whether it is one of the special ones.
pub(super) fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name)
}

/// Longest line that `read` takes.
const LINE_LIMIT: usize = 1024 * 1024;

/// Reads one line from standard input, a byte at a time so as to leave the rest; `None` at the end.
pub(super) async fn read_line(process: &Process) -> Result<Option<String>, Errno> {
    let mut line = Vec::new();
    loop {
        let byte = process.read(1).await?;
        match byte.first() {
            None if line.is_empty() => return Ok(None),
            None | Some(b'\n') => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Some(&byte) => line.push(byte),
        }
        if line.len() > LINE_LIMIT {
            return Err(Errno::TooBig);
        }
    }
}

/// Runs a builtin.
pub(super) async fn run(shell: &mut Shell, args: &[String]) -> Flow {
    let name = args[0].as_str();
    let rest = &args[1..];
    let first = rest.first().map(String::as_str);
    shell.status = match name {
        ":" | "true" | "alias" | "times" => 0,
        "false" => 1,
        "break" | "continue" => {
            let count = first.and_then(|n| n.parse().ok()).unwrap_or(1).max(1);
            shell.status = 0;
            return if name == "break" { Flow::Break(count) } else { Flow::Continue(count) };
        }
        "exit" | "return" => {
            if let Some(text) = first {
                match text.parse::<i32>() {
                    Ok(code) => shell.status = code & 0xff,
                    Err(_) => return shell.fatal(format!("{name}: Illegal number: {text}")).await,
                }
            }
            return if name == "exit" { Flow::Exit } else { Flow::Return };
        }
        "eval" => {
            let script = rest.join(" ");
            shell.status = 0;
            return shell.evaluate(&script).await;
        }
        "." => {
            let Some(path) = first else { return shell.fatal(".: filename argument required".to_owned()).await };
            return match shell.source(path).await {
                Ok(script) => match shell.evaluate(&script).await {
                    Flow::Return => Flow::Next,
                    flow => flow,
                },
                Err(error) => shell.fatal(format!(".: {error}")).await,
            };
        }
        "exec" => {
            if rest.is_empty() {
                0
            } else {
                let env = shell.environment();
                shell.external(rest.to_vec(), env, true).await;
                return Flow::Exit;
            }
        }
        "export" | "readonly" => return declare(shell, rest, name == "export").await,
        "local" => return local(shell, rest).await,
        "unset" => {
            for name in rest.iter().filter(|n| !n.starts_with('-')) {
                if rest.first().is_some_and(|o| o == "-f") {
                    shell.functions.remove(name);
                } else if shell.variables.get(name).is_some_and(|v| v.read_only) {
                    return shell.fatal(format!("unset: {name}: is read only")).await;
                } else {
                    shell.variables.remove(name);
                }
            }
            0
        }
        "set" => return set(shell, rest).await,
        "shift" => {
            let count = first.and_then(|n| n.parse().ok()).unwrap_or(1usize);
            if count > shell.parameters.len() {
                1
            } else {
                shell.parameters.drain(..count);
                0
            }
        }
        "trap" => trap(shell, rest).await,
        "wait" => return wait(shell, rest).await,
        "kill" => kill(shell, rest).await,
        "cd" => cd(shell, first).await,
        "pwd" => {
            let cwd = shell.process.cwd();
            i32::from(shell.process.out(format!("{cwd}\n")).await.is_err())
        }
        "read" => read(shell, rest).await,
        "umask" => {
            if first.is_none() {
                let _ = shell.process.out("0022\n").await;
            }
            0
        }
        "test" | "[" => match test_command::test(&shell.process, args) {
            Ok(held) => i32::from(!held),
            Err(error) => {
                shell.complain(error).await;
                2
            }
        },
        "type" | "command" => return describe(shell, name, rest).await,
        "getopts" => getopts(shell, rest).await,
        "echo" | "printf" => applets::run_inside(&shell.process, args).await,
        _ => 127,
    };
    Flow::Next
}

async fn declare(shell: &mut Shell, rest: &[String], export: bool) -> Flow {
    shell.status = 0;
    if rest.is_empty() || rest == ["-p"] {
        let word = if export { "export" } else { "readonly" };
        let lines: String = shell
            .variables
            .iter()
            .filter(|(_, v)| if export { v.exported } else { v.read_only })
            .map(|(n, v)| format!("{word} {n}='{}'\n", v.value.replace('\'', "'\\''")))
            .collect();
        let _ = shell.process.out(lines).await;
        return Flow::Next;
    }
    for item in rest {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            return shell
                .fatal(format!("{}: {name}: bad variable name", if export { "export" } else { "readonly" }))
                .await;
        }
        if let Some(value) = value
            && let Err(error) = shell.set(name, value)
        {
            return shell.fatal(error).await;
        }
        let variable = shell.variables.entry(name.to_owned()).or_default();
        if export {
            variable.exported = true;
        } else {
            variable.read_only = true;
        }
    }
    Flow::Next
}

async fn local(shell: &mut Shell, rest: &[String]) -> Flow {
    shell.status = 0;
    if shell.locals.is_empty() {
        return shell.fatal("local: not in a function".to_owned()).await;
    }
    for item in rest {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        let old = shell.variables.get(name).cloned();
        if let Some(saved) = shell.locals.last_mut() {
            saved.entry(name.to_owned()).or_insert(old);
        }
        if let Some(value) = value {
            shell.variables.insert(name.to_owned(), Variable { value: value.to_owned(), ..Variable::default() });
        }
    }
    Flow::Next
}

async fn set(shell: &mut Shell, rest: &[String]) -> Flow {
    shell.status = 0;
    if rest.is_empty() {
        let lines: String =
            shell.variables.iter().map(|(n, v)| format!("{n}='{}'\n", v.value.replace('\'', "'\\''"))).collect();
        let _ = shell.process.out(lines).await;
        return Flow::Next;
    }
    let mut rest = rest.iter().peekable();
    while let Some(option) = rest.peek().filter(|o| o.len() > 1 && o.starts_with(['-', '+'])).map(|o| (*o).clone()) {
        rest.next();
        if option == "--" {
            shell.set_parameters(rest.cloned().collect());
            return Flow::Next;
        }
        let on = option.starts_with('-');
        for letter in option[1..].chars() {
            let letter = if letter == 'o' {
                match rest.next().map(String::as_str) {
                    Some("errexit") => 'e',
                    Some("nounset") => 'u',
                    Some("xtrace") => 'x',
                    Some("noglob") => 'f',
                    Some("noexec") => 'n',
                    Some("pipefail") | None => continue,
                    Some(other) => return shell.fatal(format!("set: illegal option -o {other}")).await,
                }
            } else {
                letter
            };
            if !shell.set_option(letter, on) {
                return shell.fatal(format!("set: illegal option -{letter}")).await;
            }
        }
    }
    if rest.peek().is_some() {
        shell.set_parameters(rest.cloned().collect());
    }
    Flow::Next
}

async fn trap(shell: &mut Shell, rest: &[String]) -> i32 {
    let rest = if rest.first().is_some_and(|o| o == "--") { &rest[1..] } else { rest };
    let Some(first) = rest.first() else {
        let lines: String = shell
            .traps
            .iter()
            .map(|(signal, action)| {
                let name = signal.map_or("EXIT".to_owned(), Signal::name);
                format!("trap -- '{}' {name}\n", action.replace('\'', "'\\''"))
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
                    shell.complain(format!("trap: {other}: invalid signal specification")).await;
                    status = 1;
                }
            },
        }
    }
    status
}

/// Waits for children; a signal with a trap ends the waiting at once.
async fn wait(shell: &mut Shell, rest: &[String]) -> Flow {
    let process = shell.process.clone();
    let wanted: Vec<u32> = if rest.is_empty() {
        process.children()
    } else {
        rest.iter().filter_map(|p| p.trim_start_matches('%').parse().ok()).collect()
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
                shell.tell(exit).await;
                let code = exit.code();
                shell.status = if rest.is_empty() { 0 } else { code };
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

async fn kill(shell: &mut Shell, rest: &[String]) -> i32 {
    let mut signal = Some(Signal::TERM);
    let mut targets = rest;
    match rest.first().map(String::as_str) {
        Some("-l") => {
            let names: Vec<String> = (1..32).filter_map(Signal::from_number).map(Signal::name).collect();
            let _ = shell.process.out(names.join(" ") + "\n").await;
            return 0;
        }
        Some("-s") => {
            signal = rest.get(1).and_then(|n| Signal::parse(n));
            targets = rest.get(2..).unwrap_or_default();
            if signal.is_none() {
                shell.complain(format!("kill: bad signal name '{}'", rest.get(1).map_or("", String::as_str))).await;
                return 1;
            }
        }
        Some(option) if option.starts_with('-') && option.len() > 1 => {
            // Signal 0 only asks whether the process is there.
            signal = Signal::parse(&option[1..]);
            targets = &rest[1..];
            if signal.is_none() && &option[1..] != "0" {
                shell.complain(format!("kill: bad signal name '{}'", &option[1..])).await;
                return 1;
            }
        }
        _ => {}
    }
    let mut status = 0;
    for target in targets {
        let number = target.trim_start_matches('%').parse::<i64>();
        let Ok(number) = number else {
            shell.complain(format!("kill: invalid number '{target}'")).await;
            status = 1;
            continue;
        };
        if number == -1 {
            for process in shell.process.kernel().processes() {
                if process.pid() != 1 && process.pid() != shell.process.pid() {
                    signal.inspect(|s| process.signal(*s));
                }
            }
            continue;
        }
        match u32::try_from(number.abs()).ok().and_then(|pid| shell.process.kernel().process(pid)) {
            Some(target) if !crate::applets::may_signal(&shell.process, &target) => {
                shell.complain(format!("kill: can't kill pid {number}: Operation not permitted")).await;
                status = 1;
            }
            Some(target) => {
                signal.inspect(|s| target.signal_from(&shell.process, *s));
                tokio::task::yield_now().await;
            }
            None => {
                shell.complain(format!("kill: can't kill pid {number}: No such process")).await;
                status = 1;
            }
        }
    }
    status
}

async fn cd(shell: &mut Shell, to: Option<&str>) -> i32 {
    let target = match to {
        None => shell.get("HOME").unwrap_or_else(|| "/".to_owned()),
        Some("-") => shell.get("OLDPWD").unwrap_or_else(|| "/".to_owned()),
        Some(path) => path.to_owned(),
    };
    let full = shell.process.absolute(&target);
    let result = shell.process.files().stat(&full).and_then(|facts| {
        if facts.kind == world::files::FileKind::Directory { Ok(()) } else { Err(Errno::NotDirectory) }
    });
    match result {
        Ok(()) => {
            let mut parts: Vec<&str> = Vec::new();
            for part in full.split('/').filter(|p| !p.is_empty() && *p != ".") {
                if part == ".." {
                    parts.pop();
                } else {
                    parts.push(part);
                }
            }
            let old = shell.process.cwd();
            let new = format!("/{}", parts.join("/"));
            let _ = shell.set("OLDPWD", old);
            let _ = shell.set("PWD", new.clone());
            shell.process.set_cwd(new);
            0
        }
        Err(error) => {
            shell.complain(format!("cd: can't cd to {target}: {error}")).await;
            1
        }
    }
}

async fn read(shell: &mut Shell, rest: &[String]) -> i32 {
    let mut raw = false;
    let mut timeout = None;
    let mut names = Vec::new();
    let mut rest = rest.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-r" => raw = true,
            "-p" => {
                if let Some(prompt) = rest.next() {
                    shell.process.err(prompt).await;
                }
            }
            "-t" => timeout = rest.next().and_then(|t| t.parse::<f64>().ok()),
            "-s" => {}
            name => names.push(name.to_owned()),
        }
    }
    let line = match timeout.and_then(|t| Duration::try_from_secs_f64(t).ok()) {
        Some(limit) => match tokio::time::timeout(limit, read_line(&shell.process)).await {
            Ok(line) => line,
            Err(_) => return 142,
        },
        None => read_line(&shell.process).await,
    };
    let (mut line, status) = match line {
        Ok(Some(line)) => (line, 0),
        Ok(None) => (String::new(), 1),
        Err(error) => {
            shell.complain(format!("read error: {error}")).await;
            return 1;
        }
    };
    if !raw {
        line = line.replace('\\', "");
    }
    if names.is_empty() {
        names.push("REPLY".to_owned());
    }
    let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let separator = |c: char| ifs.contains(c);
    let mut text = line.trim_matches(|c: char| separator(c) && c.is_whitespace()).to_owned();
    for (i, name) in names.iter().enumerate() {
        let value = if i + 1 == names.len() {
            std::mem::take(&mut text)
        } else {
            match text.split_once(separator) {
                Some((head, tail)) => {
                    let (head, tail) = (head.to_owned(), tail.trim_start_matches(separator).to_owned());
                    text = tail;
                    head
                }
                None => std::mem::take(&mut text),
            }
        };
        if let Err(error) = shell.set(name, value) {
            shell.complain(error).await;
            return 2;
        }
    }
    status
}

async fn describe(shell: &mut Shell, name: &str, rest: &[String]) -> Flow {
    let asks = name == "type" || rest.first().is_some_and(|o| o == "-v" || o == "-V");
    if !asks {
        if rest.first().is_some_and(|c| is_builtin(c) && c.as_str() != "command") {
            return Box::pin(run(shell, rest)).await;
        }
        if rest.is_empty() {
            shell.status = 0;
            return Flow::Next;
        }
        let env = shell.environment();
        return shell.external(rest.to_vec(), env, false).await;
    }
    let brief = name == "command" && rest.first().is_some_and(|o| o == "-v");
    let wanted = if name == "type" { rest } else { &rest[1..] };
    shell.status = 0;
    for command in wanted {
        let path = shell.get("PATH").unwrap_or_default();
        let text = if shell.functions.contains_key(command) {
            Some(if brief { command.clone() } else { format!("{command} is a function") })
        } else if is_builtin(command) {
            Some(if brief { command.clone() } else { format!("{command} is a shell builtin") })
        } else {
            applets::locate(&shell.process, command, &path).map(|p| if brief { p } else { format!("{command} is {p}") })
        };
        match text {
            Some(text) => {
                let _ = shell.process.out(text + "\n").await;
            }
            None => {
                if !brief {
                    shell.process.err(format!("{command}: not found\n")).await;
                }
                shell.status = 127;
            }
        }
    }
    Flow::Next
}

async fn getopts(shell: &mut Shell, rest: &[String]) -> i32 {
    let (Some(spec), Some(name)) = (rest.first(), rest.get(1)) else {
        shell.complain("getopts: usage: getopts optstring var [arg]").await;
        return 2;
    };
    let args: Vec<String> = if rest.len() > 2 { rest[2..].to_vec() } else { shell.parameters.clone() };
    let (mut index, mut at) = shell.option_index;
    let current = args.get(index.saturating_sub(1)).cloned().unwrap_or_default();
    if at == 0 {
        if !current.starts_with('-') || current == "-" || current == "--" {
            if current == "--" {
                index += 1;
            }
            let _ = shell.set("OPTIND", index.to_string());
            let _ = shell.set(name, "?");
            return 1;
        }
        at = 1;
    }
    let letter = current.chars().nth(at).unwrap_or('?');
    let end = at + 1 >= current.chars().count();
    let takes = spec.find(letter).is_some_and(|i| letter != ':' && spec[i + letter.len_utf8()..].starts_with(':'));
    let known = letter != ':' && spec.contains(letter);
    shell.variables.remove("OPTARG");
    let mut result = letter.to_string();
    if takes {
        let value = if end {
            index += 1;
            args.get(index - 1).cloned()
        } else {
            Some(current.chars().skip(at + 1).collect())
        };
        index += 1;
        at = 0;
        match value {
            Some(value) => {
                let _ = shell.set("OPTARG", value);
            }
            None => {
                shell.complain(format!("No arg for -{letter} option")).await;
                result = "?".to_owned();
            }
        }
    } else {
        if !known {
            if !spec.starts_with(':') {
                shell.complain(format!("Illegal option -{letter}")).await;
            }
            result = "?".to_owned();
        }
        if end {
            index += 1;
            at = 0;
        } else {
            at += 1;
        }
    }
    let _ = shell.set("OPTIND", index.to_string());
    shell.option_index = (index, at);
    let _ = shell.set(name, result);
    0
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
