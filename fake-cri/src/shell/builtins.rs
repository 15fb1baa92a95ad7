//! Commands that the shell runs itself: which they are, and those about where it is and what a name stands for.

use super::{
    job_builtins, quoting, read,
    state::{Flow, Shell},
    test_command, variable_builtins,
};
use crate::{
    applets,
    os::{Errno, Process},
};

/// Special builtins, whose assignments stay and whose errors end the shell.
const SPECIAL: [&str; 15] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "source",
    "trap", "unset",
];

/// The others.
const REGULAR: [&str; 26] = [
    "[", "alias", "bg", "cd", "chdir", "command", "echo", "false", "fg", "getopts", "hash", "jobs", "kill", "let",
    "local", "printf", "pwd", "read", "test", "times", "true", "type", "ulimit", "umask", "unalias", "wait",
];

/// Whether the shell runs that command itself.
pub(super) fn is_builtin(name: &str) -> bool {
    known(name).is_some()
}

fn known(name: &str) -> Option<&'static str> {
    SPECIAL.iter().chain(&REGULAR).find(|known| **known == name).copied()
}

/// Whether it is one of the special ones.
pub(super) fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name)
}

/// Longest line of a script from standard input.
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

/// Runs a builtin; its errors name it.
pub(super) async fn run(shell: &mut Shell, args: &[String]) -> Flow {
    let before = std::mem::replace(&mut shell.builtin, known(&args[0]));
    let flow = dispatch(shell, args).await;
    shell.builtin = before;
    flow
}

async fn dispatch(shell: &mut Shell, args: &[String]) -> Flow {
    let name = args[0].as_str();
    let rest = &args[1..];
    let first = rest.first().map(String::as_str);
    shell.status = match name {
        ":" | "true" | "bg" | "fg" => 0,
        "false" => 1,
        "times" => {
            let _ = shell.process.out("0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n").await;
            0
        }
        "break" | "continue" => {
            let Ok(count) = first.map_or(Ok(1), str::parse::<u32>) else {
                return shell.fatal(format!("Illegal number: {}", first.unwrap_or_default())).await;
            };
            shell.status = 0;
            let count = count.min(shell.loops);
            return match (count, name) {
                (0, _) => Flow::Next,
                (count, "break") => Flow::Break(count),
                (count, _) => Flow::Continue(count),
            };
        }
        "exit" | "return" => {
            if let Some(text) = first {
                match text.parse::<i32>() {
                    Ok(code) if code >= 0 => shell.status = code & 0xff,
                    _ => return shell.fatal(format!("Illegal number: {text}")).await,
                }
            }
            return if name == "exit" { Flow::Exit } else { Flow::Return };
        }
        "eval" => {
            let script = rest.join(" ");
            shell.status = 0;
            shell.builtin = None;
            return shell.evaluate(&script).await;
        }
        "." | "source" => return source(shell, rest).await,
        "exec" => {
            if rest.is_empty() {
                0
            } else {
                let env = shell.environment();
                shell.external(rest.to_vec(), env, true).await;
                return Flow::Exit;
            }
        }
        "export" | "readonly" => return variable_builtins::declare(shell, rest, name == "export").await,
        "local" => return variable_builtins::local(shell, rest).await,
        "unset" => return variable_builtins::unset(shell, rest).await,
        "set" => return variable_builtins::set(shell, rest).await,
        "getopts" => variable_builtins::getopts(shell, rest).await,
        "alias" => variable_builtins::alias(shell, rest).await,
        "unalias" => variable_builtins::unalias(shell, rest).await,
        "let" => return variable_builtins::let_(shell, rest).await,
        "shift" => {
            let Ok(count) = first.map_or(Ok(1), str::parse::<usize>) else {
                return shell.fatal(format!("Illegal number: {}", first.unwrap_or_default())).await;
            };
            if count > shell.parameters.len() {
                1
            } else {
                shell.parameters.drain(..count);
                0
            }
        }
        "trap" => job_builtins::trap(shell, rest).await,
        "wait" => return job_builtins::wait(shell, rest).await,
        "jobs" => job_builtins::jobs(shell).await,
        "kill" => job_builtins::kill(shell, rest).await,
        "cd" | "chdir" => cd(shell, rest).await,
        "pwd" => {
            let mut cwd = shell.process.cwd();
            if first == Some("-P") {
                cwd = physical(&shell.process, &cwd).unwrap_or(cwd);
            }
            i32::from(shell.process.out(format!("{cwd}\n")).await.is_err())
        }
        "read" => read::read(shell, rest).await,
        "umask" => umask(shell, first).await,
        "ulimit" => ulimit(shell, rest).await,
        "test" | "[" => match test_command::test(&shell.process, args) {
            Ok(held) => i32::from(!held),
            Err(error) => {
                shell.complain_as_program(error).await;
                2
            }
        },
        "hash" => {
            let mut status = 0;
            for command in rest.iter().filter(|c| !c.starts_with('-')) {
                let path = shell.get("PATH").unwrap_or_default();
                if !is_builtin(command) && applets::locate(&shell.process, command, &path).is_none() {
                    shell.complain(format!("{command}: not found")).await;
                    status = 1;
                }
            }
            status
        }
        "type" | "command" => return describe(shell, name, rest).await,
        "echo" | "printf" => applets::run_inside(&shell.process, args).await,
        _ => 127,
    };
    Flow::Next
}

async fn source(shell: &mut Shell, rest: &[String]) -> Flow {
    let Some(path) = rest.first() else { return shell.fatal("filename argument required".to_owned()).await };
    // A name without a slash is looked for where commands are, then here.
    let found = match path.contains('/') {
        true => path.clone(),
        false => {
            let places = shell.get("PATH").unwrap_or_default();
            let mut candidates = places.split(':').map(|d| format!("{d}/{path}"));
            candidates
                .find(|c| shell.process.files().stat(&shell.process.absolute(c)).is_ok())
                .unwrap_or_else(|| path.clone())
        }
    };
    match shell.source(&found).await {
        Ok(script) => {
            shell.builtin = None;
            let parameters = (rest.len() > 1).then(|| std::mem::replace(&mut shell.parameters, rest[1..].to_vec()));
            let flow = shell.evaluate(&script).await;
            if let Some(parameters) = parameters {
                shell.parameters = parameters;
            }
            if flow == Flow::Return { Flow::Next } else { flow }
        }
        Err(error) => shell.fatal(error).await,
    }
}

/// A path without links.
fn physical(process: &Process, path: &str) -> Option<String> {
    process.files().find(&process.absolute(path), true).ok().map(|place| place.path.to_string_lossy().into_owned())
}

async fn cd(shell: &mut Shell, rest: &[String]) -> i32 {
    let resolve = rest.first().is_some_and(|o| o == "-P");
    let to = rest.iter().find(|o| !matches!(o.as_str(), "-P" | "-L" | "--")).map(String::as_str);
    let target = match to {
        None => shell.get("HOME").unwrap_or_else(|| "/".to_owned()),
        Some("-") => shell.get("OLDPWD").unwrap_or_else(|| "/".to_owned()),
        Some(path) => path.to_owned(),
    };
    let full = shell.process.absolute(&target);
    let who = shell.process.credentials();
    let result = shell.process.files().stat(&full).and_then(|facts| {
        if facts.kind != world::files::FileKind::Directory {
            Err(Errno::NotDirectory)
        } else if !who.may(facts.uid, facts.gid, facts.mode | 0o4_0000, 1) {
            Err(Errno::Access)
        } else {
            Ok(())
        }
    });
    if let Err(error) = result {
        shell.complain(format!("can't cd to {target}: {error}")).await;
        return 2;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let mut new = format!("/{}", parts.join("/"));
    if resolve {
        new = physical(&shell.process, &full).unwrap_or(new);
    }
    let old = shell.process.cwd();
    let _ = shell.set("OLDPWD", old);
    let _ = shell.set("PWD", new.clone());
    shell.process.set_cwd(new.clone());
    if to == Some("-") {
        let _ = shell.process.out(format!("{new}\n")).await;
    }
    0
}

async fn umask(shell: &mut Shell, wanted: Option<&str>) -> i32 {
    let now = shell.process.umask();
    match wanted {
        None => {
            let _ = shell.process.out(format!("{now:04o}\n")).await;
            0
        }
        Some("-S") => {
            let rights = |shift: u32| -> String {
                let bits = !now >> shift;
                [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(bit, _)| bits & bit != 0).map(|(_, c)| *c).collect()
            };
            let _ = shell.process.out(format!("u={},g={},o={}\n", rights(6), rights(3), rights(0))).await;
            0
        }
        Some(text) => {
            let mask = match u32::from_str_radix(text, 8) {
                Ok(mask) if mask <= 0o777 => Some(mask),
                Ok(_) => None,
                Err(_) => applets::mode(text, !now & 0o777).map(|mode| !mode & 0o777),
            };
            match mask {
                Some(mask) => {
                    shell.process.set_umask(mask);
                    0
                }
                None => {
                    shell.complain(format!("Illegal mode: {text}")).await;
                    2
                }
            }
        }
    }
}

/// Limits as containers have them; setting one changes nothing.
async fn ulimit(shell: &mut Shell, rest: &[String]) -> i32 {
    const LIMITS: [(char, &str, &str); 15] = [
        ('c', "core file size (blocks)", "unlimited"),
        ('d', "data seg size (kb)", "unlimited"),
        ('e', "scheduling priority", "0"),
        ('f', "file size (blocks)", "unlimited"),
        ('i', "pending signals", "31423"),
        ('l', "max locked memory (kb)", "64"),
        ('m', "max memory size (kb)", "unlimited"),
        ('n', "open files", "1048576"),
        ('q', "POSIX message queues (bytes)", "819200"),
        ('r', "real-time priority", "0"),
        ('s', "stack size (kb)", "8192"),
        ('t', "cpu time (seconds)", "unlimited"),
        ('u', "max user processes", "unlimited"),
        ('v', "virtual memory (kb)", "unlimited"),
        ('x', "file locks", "unlimited"),
    ];
    let letters: String = rest.iter().filter_map(|o| o.strip_prefix('-')).collect();
    if letters.contains('a') {
        let lines: String =
            LIMITS.iter().map(|(letter, name, value)| format!("{name:<32}(-{letter}) {value}\n")).collect();
        return i32::from(shell.process.out(lines).await.is_err());
    }
    if rest.iter().any(|o| !o.starts_with('-')) {
        return 0;
    }
    let letter = letters.chars().find(|c| !matches!(c, 'H' | 'S')).unwrap_or('f');
    match LIMITS.iter().find(|(l, ..)| *l == letter) {
        Some((.., value)) => i32::from(shell.process.out(format!("{value}\n")).await.is_err()),
        None => {
            shell.complain(format!("invalid option -- '{letter}'")).await;
            1
        }
    }
}

async fn describe(shell: &mut Shell, name: &str, rest: &[String]) -> Flow {
    let asks = name == "type" || rest.first().is_some_and(|o| o == "-v" || o == "-V");
    if !asks {
        let rest = if rest.first().is_some_and(|o| o == "-p" || o == "--") { &rest[1..] } else { rest };
        if rest.first().is_some_and(|c| is_builtin(c) && c.as_str() != "command") {
            return Box::pin(run(shell, rest)).await;
        }
        if rest.is_empty() {
            shell.status = 0;
            return Flow::Next;
        }
        shell.builtin = None;
        let env = shell.environment();
        return shell.external(rest.to_vec(), env, false).await;
    }
    let brief = name == "command" && rest.first().is_some_and(|o| o == "-v");
    let wanted = if name == "type" { rest } else { rest.get(1..2).unwrap_or_default() };
    shell.status = 0;
    for command in wanted {
        let path = shell.get("PATH").unwrap_or_default();
        let of = |kind: &str| Some(if brief { command.clone() } else { format!("{command} is {kind}") });
        let text = if quoting::KEYWORDS.contains(&command.as_str()) {
            of("a shell keyword")
        } else if let Some(value) = shell.aliases.get(command) {
            Some(if brief {
                format!("alias {command}='{value}'")
            } else {
                format!("{command} is an alias for {value}")
            })
        } else if shell.functions.contains_key(command) {
            of("a function")
        } else if is_special(command) {
            of("a special shell builtin")
        } else if is_builtin(command) {
            of("a shell builtin")
        } else {
            applets::locate(&shell.process, command, &path).map(|p| if brief { p } else { format!("{command} is {p}") })
        };
        match text {
            Some(text) => {
                let _ = shell.process.out(text + "\n").await;
            }
            None => {
                if !brief {
                    let _ = shell.process.out(format!("{command}: not found\n")).await;
                }
                shell.status = 127;
            }
        }
    }
    Flow::Next
}
