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

/// Whether no line is shown.
fn counts_only(options: &Options) -> bool {
    ['q', 'c', 'l', 'L'].iter().any(|letter| options.has(*letter))
}

/// Reads a file without saying so if it cannot be.
async fn quiet(process: &Process, name: &str) -> Option<Vec<u8>> {
    if name == "-" {
        return slurp(process, "grep", name).await;
    }
    process.files().read(&process.absolute(name), &process.credentials()).ok()
}

/// `grep [-ivnqcoEFxlLsHhwrR] [-m N] [-e] PATTERN [FILE…]`.
pub(super) async fn grep(process: Process) -> Code {
    let mut options = match Options::read(&process.args(), "ivnqcoEFxlLshHwrRzya", "emABCf") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut patterns: Vec<String> =
        options.letters.iter().filter(|(l, _)| *l == 'e').filter_map(|(_, v)| v.clone()).collect();
    for (_, name) in options.letters.iter().filter(|(l, _)| *l == 'f') {
        let Some(bytes) = slurp(&process, "grep", name.as_deref().unwrap_or_default()).await else { return 2 };
        patterns.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
    }
    let from_file = options.has('f');
    if patterns.is_empty() && !from_file {
        if options.rest.is_empty() {
            process.err("Usage: grep [-HhnlLoqvsrRiwFE] [-m N] [-A|B|C N] { PATTERN | -e PATTERN... | -f FILE... } [FILE]...\n").await;
            return 2;
        }
        patterns.push(options.rest.remove(0));
    }
    let mut query =
        Query { expressions: Vec::new(), inverted: options.has('v'), whole: options.has('x'), word: options.has('w') };
    let called = super::processes::command(&process);
    let (extended, fixed) = (options.has('E') || called == "egrep", options.has('F') || called == "fgrep");
    // A pattern of several lines is several patterns.
    for pattern in patterns.iter().flat_map(|p| p.split('\n')) {
        match Regex::new(pattern, extended, fixed, options.has('i') || options.has('y')) {
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
    let around = |letter: char| options.value(letter).or(options.value('C')).and_then(|n| n.parse::<usize>().ok());
    let (before, after) = (around('B').unwrap_or(0), around('A').unwrap_or(0));
    let mut code = 1;
    for name in &names {
        // A directory reads as nothing.
        let directory = process.files().stat(&process.absolute(name)).is_ok_and(|f| f.kind == FileKind::Directory);
        let bytes = if directory {
            Some(Vec::new())
        } else if options.has('s') {
            quiet(&process, name).await
        } else {
            slurp(&process, "grep", name).await
        };
        let Some(bytes) = bytes else {
            code = if names.len() > 1 && code == 0 { 0 } else { 2 };
            continue;
        };
        let whole = String::from_utf8_lossy(&bytes).into_owned();
        let all: Vec<&str> = whole.lines().collect();
        // The first line that was not shown yet, and how far context goes.
        let (mut shown, mut until) = (0, 0);
        let prefix = if show_name { format!("{name}:") } else { String::new() };
        let mut text = String::new();
        let mut count = 0;
        let context = |text: &mut String, number: usize| {
            let head = if show_name { format!("{name}-") } else { String::new() };
            let digits = if options.has('n') { format!("{}-", number + 1) } else { String::new() };
            text.push_str(&format!("{head}{digits}{}\n", all[number]));
        };
        for (number, line) in all.iter().copied().enumerate() {
            if count == most || !query.takes(line) {
                if number < until && !options.has('o') && !counts_only(&options) {
                    context(&mut text, number);
                    shown = number + 1;
                }
                continue;
            }
            count += 1;
            if counts_only(&options) {
                continue;
            }
            if (before > 0 || after > 0) && !options.has('o') {
                let from = number.saturating_sub(before).max(shown);
                if from > shown && shown > 0 {
                    text.push_str("--\n");
                }
                (from..number).for_each(|number| context(&mut text, number));
                (shown, until) = (number + 1, number + 1 + after);
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
