//! Applets that show bytes: od, hexdump, xxd.

use super::{Options, bad_option, streams::slurp};
use crate::os::{Code, Process};

async fn input(process: &Process, name: &str, operands: &[String]) -> Option<Vec<u8>> {
    let stdin = ["-".to_owned()];
    let mut all = Vec::new();
    for operand in if operands.is_empty() { &stdin } else { operands } {
        all.extend(slurp(process, name, operand).await?);
    }
    Some(all)
}

fn number(options: &Options, letter: char) -> Option<usize> {
    let text = options.value(letter)?;
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What is left after skipping `from` bytes and taking `most`.
fn part(bytes: &[u8], from: Option<usize>, most: Option<usize>) -> (usize, &[u8]) {
    let from = from.unwrap_or(0).min(bytes.len());
    let to = from.saturating_add(most.unwrap_or(usize::MAX)).min(bytes.len());
    (from, &bytes[from..to])
}

/// A character as `od -c` shows it.
fn named(byte: u8) -> String {
    match byte {
        0 => "\\0".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        9 => "\\t".to_owned(),
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        0x20..=0x7e => char::from(byte).to_string(),
        other => format!("{other:03o}"),
    }
}

/// Shows a unit of so many bytes.
type Show = fn(u64, usize) -> String;

/// How `od` shows units: their size, and one of them.
fn unit(kind: &str) -> Option<(usize, Show)> {
    let size = match kind.get(1..).unwrap_or_default() {
        "" => {
            if kind.starts_with('c') {
                1
            } else {
                4
            }
        }
        "1" | "C" => 1,
        "2" | "S" => 2,
        "4" | "I" => 4,
        "8" | "L" => 8,
        _ => return None,
    };
    let show: Show = match kind.chars().next()? {
        'c' => |n, _| format!(" {:>3}", named(n as u8)),
        'x' => |n, size| format!(" {n:0width$x}", width = size * 2),
        'o' => |n, size| format!(" {n:0width$o}", width = [0, 3, 6, 0, 11, 0, 0, 0, 22][size]),
        'u' => |n, size| format!(" {n:width$}", width = [0, 3, 5, 0, 10, 0, 0, 0, 20][size]),
        'd' => |n, size| {
            let shift = 64 - size * 8;
            format!(" {:width$}", (n << shift) as i64 >> shift, width = [0, 4, 6, 0, 11, 0, 0, 0, 20][size])
        },
        _ => return None,
    };
    Some((size, show))
}

/// Sixteen bytes of a dump.
enum Row<'a> {
    /// From that offset on; at the end there may be fewer.
    Shown(usize, &'a [u8]),
    /// As the row before, and as many as follow: a star stands for them.
    Repeated,
}

/// The rows of a dump; with `all` none is left out.
fn rows(bytes: &[u8], all: bool) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut before = None;
    for (number, chunk) in bytes.chunks(16).enumerate() {
        if before == Some(chunk) && !all {
            if !matches!(rows.last(), Some(Row::Repeated)) {
                rows.push(Row::Repeated);
            }
            continue;
        }
        before = Some(chunk);
        rows.push(Row::Shown(number * 16, chunk));
    }
    rows
}

/// `od [-An] [-c|-b|-x|-d|-t TYPE] [-N N] [-j N] [FILE…]`.
pub(super) async fn od(process: Process) -> Code {
    let options = match Options::read(&process.args(), "abcdoxvs", "AtNjw") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let short = [('b', "o1"), ('c', "c"), ('d', "u2"), ('o', "o2"), ('x', "x2"), ('s', "d2")];
    let kind = options.value('t').or_else(|| short.iter().find(|(l, _)| options.has(*l)).map(|(_, k)| *k));
    let Some((size, show)) = unit(kind.unwrap_or("o2")) else {
        process.err(format!("od: invalid type string '{}'\n", kind.unwrap_or_default())).await;
        return 1;
    };
    let Some(all) = input(&process, "od", &options.rest).await else { return 1 };
    let (first, bytes) = part(&all, number(&options, 'j'), number(&options, 'N'));
    let at = |offset: usize| match options.value('A') {
        Some("n") => String::new(),
        Some("x") => format!("{offset:06x}"),
        Some("d") => format!("{offset:07}"),
        _ => format!("{offset:07o}"),
    };
    let mut text = String::new();
    for row in rows(bytes, options.has('v')) {
        let Row::Shown(offset, chunk) = row else {
            text.push_str("*\n");
            continue;
        };
        text.push_str(&at(first + offset));
        for group in chunk.chunks(size) {
            let value = group.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            text.push_str(&show(value, size));
        }
        text.push('\n');
    }
    if options.value('A') != Some("n") {
        text.push_str(&format!("{}\n", at(first + bytes.len())));
    }
    i32::from(process.out(text).await.is_err())
}

fn printable(chunk: &[u8]) -> String {
    chunk.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' }).collect()
}

/// `hexdump [-C] [-n N] [-s N] [FILE…]`.
pub(super) async fn hexdump(process: Process) -> Code {
    let canonical = process.args().first().is_some_and(|name| name.ends_with("hd"));
    let options = match Options::read(&process.args(), "bcCdoxv", "nse") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let canonical = canonical || options.has('C');
    let Some(all) = input(&process, "hexdump", &options.rest).await else { return 1 };
    let (first, bytes) = part(&all, number(&options, 's'), number(&options, 'n'));
    let mut text = String::new();
    for row in rows(bytes, options.has('v')) {
        let Row::Shown(offset, chunk) = row else {
            text.push_str("*\n");
            continue;
        };
        let offset = first + offset;
        if canonical {
            let hex: String = (0..16)
                .map(|i| {
                    let gap = if i == 8 { " " } else { "" };
                    chunk.get(i).map_or(format!("{gap}   "), |byte| format!("{gap} {byte:02x}"))
                })
                .collect();
            text.push_str(&format!("{offset:08x} {hex}  |{}|\n", printable(chunk)));
        } else {
            let words: String = (0..8)
                .map(|i| match chunk.get(i * 2..) {
                    Some([low, high, ..]) => format!(" {high:02x}{low:02x}"),
                    Some([low]) => format!(" 00{low:02x}"),
                    _ => "     ".to_owned(),
                })
                .collect();
            text.push_str(&format!("{offset:07x}{words}\n"));
        }
    }
    if !bytes.is_empty() {
        let end = first + bytes.len();
        text.push_str(&if canonical { format!("{end:08x}\n") } else { format!("{end:07x}\n") });
    }
    i32::from(process.out(text).await.is_err())
}

/// `xxd [-p] [-r] [-l N] [-s N] [FILE]`.
pub(super) async fn xxd(process: Process) -> Code {
    let options = match Options::read(&process.args(), "pru", "lscgo") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(all) = input(&process, "xxd", &options.rest).await else { return 1 };
    if options.has('r') {
        let text = String::from_utf8_lossy(&all).into_owned();
        let digits: Vec<u8> = text
            .lines()
            .map(|line| match (options.has('p'), line.split_once(": ")) {
                (false, Some((_, rest))) => rest.split("  ").next().unwrap_or_default(),
                _ => line,
            })
            .flat_map(|line| line.bytes().filter_map(|b| char::from(b).to_digit(16)).map(|d| d as u8))
            .collect();
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        return i32::from(process.out(bytes).await.is_err());
    }
    let (first, bytes) = part(&all, number(&options, 's'), number(&options, 'l'));
    let mut text = String::new();
    if options.has('p') {
        for chunk in bytes.chunks(30) {
            text.extend(chunk.iter().map(|byte| format!("{byte:02x}")));
            text.push('\n');
        }
    } else {
        for (row, chunk) in bytes.chunks(16).enumerate() {
            let hex: String = chunk
                .iter()
                .enumerate()
                .map(|(i, byte)| format!("{}{byte:02x}", if i % 2 == 0 { " " } else { "" }))
                .collect();
            text.push_str(&format!("{:08x}:{hex:<40}  {}\n", first + row * 16, printable(chunk)));
        }
    }
    i32::from(process.out(text).await.is_err())
}
