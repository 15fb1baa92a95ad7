//! Applets that work on lines: grep, sort, uniq, cut, tr, sed, base64.

use super::{Options, bad_option, complain, streams::slurp};
use crate::os::{Code, Process};

/// All input lines of the operands, or of standard input.
async fn lines(process: &Process, name: &str, operands: &[String]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let stdin = ["-".to_owned()];
    for operand in if operands.is_empty() { &stdin } else { operands } {
        let bytes = slurp(process, name, operand).await?;
        all.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
    }
    Some(all)
}

/// A regular expression of the basic kind: literals, `.`, `*`, `[…]`, `^`, `$`, and with `-E` also `+`, `?`, `|`.
struct Regex {
    branches: Vec<Vec<Atom>>,
    ignore_case: bool,
}

#[derive(Clone)]
struct Atom {
    kind: Kind,
    min: u32,
    many: bool,
}

#[derive(Clone)]
enum Kind {
    Char(char),
    Any,
    Set(String),
    Start,
    End,
}

impl Regex {
    fn new(pattern: &str, extended: bool, fixed: bool, ignore_case: bool) -> Self {
        let fold = |c: char| if ignore_case { c.to_ascii_lowercase() } else { c };
        if fixed {
            let atoms = pattern.chars().map(|c| Atom { kind: Kind::Char(fold(c)), min: 1, many: false }).collect();
            return Self { branches: vec![atoms], ignore_case };
        }
        let mut branches = vec![Vec::<Atom>::new()];
        let chars: Vec<char> = pattern.chars().collect();
        let mut i = 0;
        while let Some(&c) = chars.get(i) {
            i += 1;
            let kind = match c {
                '\\' => {
                    let next = chars.get(i).copied().unwrap_or('\\');
                    i += 1;
                    if next == '|' && !extended {
                        branches.push(Vec::new());
                        continue;
                    }
                    Kind::Char(fold(next))
                }
                '|' if extended => {
                    branches.push(Vec::new());
                    continue;
                }
                '(' | ')' if extended => continue,
                '.' => Kind::Any,
                '^' if branches.last().is_some_and(Vec::is_empty) => Kind::Start,
                '$' if i == chars.len() || chars.get(i) == Some(&'|') => Kind::End,
                '[' => {
                    let from = i;
                    let mut to = i + usize::from(chars.get(i) == Some(&'^')) + 1;
                    while to < chars.len() && chars[to] != ']' {
                        to += if chars[to] == '[' && chars.get(to + 1) == Some(&':') {
                            chars[to..].iter().position(|c| *c == ']').map_or(1, |p| p + 1)
                        } else {
                            1
                        };
                    }
                    i = (to + 1).min(chars.len());
                    let inner: String = chars[from.min(to)..to.min(chars.len())].iter().collect();
                    Kind::Set(format!("[{inner}]"))
                }
                other => Kind::Char(fold(other)),
            };
            let (min, many) = match chars.get(i) {
                Some('*') => (0, true),
                Some('+') if extended => (1, true),
                Some('?') if extended => (0, false),
                _ => {
                    if let Some(branch) = branches.last_mut() {
                        branch.push(Atom { kind, min: 1, many: false });
                    }
                    continue;
                }
            };
            i += 1;
            if let Some(branch) = branches.last_mut() {
                branch.push(Atom { kind, min, many });
            }
        }
        Self { branches, ignore_case }
    }

    /// The first match: where it starts and ends, in characters.
    fn find(&self, text: &[char]) -> Option<(usize, usize)> {
        (0..=text.len()).find_map(|from| self.branches.iter().find_map(|b| here(b, text, from)).map(|to| (from, to)))
    }

    fn held(&self, line: &str) -> bool {
        self.find(&self.fold(line)).is_some()
    }

    fn fold(&self, line: &str) -> Vec<char> {
        line.chars().map(|c| if self.ignore_case { c.to_ascii_lowercase() } else { c }).collect()
    }
}

/// Where the atoms end when they match at `at`; the longest first. Each atom's positions are kept as a set, so it cannot explode.
fn here(atoms: &[Atom], text: &[char], at: usize) -> Option<usize> {
    let mut ends = vec![at];
    for atom in atoms {
        let mut next = std::collections::BTreeSet::new();
        for end in ends {
            let mut reached = end;
            if atom.min == 0 {
                next.insert(reached);
            }
            let mut count = 0;
            while let Some(after) = step(&atom.kind, text, reached) {
                count += 1;
                next.insert(after);
                if !atom.many || after == reached || count > text.len() {
                    break;
                }
                reached = after;
            }
        }
        ends = next.into_iter().collect();
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

fn step(kind: &Kind, text: &[char], at: usize) -> Option<usize> {
    match kind {
        Kind::Start => (at == 0).then_some(at),
        Kind::End => (at == text.len()).then_some(at),
        _ => {
            let c = *text.get(at)?;
            let held = match kind {
                Kind::Char(wanted) => c == *wanted,
                Kind::Set(set) => crate::shell::matches(set, c.encode_utf8(&mut [0; 4])),
                _ => true,
            };
            held.then_some(at + 1)
        }
    }
}

/// `grep [-ivnqcoEFxlsw] PATTERN [FILE…]`.
pub(super) async fn grep(process: Process) -> Code {
    let mut options = match Options::read(&process.args(), "ivnqcoEFxlshHwrR", "em") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let pattern = match options.value('e') {
        Some(pattern) => pattern.to_owned(),
        None if options.rest.is_empty() => {
            process.err("Usage: grep [-HhnlLoqvsrRiwFE] [-m N] PATTERN [FILE]...\n").await;
            return 2;
        }
        None => options.rest.remove(0),
    };
    let pattern = if options.has('x') { format!("^{pattern}$") } else { pattern };
    let regex = Regex::new(&pattern, options.has('E'), options.has('F') && !options.has('x'), options.has('i'));
    let names = if options.rest.is_empty() { vec!["-".to_owned()] } else { options.rest.clone() };
    let show_name = (names.len() > 1 || options.has('H')) && !options.has('h');
    let mut code = 1;
    let mut text = String::new();
    for name in &names {
        let Some(bytes) = slurp(&process, "grep", name).await else {
            code = 2;
            continue;
        };
        let prefix = if show_name { format!("{name}:") } else { String::new() };
        let mut count = 0;
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if regex.held(line) == options.has('v') {
                continue;
            }
            count += 1;
            if code == 1 {
                code = 0;
            }
            if options.has('q') || options.has('c') || options.has('l') {
                continue;
            }
            let number = if options.has('n') { format!("{}:", number + 1) } else { String::new() };
            let shown = match regex.find(&regex.fold(line)) {
                Some((from, to)) if options.has('o') => line.chars().skip(from).take(to - from).collect(),
                _ => line.to_owned(),
            };
            text.push_str(&format!("{prefix}{number}{shown}\n"));
        }
        if options.has('c') {
            text.push_str(&format!("{prefix}{count}\n"));
        }
        if options.has('l') && count > 0 {
            text.push_str(&format!("{name}\n"));
        }
    }
    if !options.has('q') && process.out(text).await.is_err() {
        return 1;
    }
    code
}

/// `sort [-rnuk] [FILE…]`.
pub(super) async fn sort(process: Process) -> Code {
    let options = match Options::read(&process.args(), "rnufbs", "kt") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(mut all) = lines(&process, "sort", &options.rest).await else { return 1 };
    let field = options.value('k').and_then(|k| k.split([',', '.']).next()?.parse::<usize>().ok()).unwrap_or(1).max(1);
    let key = |line: &str| -> String {
        if options.value('k').is_none() {
            return line.to_owned();
        }
        match options.value('t') {
            Some(t) => line.split(t).skip(field - 1).collect::<Vec<_>>().join(t),
            None => line.split_whitespace().skip(field - 1).collect::<Vec<_>>().join(" "),
        }
    };
    let number = |text: &str| -> f64 {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '.').unwrap_or(text.len());
        text[..end].parse().unwrap_or(0.0)
    };
    all.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        if options.has('n') { number(&a).total_cmp(&number(&b)).then(a.cmp(&b)) } else { a.cmp(&b) }
    });
    if options.has('r') {
        all.reverse();
    }
    if options.has('u') {
        all.dedup();
    }
    let text: String = all.iter().map(|l| format!("{l}\n")).collect();
    i32::from(process.out(text).await.is_err())
}

/// `uniq [-cdu] [FILE]`.
pub(super) async fn uniq(process: Process) -> Code {
    let options = match Options::read(&process.args(), "cdui", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(all) = lines(&process, "uniq", &options.rest).await else { return 1 };
    let mut text = String::new();
    for group in all.chunk_by(|a, b| a == b) {
        if (options.has('d') && group.len() < 2) || (options.has('u') && group.len() > 1) {
            continue;
        }
        let count = if options.has('c') { format!("{:7} ", group.len()) } else { String::new() };
        text.push_str(&format!("{count}{}\n", group[0]));
    }
    i32::from(process.out(text).await.is_err())
}

/// The numbers that a list like `1,3-5` names.
fn selected(list: &str, n: usize) -> bool {
    list.split(',').any(|range| match range.split_once('-') {
        None => range.parse() == Ok(n),
        Some((from, to)) => from.parse().unwrap_or(1) <= n && n <= to.parse().unwrap_or(usize::MAX),
    })
}

/// `cut -d X -f LIST`, `cut -c LIST`.
pub(super) async fn cut(process: Process) -> Code {
    let options = match Options::read(&process.args(), "sn", "dfcb") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(all) = lines(&process, "cut", &options.rest).await else { return 1 };
    let delimiter = options.value('d').unwrap_or("\t");
    let mut text = String::new();
    for line in &all {
        let shown = if let Some(list) = options.value('f') {
            if line.contains(delimiter) {
                let kept: Vec<&str> =
                    line.split(delimiter).enumerate().filter(|(i, _)| selected(list, i + 1)).map(|(_, f)| f).collect();
                kept.join(delimiter)
            } else if options.has('s') {
                continue;
            } else {
                line.clone()
            }
        } else if let Some(list) = options.value('c').or(options.value('b')) {
            line.chars().enumerate().filter(|(i, _)| selected(list, i + 1)).map(|(_, c)| c).collect()
        } else {
            process.err("cut: expected a list of bytes, characters, or fields\n").await;
            return 1;
        };
        text.push_str(&shown);
        text.push('\n');
    }
    i32::from(process.out(text).await.is_err())
}

/// The characters of a `tr` set, with ranges, escapes and classes.
fn set(text: &str) -> Vec<char> {
    let text = text
        .replace("[:digit:]", "0-9")
        .replace("[:lower:]", "a-z")
        .replace("[:upper:]", "A-Z")
        .replace("[:alpha:]", "A-Za-z")
        .replace("[:alnum:]", "0-9A-Za-z")
        .replace("[:space:]", " \\t\\n\\r");
    let mut chars = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        };
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) if high >= c => {
                chars.extend(c..=high);
                rest = ahead;
            }
            _ => chars.push(c),
        }
    }
    chars
}

/// `tr [-dcs] SET1 [SET2]`.
pub(super) async fn tr(process: Process) -> Code {
    let options = match Options::read(&process.args(), "dcsC", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(from) = options.rest.first().map(|s| set(s)) else {
        process.err("Usage: tr [-cds] STRING1 [STRING2]\n").await;
        return 1;
    };
    let to = options.rest.get(1).map(|s| set(s)).unwrap_or_default();
    let complement = options.has('c') || options.has('C');
    let Some(bytes) = slurp(&process, "tr", "-").await else { return 1 };
    let mut text = String::new();
    let squeezed = if to.is_empty() { &from } else { &to };
    for c in String::from_utf8_lossy(&bytes).chars() {
        let at = from.iter().position(|f| *f == c);
        let member = at.is_some() != complement;
        if member && options.has('d') {
            continue;
        }
        let new = match (member, at, to.last()) {
            (true, Some(at), Some(last)) => to.get(at).copied().unwrap_or(*last),
            (true, None, Some(last)) => *last,
            _ => c,
        };
        if options.has('s') && squeezed.contains(&new) && text.ends_with(new) {
            continue;
        }
        text.push(new);
    }
    i32::from(process.out(text).await.is_err())
}

/// `sed [-n] [-e] SCRIPT [FILE…]` with `s///g`, `p`, `d`, `q`, and the addresses `N`, `N,M`, `$`, `/re/`.
pub(super) async fn sed(process: Process) -> Code {
    let mut options = match Options::read(&process.args(), "nrEi", "e") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let script = match options.value('e') {
        Some(script) => script.to_owned(),
        None if options.rest.is_empty() => {
            process.err("Usage: sed [-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...\n").await;
            return 1;
        }
        None => options.rest.remove(0),
    };
    let extended = options.has('r') || options.has('E');
    let mut commands = Vec::new();
    for text in script.split([';', '\n']).map(str::trim).filter(|t| !t.is_empty()) {
        match Edit::parse(text, extended) {
            Some(edit) => commands.push(edit),
            None => return complain(&process, "sed", "unsupported command", text).await,
        }
    }
    let Some(all) = lines(&process, "sed", &options.rest).await else { return 1 };
    let mut text = String::new();
    'lines: for (i, line) in all.iter().enumerate() {
        let mut line = line.clone();
        let mut quit = false;
        for edit in &commands {
            if !edit.selects(i + 1, all.len(), &line) {
                continue;
            }
            match &edit.action {
                Action::Delete => continue 'lines,
                Action::Print => text.push_str(&format!("{line}\n")),
                Action::Quit => quit = true,
                Action::Substitute { regex, with, global, print } => {
                    let (new, changed) = substitute(regex, &line, with, *global);
                    line = new;
                    if changed && *print {
                        text.push_str(&format!("{line}\n"));
                    }
                }
            }
        }
        if !options.has('n') {
            text.push_str(&format!("{line}\n"));
        }
        if quit {
            break;
        }
    }
    i32::from(process.out(text).await.is_err())
}

struct Edit {
    from: Option<Place>,
    to: Option<Place>,
    action: Action,
}

enum Place {
    Line(usize),
    Last,
    Match(Regex),
}

enum Action {
    Delete,
    Print,
    Quit,
    Substitute { regex: Regex, with: String, global: bool, print: bool },
}

impl Place {
    fn parse(text: &str, extended: bool) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix('$') {
            return Some((Self::Last, rest));
        }
        if let Some(rest) = text.strip_prefix('/') {
            let (pattern, rest) = rest.split_once('/')?;
            return Some((Self::Match(Regex::new(pattern, extended, false, false)), rest));
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text[..digits].parse().ok().map(|n| (Self::Line(n), &text[digits..]))
    }
}

impl Edit {
    fn parse(text: &str, extended: bool) -> Option<Self> {
        let (mut from, mut to, mut rest) = (None, None, text);
        if let Some((place, after)) = Place::parse(rest, extended) {
            from = Some(place);
            rest = after;
            if let Some((place, after)) = rest.strip_prefix(',').and_then(|r| Place::parse(r, extended)) {
                to = Some(place);
                rest = after;
            }
        }
        let rest = rest.trim();
        let action = match rest.chars().next()? {
            'd' => Action::Delete,
            'p' => Action::Print,
            'q' => Action::Quit,
            's' => {
                let delimiter = rest.chars().nth(1)?;
                let parts: Vec<&str> = rest[1 + delimiter.len_utf8()..].split(delimiter).collect();
                let [pattern, with, flags] = parts.as_slice() else { return None };
                Action::Substitute {
                    regex: Regex::new(pattern, extended, false, flags.contains(['i', 'I'])),
                    with: (*with).to_owned(),
                    global: flags.contains('g'),
                    print: flags.contains('p'),
                }
            }
            _ => return None,
        };
        Some(Self { from, to, action })
    }

    fn selects(&self, n: usize, last: usize, line: &str) -> bool {
        let at = |place: &Place| match place {
            Place::Line(wanted) => n == *wanted,
            Place::Last => n == last,
            Place::Match(regex) => regex.held(line),
        };
        match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => at(from),
            (Some(Place::Line(from)), Some(Place::Line(to))) => (*from..=*to).contains(&n),
            (Some(Place::Line(from)), Some(Place::Last)) => n >= *from,
            (Some(from), Some(to)) => at(from) || at(to),
        }
    }
}

fn substitute(regex: &Regex, line: &str, with: &str, global: bool) -> (String, bool) {
    let chars: Vec<char> = line.chars().collect();
    let folded = regex.fold(line);
    let mut text = String::new();
    let (mut at, mut changed) = (0, false);
    while at <= folded.len() {
        let Some((from, to)) = regex.find(&folded[at..]) else { break };
        let matched: String = chars[at + from..at + to].iter().collect();
        text.extend(&chars[at..at + from]);
        text.push_str(&with.replace("\\&", "\u{0}").replace('&', &matched).replace('\u{0}', "&"));
        changed = true;
        at += to.max(from + usize::from(to == from));
        if to == from
            && let Some(c) = chars.get(at - 1)
        {
            text.push(*c);
        }
        if !global {
            break;
        }
    }
    text.extend(chars.get(at..).unwrap_or_default());
    (text, changed)
}

/// `base64 [-d] [FILE]`.
pub(super) async fn base64(process: Process) -> Code {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let options = match Options::read(&process.args(), "d", "w") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let operand = options.rest.first().map_or("-", String::as_str);
    let Some(bytes) = slurp(&process, "base64", operand).await else { return 1 };
    let mut result = Vec::new();
    if options.has('d') {
        let values: Vec<u32> = bytes
            .iter()
            .filter_map(|b| DIGITS.iter().position(|d| d == b).and_then(|p| u32::try_from(p).ok()))
            .collect();
        for group in values.chunks(4) {
            let bits = group.iter().fold(0, |bits, v| bits << 6 | v) << (6 * (4 - group.len()));
            result.extend(bits.to_be_bytes()[1..group.len().max(1)].iter());
        }
    } else {
        for group in bytes.chunks(3) {
            let mut padded = [0; 3];
            padded[..group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
            for i in 0..4 {
                result.push(if i <= group.len() { DIGITS[(bits >> (18 - 6 * i) & 63) as usize] } else { b'=' });
            }
        }
        result.push(b'\n');
    }
    i32::from(process.out(result).await.is_err())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a.c", "xabcx", true)]
    #[case("^b", "abc", false)]
    #[case("c$", "abc", true)]
    #[case("[0-9][0-9]*", "port 80", true)]
    #[case("a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    fn basic(#[case] pattern: &str, #[case] text: &str, #[case] held: bool) {
        assert_eq!(Regex::new(pattern, false, false, false).held(text), held);
    }

    #[test]
    fn substitution() {
        let regex = Regex::new("o", false, false, false);
        assert_eq!(substitute(&regex, "foo boo", "[&]", true), ("f[o][o] b[o][o]".to_owned(), true));
        assert_eq!(substitute(&regex, "foo", "0", false), ("f0o".to_owned(), true));
    }
}
