//! The programs of a simulated image: busybox's applets, with busybox's wording, and the way a command name becomes one of them.
//!
//! A program is a file of the image whose content names it (see [`program_file`]), so paths, links, permissions and volumes decide what can
//! be run, as on a real system. Host files that are real executables are refused as another machine's would be.

mod awk;
mod compare;
mod date;
mod directories;
mod dump;
mod expr;
mod files;
mod finding;
mod grep;
mod gzip;
mod hashes;
mod identity;
mod kill;
mod lines;
mod listing;
mod network;
mod printf;
mod printing;
mod processes;
mod regex;
mod search;
mod sed;
mod seq;
mod sockets;
mod sort;
mod start;
mod streams;
mod system;
mod tar;
mod terminal;
mod text;
mod xargs;

use futures_util::future::BoxFuture;
use world::files::Metadata;

pub(crate) use directories::new_mode as mode;
pub(crate) use kill::kill_words;
pub(crate) use regex::Regex;

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

impl ExecError {
    /// Why, in the C library's words, as programs that start others say it.
    pub fn reason(&self) -> &str {
        if self.code == 127 { Errno::NoEntry.text() } else { &self.text }
    }
}

/// One applet.
type Applet = fn(Process) -> BoxFuture<'static, Code>;

/// Every applet by name.
const APPLETS: &[(&str, Applet)] = &[
    ("[", |p| Box::pin(printing::test(p))),
    ("arch", |p| Box::pin(start::arch(p))),
    ("ash", shell::main),
    ("awk", |p| Box::pin(awk::awk(p))),
    ("base64", |p| Box::pin(text::base64(p))),
    ("basename", |p| Box::pin(printing::basename(p))),
    ("brctl", |p| Box::pin(network::brctl(p))),
    ("cat", |p| Box::pin(streams::cat(p))),
    ("chgrp", |p| Box::pin(directories::chgrp(p))),
    ("chmod", |p| Box::pin(directories::chmod(p))),
    ("chown", |p| Box::pin(directories::chown(p))),
    ("clear", |p| Box::pin(start::clear(p))),
    ("cmp", |p| Box::pin(compare::cmp(p))),
    ("comm", |p| Box::pin(compare::comm(p))),
    ("cp", |p| Box::pin(files::cp(p))),
    ("cut", |p| Box::pin(text::cut(p))),
    ("date", |p| Box::pin(date::date(p))),
    ("dd", |p| Box::pin(streams::dd(p))),
    ("df", |p| Box::pin(system::df(p))),
    ("diff", |p| Box::pin(compare::diff(p))),
    ("dirname", |p| Box::pin(printing::dirname(p))),
    ("dmesg", |_| Box::pin(async { 0 })),
    ("du", |p| Box::pin(search::du(p))),
    ("echo", |p| Box::pin(printing::echo(p))),
    ("egrep", |p| Box::pin(grep::grep(p))),
    ("env", |p| Box::pin(printing::env(p))),
    ("expr", |p| Box::pin(expr::expr(p))),
    ("fallocate", |p| Box::pin(start::truncate(p))),
    ("false", |_| Box::pin(async { 1 })),
    ("fgrep", |p| Box::pin(grep::grep(p))),
    ("find", |p| Box::pin(finding::find(p))),
    ("fold", |p| Box::pin(lines::fold(p))),
    ("free", |p| Box::pin(system::free(p))),
    ("grep", |p| Box::pin(grep::grep(p))),
    ("groups", |p| Box::pin(identity::groups(p))),
    ("gunzip", |p| Box::pin(gzip::gzip(p))),
    ("gzip", |p| Box::pin(gzip::gzip(p))),
    ("hd", |p| Box::pin(dump::hexdump(p))),
    ("head", |p| Box::pin(streams::head(p))),
    ("hexdump", |p| Box::pin(dump::hexdump(p))),
    ("hostname", |p| Box::pin(identity::hostname(p))),
    ("httpd", |p| Box::pin(network::httpd(p))),
    ("id", |p| Box::pin(identity::id(p))),
    ("ifconfig", |p| Box::pin(sockets::ifconfig(p))),
    ("ip", |p| Box::pin(sockets::ip(p))),
    ("ipcmk", |p| Box::pin(system::ipcmk(p))),
    ("ipcrm", |p| Box::pin(system::ipcrm(p))),
    ("ipcs", |p| Box::pin(system::ipcs(p))),
    ("kill", |p| Box::pin(kill::kill(p))),
    ("killall", |p| Box::pin(kill::killall(p))),
    ("ln", |p| Box::pin(files::ln(p))),
    ("ls", |p| Box::pin(listing::ls(p))),
    ("md5sum", |p| Box::pin(hashes::sums(p))),
    ("mkdir", |p| Box::pin(directories::mkdir(p))),
    ("mktemp", |p| Box::pin(search::mktemp(p))),
    ("mount", |p| Box::pin(system::mount(p))),
    ("mountpoint", |p| Box::pin(start::mountpoint(p))),
    ("mv", |p| Box::pin(files::mv(p))),
    ("nc", |p| Box::pin(network::nc(p))),
    ("netstat", |p| Box::pin(sockets::netstat(p))),
    ("nice", |p| Box::pin(start::nice(p))),
    ("nl", |p| Box::pin(lines::nl(p))),
    ("nohup", |p| Box::pin(start::nohup(p))),
    ("nproc", |p| Box::pin(identity::nproc(p))),
    ("od", |p| Box::pin(dump::od(p))),
    ("paste", |p| Box::pin(lines::paste(p))),
    ("pgrep", |p| Box::pin(processes::pgrep(p))),
    ("pidof", |p| Box::pin(processes::pidof(p))),
    ("ping", |p| Box::pin(sockets::ping(p))),
    ("pkill", |p| Box::pin(kill::pkill(p))),
    ("printenv", |p| Box::pin(printing::printenv(p))),
    ("printf", |p| Box::pin(printf::printf(p))),
    ("ps", |p| Box::pin(processes::ps(p))),
    ("pwd", |p| Box::pin(printing::pwd(p))),
    ("readlink", |p| Box::pin(listing::readlink(p))),
    ("realpath", |p| Box::pin(listing::realpath(p))),
    ("rev", |p| Box::pin(lines::rev(p))),
    ("rm", |p| Box::pin(files::rm(p))),
    ("rmdir", |p| Box::pin(directories::rmdir(p))),
    ("sed", |p| Box::pin(sed::sed(p))),
    ("seq", |p| Box::pin(seq::seq(p))),
    ("setsid", |p| Box::pin(start::setsid(p))),
    ("sh", shell::main),
    ("sha1sum", |p| Box::pin(hashes::sums(p))),
    ("sha256sum", |p| Box::pin(hashes::sums(p))),
    ("sha512sum", |p| Box::pin(hashes::sums(p))),
    ("shuf", |p| Box::pin(lines::shuf(p))),
    ("sleep", |p| Box::pin(processes::sleep(p))),
    ("sort", |p| Box::pin(sort::sort(p))),
    ("stat", |p| Box::pin(listing::stat(p))),
    ("stty", |p| Box::pin(terminal::stty(p))),
    ("su", |p| Box::pin(start::su(p))),
    ("sync", |_| Box::pin(async { 0 })),
    ("sysctl", |p| Box::pin(system::sysctl(p))),
    ("tac", |p| Box::pin(lines::tac(p))),
    ("tail", |p| Box::pin(streams::tail(p))),
    ("tar", |p| Box::pin(tar::tar(p))),
    ("tee", |p| Box::pin(streams::tee(p))),
    ("test", |p| Box::pin(printing::test(p))),
    ("timeout", |p| Box::pin(processes::timeout(p))),
    ("top", |p| Box::pin(processes::top(p))),
    ("touch", |p| Box::pin(files::touch(p))),
    ("tr", |p| Box::pin(text::tr(p))),
    ("true", |_| Box::pin(async { 0 })),
    ("truncate", |p| Box::pin(start::truncate(p))),
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
    ("xargs", |p| Box::pin(xargs::xargs(p))),
    ("xxd", |p| Box::pin(dump::xxd(p))),
    ("yes", |p| Box::pin(printing::yes(p))),
    ("zcat", |p| Box::pin(gzip::gzip(p))),
];

/// Names of all applets, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|(name, _)| *name)
}

fn applet(name: &str) -> Option<Applet> {
    APPLETS.binary_search_by(|(n, _)| (*n).cmp(name)).ok().and_then(|i| APPLETS.get(i)).map(|(_, applet)| *applet)
}

/// Runs an applet within a process that has another name: the shell's `echo`. Its errors begin with that name.
pub async fn run_inside(process: &Process, args: &[String]) -> Code {
    match args.first().map(String::as_str) {
        Some("echo") => printing::echo_words(process, "sh", args).await,
        Some("printf") => printf::printf_words(process, "sh", args).await,
        _ => 127,
    }
}

/// What a text with backslash sequences stands for.
pub(crate) fn unescaped(text: &str) -> String {
    printf::unescaped(text)
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

/// What a file that begins with `#!` names: the interpreter and its one argument.
fn interpreter(content: &[u8]) -> Option<Vec<String>> {
    let line = content.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    let (name, argument) = line.split_once([' ', '\t']).map_or((line.as_str(), ""), |(n, a)| (n, a.trim()));
    Some([name, argument].into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// Deepest chain of interpreters.
const INTERPRETER_LIMIT: u32 = 4;

fn scripted(process: &Process, place: &str, line: &[String], depth: u32) -> Result<Program, ExecError> {
    let not_found = ExecError { code: 127, text: "not found".to_owned() };
    let name = line.first().filter(|name| name.contains('/')).ok_or_else(|| not_found.clone())?;
    if depth >= INTERPRETER_LIMIT {
        return Err(ExecError { code: 126, text: Errno::Loop.text().to_owned() });
    }
    let program = find_at(process, name, "", depth + 1)?;
    let mut begin = line.to_vec();
    begin.push(place.to_owned());
    Ok(Box::new(move |process: Process| {
        let rest = process.args().into_iter().skip(1);
        process.set_args(begin.into_iter().chain(rest).collect());
        program(process)
    }))
}

/// The program that a command name stands for.
pub fn find(process: &Process, name: &str, path: &str) -> Result<Program, ExecError> {
    find_at(process, name, path, 0)
}

fn find_at(process: &Process, name: &str, path: &str, depth: u32) -> Result<Program, ExecError> {
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
    let program = match interpreter(&content) {
        // As the kernel has it: a script whose interpreter is not there is itself not there.
        Some(line) => return scripted(process, &place, &line, depth),
        None => resolve(&place, &content).ok_or_else(unknown)?,
    };
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
