//! Applets that look for files and hand them on: find, xargs, which, du, mktemp, sha256sum.

use sha2::{Digest as _, Sha256};
use world::files::FileKind;

use super::{Options, bad_option, complain};
use crate::{
    os::{Code, Launch, OpenMode, Process},
    shell::pattern,
};

/// Runs a command to its end. 127 and 126 as a shell would say.
async fn run(process: &Process, args: Vec<String>) -> Code {
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let Some(name) = args.first().cloned() else { return 0 };
    match super::find(process, &name, &path) {
        Ok(program) => match process.kernel().clone().launch(Some(process), Launch::child(process, args), program) {
            Some(child) => process.wait_child(&child).await.code(),
            None => 126,
        },
        Err(error) => {
            let me = process.args().first().cloned().unwrap_or_default();
            process.err(format!("{me}: {name}: {}\n", error.text)).await;
            error.code
        }
    }
}

/// What `find` tests of each path.
#[derive(Debug, Default)]
struct Query {
    name: Option<String>,
    kind: Option<FileKind>,
    deepest: Option<usize>,
    shallowest: usize,
    command: Vec<String>,
    delete: bool,
}

impl Query {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut query = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("{word} requires an argument"));
            match word.as_str() {
                "-name" => query.name = Some(value()?),
                "-type" => {
                    query.kind = Some(match value()?.as_str() {
                        "f" => FileKind::File,
                        "d" => FileKind::Directory,
                        "l" => FileKind::Symlink,
                        other => return Err(format!("unrecognized: -type {other}")),
                    });
                }
                "-maxdepth" => query.deepest = value()?.parse().ok(),
                "-mindepth" => query.shallowest = value()?.parse().unwrap_or(0),
                "-delete" => query.delete = true,
                "-print" | "-depth" | "-xdev" | "-mount" => {}
                "-exec" => {
                    let mut ended = false;
                    for word in words.by_ref() {
                        if word == ";" || word == "+" {
                            ended = true;
                            break;
                        }
                        query.command.push(word.clone());
                    }
                    if !ended || query.command.is_empty() {
                        return Err("-exec requires an argument".to_owned());
                    }
                }
                other => return Err(format!("unrecognized: {other}")),
            }
        }
        Ok(query)
    }

    fn takes(&self, path: &str, kind: FileKind, depth: usize) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        depth >= self.shallowest
            && self.kind.is_none_or(|k| k == kind)
            && self.name.as_ref().is_none_or(|wanted| pattern::matches(wanted, name))
    }
}

/// `find [PATH…] [-name P] [-type f|d|l] [-maxdepth N] [-mindepth N] [-exec CMD {} ;] [-delete]`.
pub(super) async fn find(process: Process) -> Code {
    let args = process.args();
    let first = args.iter().skip(1).position(|a| a.starts_with('-')).map_or(args.len(), |i| i + 1);
    let mut roots = args[1..first].to_vec();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let query = match Query::read(&args[first..]) {
        Ok(query) => query,
        Err(text) => {
            process.err(format!("find: {text}\n")).await;
            return 1;
        }
    };
    let mut code = 0;
    let mut found = Vec::new();
    let mut waiting: Vec<(String, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
    while let Some((path, depth)) = waiting.pop() {
        process.spin().await;
        let kind = match process.files().lstat(&process.absolute(&path)) {
            Ok(facts) => facts.kind,
            Err(error) => {
                code = complain(&process, "find", &path, error).await;
                continue;
            }
        };
        if query.takes(&path, kind, depth) {
            found.push((path.clone(), kind));
        }
        if kind != FileKind::Directory || query.deepest.is_some_and(|deepest| depth >= deepest) {
            continue;
        }
        match process.files().list(&process.absolute(&path), &process.credentials()) {
            Ok(entries) => {
                let below = entries
                    .into_iter()
                    .rev()
                    .map(|e| (format!("{}/{}", path.trim_end_matches('/'), e.name), depth + 1));
                waiting.extend(below);
            }
            Err(error) => code = complain(&process, "find", &path, error).await,
        }
    }
    if query.delete {
        // What is in a directory goes before it.
        found.reverse();
    }
    for (path, kind) in found {
        if query.delete {
            let (full, who) = (process.absolute(&path), process.credentials());
            let gone = if kind == FileKind::Directory {
                process.files().remove_dir(&full, &who)
            } else {
                process.files().remove_file(&full, &who)
            };
            if let Err(error) = gone {
                code = complain(&process, "find", &path, error).await;
            }
        } else if query.command.is_empty() {
            if process.out(path + "\n").await.is_err() {
                return 1;
            }
        } else {
            run(&process, query.command.iter().map(|w| w.replace("{}", &path)).collect()).await;
        }
    }
    code
}

/// Most bytes that `xargs` reads.
const INPUT_LIMIT: usize = 1024 * 1024;

/// `xargs [-0r] [-n N] [-I R] [COMMAND…]`.
pub(super) async fn xargs(process: Process) -> Code {
    let args = process.args();
    let mut most = usize::MAX;
    let (mut zero, mut skip_empty, mut replace) = (false, false, None);
    let mut words = args.iter().skip(1).peekable();
    while let Some(word) = words.peek().filter(|w| w.starts_with('-')) {
        match word.as_str() {
            "-0" => zero = true,
            "-r" => skip_empty = true,
            "-n" | "-I" => {
                let which = words.next().cloned();
                let value = words.peek().map(|w| (*w).clone()).unwrap_or_default();
                if which.as_deref() == Some("-n") {
                    most = value.parse().ok().filter(|n| *n > 0).unwrap_or(usize::MAX);
                } else {
                    (replace, most) = (Some(value), 1);
                }
            }
            other => {
                process.err(format!("xargs: invalid option -- '{}'\n", other.trim_start_matches('-'))).await;
                return 1;
            }
        }
        words.next();
    }
    let mut command: Vec<String> = words.cloned().collect();
    if command.is_empty() {
        command.push("echo".to_owned());
    }
    let mut input = Vec::new();
    while let Ok(chunk) = process.read(16 * 1024).await {
        if chunk.is_empty() || input.len() > INPUT_LIMIT {
            break;
        }
        input.extend_from_slice(&chunk);
    }
    let input = String::from_utf8_lossy(&input).into_owned();
    let items: Vec<&str> = match (zero, &replace) {
        (true, _) => input.split('\0').filter(|i| !i.is_empty()).collect(),
        (false, Some(_)) => input.lines().map(str::trim_start).filter(|i| !i.is_empty()).collect(),
        (false, None) => input.split_whitespace().collect(),
    };
    if items.is_empty() {
        return if skip_empty || replace.is_some() { 0 } else { run(&process, command).await };
    }
    let mut code = 0;
    for group in items.chunks(most.min(items.len())) {
        let args: Vec<String> = match &replace {
            Some(mark) => {
                command.iter().map(|w| w.replace(mark.as_str(), group.first().copied().unwrap_or_default())).collect()
            }
            None => command.iter().cloned().chain(group.iter().map(|i| (*i).to_owned())).collect(),
        };
        match run(&process, args).await {
            0 => {}
            failed @ (126 | 127) => return failed,
            _ => code = 123,
        }
    }
    code
}

/// `which NAME…`.
pub(super) async fn which(process: Process) -> Code {
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let mut code = 0;
    for name in process.args().iter().skip(1) {
        match super::locate(&process, name, &path) {
            Some(place) => drop(process.out(place + "\n").await),
            None => code = 1,
        }
    }
    code
}

/// `mktemp [-d] [TEMPLATE]`.
pub(super) async fn mktemp(process: Process) -> Code {
    let options = match Options::read(&process.args(), "dqtu", "p") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let template = options.rest.first().cloned().unwrap_or_else(|| "/tmp/tmp.XXXXXX".to_owned());
    let stem = template.trim_end_matches('X');
    if template.len() - stem.len() < 6 {
        return complain(&process, "mktemp", &template, crate::os::Errno::Invalid).await;
    }
    let who = process.credentials();
    // Names count up: nothing here is drawn by chance.
    for number in 0..1_000_000_u32 {
        let path = format!("{stem}{:06}", number);
        let full = process.absolute(&path);
        if process.files().lstat(&full).is_ok() {
            continue;
        }
        let made = if options.has('d') {
            process.files().make_dir(&full, 0o700, &who)
        } else {
            process
                .files()
                .open(&full, OpenMode::WRITE, &who)
                .and_then(|_| process.files().set_mode(&full, 0o600, &who))
        };
        return match made {
            Ok(()) => i32::from(process.out(path + "\n").await.is_err()),
            Err(error) => complain(&process, "mktemp", &template, error).await,
        };
    }
    1
}

/// `du [-shk] [PATH…]`: sizes in KiB.
pub(super) async fn du(process: Process) -> Code {
    let options = match Options::read(&process.args(), "shkmacx", "d") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut roots = options.rest.clone();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let mut code = 0;
    for root in roots {
        let mut sizes: Vec<(String, u64)> = Vec::new();
        let mut waiting = vec![root.clone()];
        while let Some(path) = waiting.pop() {
            process.spin().await;
            let facts = match process.files().lstat(&process.absolute(&path)) {
                Ok(facts) => facts,
                Err(error) => {
                    code = complain(&process, "du", &path, error).await;
                    continue;
                }
            };
            let size = if facts.kind == FileKind::Directory { 4 } else { facts.size.div_ceil(4096) * 4 };
            for (above, total) in &mut sizes {
                if path.starts_with(&format!("{above}/")) {
                    *total += size;
                }
            }
            if facts.kind == FileKind::Directory {
                sizes.push((path.clone(), size));
                let entries =
                    process.files().list(&process.absolute(&path), &process.credentials()).unwrap_or_default();
                waiting.extend(entries.into_iter().map(|e| format!("{}/{}", path.trim_end_matches('/'), e.name)));
            } else if path == root {
                sizes.push((path.clone(), size));
            }
        }
        if options.has('s') {
            sizes.truncate(1);
        }
        sizes.reverse();
        for (path, size) in sizes {
            let shown = if options.has('h') { format!("{:.1}K", size as f64) } else { size.to_string() };
            let _ = process.out(format!("{shown}\t{path}\n")).await;
        }
    }
    code
}

/// `sha256sum [FILE…]`.
pub(super) async fn sha256sum(process: Process) -> Code {
    let mut files: Vec<String> = process.args().into_iter().skip(1).collect();
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut code = 0;
    for name in files {
        let input = if name == "-" {
            process.descriptor(0)
        } else {
            process.files().open(&process.absolute(&name), OpenMode::READ, &process.credentials())
        };
        let mut hash = Sha256::new();
        let done = match input {
            Err(error) => Err(error),
            Ok(file) => loop {
                match file.read(64 * 1024).await {
                    Ok(chunk) if chunk.is_empty() => break Ok(()),
                    Ok(chunk) => hash.update(&chunk),
                    Err(error) => break Err(error),
                }
            },
        };
        match done {
            Ok(()) => {
                let digest = hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                let _ = process.out(format!("{digest}  {name}\n")).await;
            }
            Err(error) => {
                process.err(format!("sha256sum: can't open '{name}': {error}\n")).await;
                code = 1;
            }
        }
    }
    code
}
