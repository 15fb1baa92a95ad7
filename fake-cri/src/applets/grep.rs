//! `grep`, and its recursive form.

use world::files::FileKind;

use super::{Options, bad_option, regex::Regex, streams::slurp};
use crate::os::{Code, Process};

/// What lines are taken.
struct Query {
    expressions: Vec<Regex>,
    inverted: bool,
    whole: bool,
    word: bool,
}

impl Query {
    fn takes(&self, line: &str) -> bool {
        let held = |regex: &Regex| match (self.whole, self.word) {
            (true, _) => regex.whole(line),
            (_, true) => regex.word(line),
            _ => regex.held(line),
        };
        self.expressions.iter().any(held) != self.inverted
    }
}

/// Files below a directory, sorted; a file is itself.
fn files(process: &Process, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let full = process.absolute(&path);
        if process.files().lstat(&full).is_ok_and(|f| f.kind == FileKind::Directory) {
            let entries = process.files().list(&full, &process.credentials()).unwrap_or_default();
            waiting.extend(entries.into_iter().rev().map(|e| format!("{}/{}", path.trim_end_matches('/'), e.name)));
        } else {
            found.push(path);
        }
    }
    found
}

/// `grep [-ivnqcoEFxlLsHhwrR] [-m N] [-e] PATTERN [FILE…]`.
pub(super) async fn grep(process: Process) -> Code {
    let mut options = match Options::read(&process.args(), "ivnqcoEFxlLshHwrR", "emABC") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut patterns: Vec<String> =
        options.letters.iter().filter(|(l, _)| *l == 'e').filter_map(|(_, v)| v.clone()).collect();
    if patterns.is_empty() {
        if options.rest.is_empty() {
            process.err("Usage: grep [-HhnlLoqvsrRiwFE] [-m N] PATTERN [FILE]...\n").await;
            return 2;
        }
        patterns.push(options.rest.remove(0));
    }
    let mut query =
        Query { expressions: Vec::new(), inverted: options.has('v'), whole: options.has('x'), word: options.has('w') };
    // A pattern of several lines is several patterns.
    for pattern in patterns.iter().flat_map(|p| p.split('\n')) {
        match Regex::new(pattern, options.has('E'), options.has('F'), options.has('i')) {
            Some(regex) => query.expressions.push(regex),
            None => {
                process.err(format!("grep: bad regex '{pattern}'\n")).await;
                return 2;
            }
        }
    }
    let recursive = options.has('r') || options.has('R');
    let names = match (options.rest.is_empty(), recursive) {
        (true, true) => files(&process, "."),
        (true, false) => vec!["-".to_owned()],
        (false, true) => options.rest.iter().flat_map(|root| files(&process, root)).collect(),
        (false, false) => options.rest.clone(),
    };
    let show_name = (names.len() > 1 || recursive || options.has('H')) && !options.has('h');
    let most = options.value('m').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let mut code = 1;
    for name in &names {
        let Some(bytes) = slurp(&process, "grep", name).await else {
            code = 2;
            continue;
        };
        let prefix = if show_name { format!("{name}:") } else { String::new() };
        let mut text = String::new();
        let mut count = 0;
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if count == most || !query.takes(line) {
                continue;
            }
            count += 1;
            if options.has('q') || options.has('c') || options.has('l') || options.has('L') {
                continue;
            }
            let number = if options.has('n') { format!("{}:", number + 1) } else { String::new() };
            if options.has('o') {
                let parts = query.expressions.iter().flat_map(|e| e.matches(line));
                text.extend(parts.map(|part| format!("{prefix}{number}{part}\n")));
            } else {
                text.push_str(&format!("{prefix}{number}{line}\n"));
            }
        }
        if count > 0 && code == 1 {
            code = 0;
        }
        if options.has('c') {
            text.push_str(&format!("{prefix}{count}\n"));
        }
        if options.has('l') && count > 0 || options.has('L') && count == 0 {
            text.push_str(&format!("{name}\n"));
        }
        if !options.has('q') && process.out(text).await.is_err() {
            return 1;
        }
    }
    code
}
