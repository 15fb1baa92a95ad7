//! Applets that start others in another way: nohup, nice, setsid, su; and small ones about the system: mountpoint, truncate, clear.

use super::{Options, bad_option, complain, identity, processes::command};
use crate::os::{Code, Disposition, OpenMode, Process, Signal, capability::Capabilities};

/// Takes another program's place.
async fn become_program(process: Process, words: Vec<String>) -> Code {
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    match super::find(&process, &words[0], &path) {
        Ok(program) => {
            let env = process.env();
            process.become_program(words, env);
            program(process).await
        }
        Err(error) => {
            process.err(format!("{}: can't execute '{}': {}\n", command(&process), words[0], error.reason())).await;
            error.code
        }
    }
}

/// `nohup COMMAND…`: it survives its terminal.
pub(super) async fn nohup(process: Process) -> Code {
    let words = process.args()[1..].to_vec();
    if words.is_empty() {
        process.err("Usage: nohup PROG ARGS\n").await;
        return 1;
    }
    process.set_disposition(Signal::HUP, Disposition::Ignore);
    become_program(process, words).await
}

/// `nice [-n N] [COMMAND…]`: nothing is faster or slower here.
pub(super) async fn nice(process: Process) -> Code {
    let args = process.args();
    let mut words = &args[1..];
    if words.first().is_some_and(|w| w == "-n") {
        words = words.get(2..).unwrap_or_default();
    } else if words.first().is_some_and(|w| w.starts_with('-')) {
        words = &words[1..];
    }
    if words.is_empty() {
        return i32::from(process.out("0\n").await.is_err());
    }
    let words = words.to_vec();
    become_program(process, words).await
}

/// `setsid [-c] COMMAND…`.
pub(super) async fn setsid(process: Process) -> Code {
    let args = process.args();
    let words: Vec<String> = args[1..].iter().skip_while(|w| *w == "-c").cloned().collect();
    if words.is_empty() {
        process.err("Usage: setsid [-c] PROG ARGS\n").await;
        return 1;
    }
    become_program(process, words).await
}

/// `su [-] [USER] [-s SHELL] [-c COMMAND]`, for who may be anybody.
pub(super) async fn su(process: Process) -> Code {
    let options = match Options::read(&process.args(), "lmp", "cs") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut words = options.rest.iter().filter(|w| *w != "-");
    let name = words.next().cloned().unwrap_or_else(|| "root".to_owned());
    let Some((uid, gid)) = identity::user(&process, &name) else {
        process.err(format!("su: unknown user {name}\n")).await;
        return 1;
    };
    let mut who = process.credentials();
    if who.uid != 0 && who.uid != uid {
        process.err("su: must be suid to work properly\n").await;
        return 1;
    }
    who.capabilities = Capabilities::of_user(uid, who.capabilities.bounding, who.capabilities.ambient);
    (who.uid, who.gid) = (uid, gid);
    who.groups.clear();
    process.set_credentials(who);
    let mut shell = vec![options.value('s').unwrap_or("/bin/sh").to_owned()];
    if let Some(script) = options.value('c') {
        shell.extend(["-c".to_owned(), script.to_owned()]);
    }
    shell.extend(words.cloned());
    become_program(process, shell).await
}

/// `mountpoint [-q] DIR`.
pub(super) async fn mountpoint(process: Process) -> Code {
    let options = match Options::read(&process.args(), "qdnx", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(name) = options.rest.first() else {
        process.err("Usage: mountpoint [-q] { [-dn] DIR | -x DEVICE }\n").await;
        return 1;
    };
    let path = process.absolute(name);
    let place = match process.files().stat(&path).and_then(|_| process.files().find(&path, true)) {
        Ok(place) => place,
        Err(error) => return complain(&process, "mountpoint", name, error).await,
    };
    let is = process.files().mounts().iter().any(|mount| mount.at == place.path);
    if !options.has('q') {
        let _ = process.out(format!("{name} is {}a mountpoint\n", if is { "" } else { "not " })).await;
    }
    i32::from(!is)
}

/// `truncate [-c] -s SIZE FILE…`: shorter, or longer by zeros.
pub(super) async fn truncate(process: Process) -> Code {
    let options = match Options::read(&process.args(), "c", "sl") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    // fallocate calls the size a length.
    let size = options.value('s').or(options.value('l'));
    let (Some(text), false) = (size, options.rest.is_empty()) else {
        process.err(format!("Usage: {} [-c] -s SIZE FILE...\n", command(&process))).await;
        return 1;
    };
    let Some(size) = super::streams::size(text).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 16 << 20) else {
        process.err(format!("{}: invalid number '{text}'\n", command(&process))).await;
        return 1;
    };
    let who = process.credentials();
    let mut code = 0;
    for name in &options.rest {
        let path = process.absolute(name);
        let old = process.files().read(&path, &who);
        if old.is_err() && options.has('c') {
            continue;
        }
        let mut bytes = old.unwrap_or_default();
        bytes.resize(size, 0);
        let written = match process.files().open(&path, OpenMode::WRITE, &who) {
            Ok(file) => file.write(&bytes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            code = complain(&process, &command(&process), name, error).await;
        }
    }
    code
}

/// `clear`: an empty screen.
pub(super) async fn clear(process: Process) -> Code {
    i32::from(process.out("\u{1b}[H\u{1b}[J").await.is_err())
}

/// `arch`: the machine's name.
pub(super) async fn arch(process: Process) -> Code {
    process.set_args(vec!["uname".to_owned(), "-m".to_owned()]);
    identity::uname(process).await
}
