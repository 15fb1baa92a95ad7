//! The programs of a simulated image: busybox's applets, with busybox's wording, and the way a command name becomes one of them.
//!
//! A program is a file of the image whose content names it (see [`program_file`]), so paths, links, permissions and volumes decide what can
//! be run, as on a real system. Host files that are real executables are refused as another machine's would be.

mod directories;
mod files;
mod grep;
mod identity;
mod network;
mod printing;
mod processes;
mod regex;
mod search;
mod sed;
mod sockets;
mod streams;
mod system;
mod terminal;
mod text;

use futures_util::future::BoxFuture;
use world::files::Metadata;

pub(crate) use processes::may_signal;

use crate::{
    os::{Code, Errno, Process, Program, capability::Capabilities},
    shell,
};

/// How the content of a simulated program begins; its name follows.
const MAGIC: &str = "\u{7f}ELF podlab ";

/// What a program's file holds: `busybox` for all of its applets, or a server's name.
pub fn program_file(name: &str) -> Vec<u8> {
    format!("{MAGIC}{name}\n").into_bytes()
}

/// Why a command cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// What a shell exits with: 127 not found, 126 found but not runnable.
    pub code: Code,
    /// What it says.
    pub text: String,
}

/// One applet.
type Applet = fn(Process) -> BoxFuture<'static, Code>;

/// Every applet by name.
const APPLETS: &[(&str, Applet)] = &[
    ("[", |p| Box::pin(printing::test(p))),
    ("ash", shell::main),
    ("base64", |p| Box::pin(text::base64(p))),
    ("basename", |p| Box::pin(printing::basename(p))),
    ("brctl", |p| Box::pin(network::brctl(p))),
    ("cat", |p| Box::pin(streams::cat(p))),
    ("chmod", |p| Box::pin(directories::chmod(p))),
    ("chown", |p| Box::pin(directories::chown(p))),
    ("cp", |p| Box::pin(files::cp(p))),
    ("cut", |p| Box::pin(text::cut(p))),
    ("date", |p| Box::pin(printing::date(p))),
    ("dd", |p| Box::pin(streams::dd(p))),
    ("df", |p| Box::pin(system::df(p))),
    ("dirname", |p| Box::pin(printing::dirname(p))),
    ("dmesg", |_| Box::pin(async { 0 })),
    ("du", |p| Box::pin(search::du(p))),
    ("echo", |p| Box::pin(printing::echo(p))),
    ("env", |p| Box::pin(printing::env(p))),
    ("expr", |p| Box::pin(printing::expr(p))),
    ("false", |_| Box::pin(async { 1 })),
    ("find", |p| Box::pin(search::find(p))),
    ("free", |p| Box::pin(system::free(p))),
    ("grep", |p| Box::pin(grep::grep(p))),
    ("head", |p| Box::pin(streams::head(p))),
    ("hostname", |p| Box::pin(identity::hostname(p))),
    ("httpd", |p| Box::pin(network::httpd(p))),
    ("id", |p| Box::pin(identity::id(p))),
    ("ifconfig", |p| Box::pin(sockets::ifconfig(p))),
    ("ipcmk", |p| Box::pin(system::ipcmk(p))),
    ("ipcrm", |p| Box::pin(system::ipcrm(p))),
    ("ipcs", |p| Box::pin(system::ipcs(p))),
    ("kill", |p| Box::pin(processes::kill(p))),
    ("killall", |p| Box::pin(processes::killall(p))),
    ("ln", |p| Box::pin(files::ln(p))),
    ("ls", |p| Box::pin(directories::ls(p))),
    ("mkdir", |p| Box::pin(directories::mkdir(p))),
    ("mktemp", |p| Box::pin(search::mktemp(p))),
    ("mount", |p| Box::pin(system::mount(p))),
    ("mv", |p| Box::pin(files::mv(p))),
    ("nc", |p| Box::pin(network::nc(p))),
    ("netstat", |p| Box::pin(sockets::netstat(p))),
    ("nproc", |p| Box::pin(identity::nproc(p))),
    ("pgrep", |p| Box::pin(processes::pgrep(p))),
    ("pidof", |p| Box::pin(processes::pidof(p))),
    ("ping", |p| Box::pin(sockets::ping(p))),
    ("printenv", |p| Box::pin(printing::printenv(p))),
    ("printf", |p| Box::pin(printing::printf(p))),
    ("ps", |p| Box::pin(processes::ps(p))),
    ("pwd", |p| Box::pin(printing::pwd(p))),
    ("readlink", |p| Box::pin(directories::readlink(p))),
    ("rm", |p| Box::pin(files::rm(p))),
    ("rmdir", |p| Box::pin(directories::rmdir(p))),
    ("sed", |p| Box::pin(sed::sed(p))),
    ("seq", |p| Box::pin(printing::seq(p))),
    ("sh", shell::main),
    ("sha256sum", |p| Box::pin(search::sha256sum(p))),
    ("sleep", |p| Box::pin(processes::sleep(p))),
    ("sort", |p| Box::pin(text::sort(p))),
    ("stat", |p| Box::pin(directories::stat(p))),
    ("stty", |p| Box::pin(terminal::stty(p))),
    ("sync", |_| Box::pin(async { 0 })),
    ("sysctl", |p| Box::pin(system::sysctl(p))),
    ("tail", |p| Box::pin(streams::tail(p))),
    ("tee", |p| Box::pin(streams::tee(p))),
    ("test", |p| Box::pin(printing::test(p))),
    ("timeout", |p| Box::pin(processes::timeout(p))),
    ("top", |p| Box::pin(processes::top(p))),
    ("touch", |p| Box::pin(files::touch(p))),
    ("tr", |p| Box::pin(text::tr(p))),
    ("true", |_| Box::pin(async { 0 })),
    ("tty", |p| Box::pin(terminal::tty(p))),
    ("umount", |p| Box::pin(system::umount(p))),
    ("uname", |p| Box::pin(identity::uname(p))),
    ("uniq", |p| Box::pin(text::uniq(p))),
    ("uptime", |p| Box::pin(system::uptime(p))),
    ("usleep", |p| Box::pin(processes::usleep(p))),
    ("wc", |p| Box::pin(streams::wc(p))),
    ("wget", |p| Box::pin(network::wget(p))),
    ("which", |p| Box::pin(search::which(p))),
    ("whoami", |p| Box::pin(identity::whoami(p))),
    ("xargs", |p| Box::pin(search::xargs(p))),
    ("yes", |p| Box::pin(printing::yes(p))),
];

/// Names of all applets, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|(name, _)| *name)
}

fn applet(name: &str) -> Option<Applet> {
    APPLETS.binary_search_by(|(n, _)| (*n).cmp(name)).ok().and_then(|i| APPLETS.get(i)).map(|(_, applet)| *applet)
}

/// Runs an applet within a process that has another name: the shell's `echo`.
pub async fn run_inside(process: &Process, args: &[String]) -> Code {
    match args.first().map(String::as_str) {
        Some("echo") => printing::echo_words(process, args).await,
        Some("printf") => printing::printf_words(process, args).await,
        _ => 127,
    }
}

/// Where a command is: itself if it has a slash, else the first match in `path`.
pub fn locate(process: &Process, name: &str, path: &str) -> Option<String> {
    let who = process.credentials();
    if name.contains('/') {
        let full = process.absolute(name);
        return process.files().executable(&full, &who).is_ok().then(|| name.to_owned());
    }
    path.split(':')
        .map(|d| format!("{}/{name}", if d.is_empty() { "." } else { d }))
        .find(|candidate| process.files().executable(&process.absolute(candidate), &who).is_ok())
}

/// Gives a process what a set-id program gives: its owner's rights, unless the process may not gain any.
fn raise(process: &Process, facts: &Metadata) {
    if process.confinement().no_new_privileges {
        return;
    }
    let mut who = process.credentials();
    if facts.mode & 0o4000 != 0 && who.uid != facts.uid {
        who.uid = facts.uid;
        who.capabilities = Capabilities::of_user(facts.uid, who.capabilities.bounding, who.capabilities.ambient);
    }
    if facts.mode & 0o2000 != 0 {
        who.gid = facts.gid;
    }
    process.set_credentials(who);
}

/// The program that a command name stands for.
pub fn find(process: &Process, name: &str, path: &str) -> Result<Program, ExecError> {
    let who = process.credentials();
    let not_found = || ExecError { code: 127, text: "not found".to_owned() };
    let place = match locate(process, name, path) {
        Some(place) => place,
        None if name.contains('/') => {
            return Err(match process.files().executable(&process.absolute(name), &who) {
                Err(Errno::NoEntry) | Ok(_) => not_found(),
                Err(error) => ExecError { code: 126, text: error.text().to_owned() },
            });
        }
        None => {
            // As execvp: a file that is there but may not be run is a better answer than none.
            let there = |d: &str| process.files().stat(&process.absolute(&format!("{d}/{name}"))).is_ok();
            return Err(match path.split(':').any(there) {
                true => ExecError { code: 126, text: Errno::Access.text().to_owned() },
                false => not_found(),
            });
        }
    };
    let content = process.files().executable(&process.absolute(&place), &who).map_err(|_| not_found())?;
    let unknown = || ExecError { code: 126, text: Errno::ExecFormat.text().to_owned() };
    let program = resolve(&place, &content).ok_or_else(unknown)?;
    match process.files().stat(&process.absolute(&place)) {
        Ok(facts) if facts.mode & 0o6000 != 0 => Ok(Box::new(move |process: Process| {
            raise(&process, &facts);
            program(process)
        })),
        _ => Ok(program),
    }
}

/// The program that a file's content stands for.
fn resolve(place: &str, content: &[u8]) -> Option<Program> {
    if let Some(rest) = content.strip_prefix(MAGIC.as_bytes()) {
        let program = std::str::from_utf8(rest).ok()?.lines().next()?;
        let called = place.rsplit('/').next().unwrap_or(place);
        if program == "busybox" {
            return Some(match called {
                "busybox" => Box::new(|p| Box::pin(busybox(p))),
                other => match applet(other) {
                    Some(applet) => Box::new(applet),
                    None => {
                        let name = other.to_owned();
                        Box::new(move |p: Process| {
                            Box::pin(async move {
                                p.err(format!("{name}: applet not found\n")).await;
                                127
                            })
                        })
                    }
                },
            });
        }
        return crate::os::servers::find(program);
    }
    if content.starts_with(b"\x7fELF") {
        return None;
    }
    let script = place.to_owned();
    Some(Box::new(move |p: Process| {
        Box::pin(async move {
            let args = p.args();
            let mut whole = vec!["sh".to_owned(), script];
            whole.extend(args.into_iter().skip(1));
            p.set_args(whole);
            shell::main(p).await
        })
    }))
}

/// `busybox APPLET ARG…`.
async fn busybox(process: Process) -> Code {
    let args = process.args();
    let Some(name) = args.get(1).cloned() else {
        let list: Vec<&str> = names().collect();
        let _ = process
            .out(format!("BusyBox v1.37.0 multi-call binary.\n\nCurrently defined functions:\n\t{}\n", list.join(", ")))
            .await;
        return 0;
    };
    if name == "--list" {
        let list: Vec<&str> = names().collect();
        let _ = process.out(list.join("\n") + "\n").await;
        return 0;
    }
    match applet(&name) {
        Some(applet) => {
            process.set_args(args[1..].to_vec());
            applet(process).await
        }
        None => {
            process.err(format!("{name}: applet not found\n")).await;
            127
        }
    }
}

/// Options of a command line taken apart: single letters and what is left. `takes` names the letters that want a value.
struct Options {
    letters: Vec<(char, Option<String>)>,
    rest: Vec<String>,
}

impl Options {
    /// Reads them as getopt does, `known` listing every letter; the error is the letter that is not.
    fn read(args: &[String], known: &str, takes: &str) -> Result<Self, char> {
        let mut letters = Vec::new();
        let mut rest = Vec::new();
        let mut args = args.iter().skip(1);
        while let Some(arg) = args.next() {
            if arg == "--" {
                rest.extend(args.by_ref().cloned());
                break;
            }
            let Some(group) = arg.strip_prefix('-').filter(|g| !g.is_empty() && !g.starts_with('-')) else {
                rest.push(arg.clone());
                continue;
            };
            for (i, letter) in group.char_indices() {
                if takes.contains(letter) {
                    let inline = &group[i + letter.len_utf8()..];
                    let value = if inline.is_empty() { args.next().cloned() } else { Some(inline.to_owned()) };
                    letters.push((letter, Some(value.ok_or(letter)?)));
                    break;
                }
                if !known.contains(letter) {
                    return Err(letter);
                }
                letters.push((letter, None));
            }
        }
        Ok(Self { letters, rest })
    }

    fn has(&self, letter: char) -> bool {
        self.letters.iter().any(|(l, _)| *l == letter)
    }

    fn value(&self, letter: char) -> Option<&str> {
        self.letters.iter().rev().find(|(l, _)| *l == letter).and_then(|(_, v)| v.as_deref())
    }
}

/// Complains about an option as busybox does.
async fn bad_option(process: &Process, letter: char) -> Code {
    let name = process.args().first().cloned().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    process.err(format!("{name}: invalid option -- '{letter}'\n")).await;
    1
}

/// The standard complaint: `name: what: why`.
async fn complain(process: &Process, name: &str, what: &str, why: impl std::fmt::Display) -> Code {
    process.err(format!("{name}: {what}: {why}\n")).await;
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_its_search() {
        assert!(APPLETS.is_sorted_by_key(|(name, _)| *name));
    }
}
