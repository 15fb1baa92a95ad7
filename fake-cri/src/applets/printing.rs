//! Applets that only print: echo, env, basename and their like.

use super::printf::unescape;
use crate::{
    os::{Code, Errno, Process},
    shell,
};

fn status<T, E>(result: Result<T, E>) -> Code {
    i32::from(result.is_err())
}

pub(super) async fn echo(process: Process) -> Code {
    let args = process.args();
    echo_words(&process, "echo", &args).await
}

/// `echo [-neE] WORD…`. `name` begins its errors.
pub(super) async fn echo_words(process: &Process, name: &str, args: &[String]) -> Code {
    let (mut newline, mut escapes) = (true, false);
    let mut words = args.iter().skip(1).peekable();
    while let Some(option) = words.peek() {
        let letters = option.strip_prefix('-').unwrap_or("");
        if letters.is_empty() || !letters.chars().all(|c| "neE".contains(c)) {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words.next();
    }
    let text = words.cloned().collect::<Vec<_>>().join(" ");
    let mut bytes = Vec::new();
    if escapes {
        if unescape(&text, &mut bytes) {
            newline = false;
        }
    } else {
        bytes.extend_from_slice(text.as_bytes());
    }
    if newline {
        bytes.push(b'\n');
    }
    let result = process.out(bytes).await;
    if let Err(error) = result
        && error != Errno::BrokenPipe
    {
        process.err(format!("{name}: write error: {error}\n")).await;
    }
    status(result)
}

/// `env`: the environment, or a command in a changed one.
pub(super) async fn env(process: Process) -> Code {
    let args = process.args();
    let mut env = process.env();
    let mut rest = args.iter().skip(1).peekable();
    let mut end = '\n';
    while let Some(word) = rest.peek() {
        match word.as_str() {
            "-i" | "-" => env.clear(),
            "-0" => end = '\0',
            "--" => {
                rest.next();
                break;
            }
            "-u" => {
                rest.next();
                if let Some(name) = rest.peek() {
                    env.remove(name.as_str());
                }
            }
            other => match other.split_once('=') {
                Some((name, value)) => {
                    env.insert(name.to_owned(), value.to_owned());
                }
                None => match other.strip_prefix("-u") {
                    Some(name) => {
                        env.remove(name);
                    }
                    None if other.starts_with('-') => {
                        return super::bad_option(&process, other.chars().nth(1).unwrap_or('-')).await;
                    }
                    None => break,
                },
            },
        }
        rest.next();
    }
    // Assignments may follow the options' end.
    while let Some((name, value)) = rest.peek().and_then(|word| word.split_once('=')) {
        env.insert(name.to_owned(), value.to_owned());
        rest.next();
    }
    let command: Vec<String> = rest.cloned().collect();
    if command.is_empty() {
        let lines: String = env.iter().map(|(n, v)| format!("{n}={v}{end}")).collect();
        return status(process.out(lines).await);
    }
    let path = env.get("PATH").cloned().unwrap_or_else(|| "/sbin:/usr/sbin:/bin:/usr/bin".to_owned());
    match super::find(&process, &command[0], &path) {
        Ok(program) => {
            process.become_program(command, env);
            program(process).await
        }
        Err(error) => {
            process.err(format!("env: can't execute '{}': {}\n", command[0], error.reason())).await;
            error.code
        }
    }
}

/// `printenv [NAME…]`.
pub(super) async fn printenv(process: Process) -> Code {
    let args = process.args();
    let env = process.env();
    if args.len() < 2 {
        let lines: String = env.iter().map(|(n, v)| format!("{n}={v}\n")).collect();
        return status(process.out(lines).await);
    }
    let mut code = 0;
    for name in &args[1..] {
        match env.get(name) {
            Some(value) => {
                let _ = process.out(format!("{value}\n")).await;
            }
            None => code = 1,
        }
    }
    code
}

/// `yes [WORD…]`: until nobody reads.
pub(super) async fn yes(process: Process) -> Code {
    let words = process.args()[1..].join(" ");
    let line = if words.is_empty() { "y\n".to_owned() } else { words + "\n" };
    let chunk = line.repeat((4096 / line.len()).max(1));
    loop {
        if process.out(&chunk).await.is_err() {
            return 1;
        }
        process.spin().await;
    }
}

/// `pwd`.
pub(super) async fn pwd(process: Process) -> Code {
    status(process.out(process.cwd() + "\n").await)
}

/// `test` and `[` as programs.
pub(super) async fn test(process: Process) -> Code {
    let mut args = process.args();
    if let Some(name) = args.first_mut() {
        *name = name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match shell::test(&process, &args) {
        Ok(held) => i32::from(!held),
        Err(error) => {
            process.err(format!("{}: {error}\n", args[0])).await;
            2
        }
    }
}

/// `basename PATH [SUFFIX]`.
pub(super) async fn basename(process: Process) -> Code {
    let args = process.args();
    let Some(path) = args.get(1) else {
        process.err("Usage: basename FILE [SUFFIX]\n").await;
        return 1;
    };
    let trimmed = path.trim_end_matches('/');
    let name = if path.is_empty() {
        ""
    } else if trimmed.is_empty() {
        "/"
    } else {
        trimmed.rsplit('/').next().unwrap_or(trimmed)
    };
    let name = args.get(2).and_then(|s| name.strip_suffix(s.as_str())).filter(|n| !n.is_empty()).unwrap_or(name);
    status(process.out(format!("{name}\n")).await)
}

/// `dirname PATH`.
pub(super) async fn dirname(process: Process) -> Code {
    let args = process.args();
    let Some(path) = args.get(1) else {
        process.err("Usage: dirname FILENAME\n").await;
        return 1;
    };
    let trimmed = path.trim_end_matches('/');
    let directory = match trimmed.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory.trim_end_matches('/'),
        None if trimmed.is_empty() && path.starts_with('/') => "/",
        None => ".",
    };
    status(process.out(format!("{directory}\n")).await)
}
