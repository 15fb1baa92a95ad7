//! Applets that work on lines and letters: uniq, cut, tr, base64.

use super::{Options, bad_option, streams::slurp};
use crate::os::{Code, Process};

/// All input lines of the operands, or of standard input.
pub(super) async fn lines(process: &Process, name: &str, operands: &[String]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let stdin = ["-".to_owned()];
    for operand in if operands.is_empty() { &stdin } else { operands } {
        let bytes = slurp(process, name, operand).await?;
        all.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
    }
    Some(all)
}

/// `uniq [-cdui] [-f N] [-s N] [-w N] [FILE]`.
pub(super) async fn uniq(process: Process) -> Code {
    let options = match Options::read(&process.args(), "cduiz", "fsw") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(all) = lines(&process, "uniq", options.rest.get(..1).unwrap_or_default()).await else { return 1 };
    let number = |letter: char| options.value(letter).and_then(|n| n.parse::<usize>().ok());
    let key = |line: &str| -> String {
        let mut rest = line;
        for _ in 0..number('f').unwrap_or(0) {
            rest = rest.trim_start();
            rest = rest.find(char::is_whitespace).map_or("", |at| &rest[at..]);
        }
        let kept = rest.chars().skip(number('s').unwrap_or(0)).take(number('w').unwrap_or(usize::MAX));
        if options.has('i') { kept.flat_map(char::to_lowercase).collect() } else { kept.collect() }
    };
    let mut text = String::new();
    for group in all.chunk_by(|a, b| key(a) == key(b)) {
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
        .replace("[:space:]", " \\t\\n\\r")
        .replace("[:blank:]", " \\t")
        .replace("[:xdigit:]", "0-9A-Fa-f")
        .replace("[:punct:]", "!-/:-@[-`{-~");
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
        let width = options.value('w').and_then(|w| w.parse().ok()).unwrap_or(76);
        if width > 0 {
            result = result.chunks(width).flat_map(|line| [line, b"\n"].concat()).collect();
        }
    }
    i32::from(process.out(result).await.is_err())
}
