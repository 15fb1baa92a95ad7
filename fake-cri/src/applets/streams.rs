//! Applets that pass bytes along: cat, head, tail, wc, tee, dd.

use std::time::Duration;

use super::{Options, bad_option, complain};
use crate::os::{Code, Descriptor, OpenMode, Process};

const CHUNK: usize = 64 * 1024;

/// Opens an operand; `-` is standard input.
fn open(process: &Process, name: &str) -> Result<Descriptor, crate::os::Errno> {
    if name == "-" || name == "/dev/stdin" {
        return process.descriptor(0);
    }
    process.files().open(&process.absolute(name), OpenMode::READ, &process.credentials())
}

fn operands(rest: &[String]) -> Vec<String> {
    if rest.is_empty() { vec!["-".to_owned()] } else { rest.to_vec() }
}

/// Bytes as `cat -v` shows them: `^A`, `M-x`; with `ends`, lines end with `$`; with `tabs`, tabs are `^I`.
fn visible(bytes: &[u8], ends: bool, tabs: bool) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    for byte in bytes {
        let low = if *byte >= 0x80 {
            shown.extend_from_slice(b"M-");
            byte - 0x80
        } else {
            *byte
        };
        match low {
            b'\n' if *byte < 0x80 => shown.extend_from_slice(if ends { b"$\n" } else { b"\n" }),
            b'\t' if *byte < 0x80 && !tabs => shown.push(b'\t'),
            0x7f => shown.extend_from_slice(b"^?"),
            0..0x20 => shown.extend_from_slice(&[b'^', low + 0x40]),
            _ => shown.push(low),
        }
    }
    shown
}

/// Lines with their numbers, those that are empty only if `empty` is set.
fn numbered(bytes: &[u8], next: &mut usize, empty: bool) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len() * 2);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if empty || line != b"\n" {
            shown.extend_from_slice(format!("{next:6}\t").as_bytes());
            *next += 1;
        }
        shown.extend_from_slice(line);
    }
    shown
}

/// `cat [-nbvteA] [FILE…]`.
pub(super) async fn cat(process: Process) -> Code {
    let options = match Options::read(&process.args(), "nuvbteA", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let shows = ['v', 't', 'e', 'A'].iter().any(|letter| options.has(*letter));
    let counts = options.has('n') || options.has('b');
    let mut next = 1;
    let mut code = 0;
    for name in operands(&options.rest) {
        if shows || counts {
            let Some(mut bytes) = slurp(&process, "cat", &name).await else {
                code = 1;
                continue;
            };
            if counts {
                bytes = numbered(&bytes, &mut next, !options.has('b'));
            }
            if shows {
                let all = options.has('A');
                bytes = visible(&bytes, all || options.has('e'), all || options.has('t'));
            }
            if process.out(bytes).await.is_err() {
                return 1;
            }
            continue;
        }
        let file = match open(&process, &name) {
            Ok(file) => file,
            Err(crate::os::Errno::IsDirectory) => {
                process.err("cat: read error: Is a directory\n").await;
                code = 1;
                continue;
            }
            Err(error) => {
                code = complain(&process, "cat", &format!("can't open '{name}'"), error).await;
                continue;
            }
        };
        loop {
            match file.read(CHUNK).await {
                Ok(chunk) if chunk.is_empty() => break,
                Ok(chunk) => {
                    if process.out(chunk).await.is_err() {
                        return 1;
                    }
                }
                Err(error) => {
                    process.err(format!("cat: read error: {error}\n")).await;
                    code = 1;
                    break;
                }
            }
        }
    }
    code
}

/// Reads an operand whole, complaining under `name`.
pub(super) async fn slurp(process: &Process, name: &str, operand: &str) -> Option<Vec<u8>> {
    let result = match open(process, operand) {
        Ok(file) => crate::os::pipe::read_all(&*file, 16 << 20).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            process.err(format!("{name}: {operand}: {error}\n")).await;
            None
        }
    }
}

/// The count given by `-n N`, `-c N`, `-N`.
fn count(options: &Options, letter: char, legacy: Option<usize>, default: usize) -> usize {
    options.value(letter).and_then(|v| v.trim_start_matches(['+', '-']).parse().ok()).or(legacy).unwrap_or(default)
}

/// Turns `-5` into `-n 5`.
fn modern(mut args: Vec<String>) -> Vec<String> {
    let mut value = false;
    for arg in args.iter_mut().skip(1) {
        if std::mem::replace(&mut value, matches!(arg.as_str(), "-n" | "-c")) {
            continue;
        }
        if arg.len() > 1 && arg.starts_with('-') && arg[1..].bytes().all(|b| b.is_ascii_digit()) {
            *arg = format!("-n{}", &arg[1..]);
        }
    }
    args
}

/// `head [-n N | -c N] [FILE…]`.
pub(super) async fn head(process: Process) -> Code {
    let options = match Options::read(&modern(process.args()), "qv", "nc") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let bytes_wanted = options.value('c').map(|_| count(&options, 'c', None, 0));
    let lines_wanted = count(&options, 'n', None, 10);
    let names = operands(&options.rest);
    let mut code = 0;
    for (i, name) in names.iter().enumerate() {
        let file = match open(&process, name) {
            Ok(file) => file,
            Err(error) => {
                code = complain(&process, "head", name, error).await;
                continue;
            }
        };
        if (names.len() > 1 || options.has('v')) && !options.has('q') {
            let gap = if i > 0 { "\n" } else { "" };
            let _ = process.out(format!("{gap}==> {name} <==\n")).await;
        }
        // All but the last so many.
        let but = |letter: char| {
            options.value(letter).and_then(|v| v.strip_prefix('-')).and_then(|n| n.parse::<usize>().ok())
        };
        if let (Some(but), _) | (None, Some(but)) = (but('n'), but('c')) {
            let bytes = crate::os::pipe::read_all(&*file, 16 << 20).await.unwrap_or_default();
            let end = match options.value('c') {
                Some(_) => bytes.len().saturating_sub(but),
                None => {
                    let all = bytes.split_inclusive(|b| *b == b'\n').count();
                    bytes.split_inclusive(|b| *b == b'\n').take(all.saturating_sub(but)).map(<[u8]>::len).sum()
                }
            };
            if process.out(&bytes[..end]).await.is_err() {
                return 1;
            }
            continue;
        }
        let (mut lines, mut bytes) = (0, 0);
        'file: loop {
            let chunk = match file.read(CHUNK).await {
                Ok(chunk) if !chunk.is_empty() => chunk,
                _ => break,
            };
            let mut end = chunk.len();
            match bytes_wanted {
                Some(wanted) => end = end.min(wanted - bytes),
                None => {
                    for (at, _) in chunk.iter().enumerate().filter(|(_, b)| **b == b'\n') {
                        lines += 1;
                        if lines == lines_wanted {
                            end = at + 1;
                            break;
                        }
                    }
                    if lines_wanted == 0 {
                        end = 0;
                    }
                }
            }
            bytes += end;
            if process.out(chunk.get(..end).unwrap_or_default()).await.is_err() {
                return 1;
            }
            if bytes_wanted.is_some_and(|w| bytes >= w) || (bytes_wanted.is_none() && lines >= lines_wanted) {
                break 'file;
            }
        }
    }
    code
}

/// `tail [-n N | -c N] [-f] [FILE…]`.
pub(super) async fn tail(process: Process) -> Code {
    let options = match Options::read(&modern(process.args()), "fFqv", "ncs") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let from_start = options.value('n').is_some_and(|v| v.starts_with('+'));
    let mut code = 0;
    let names = operands(&options.rest);
    let mut shown = 0;
    for name in &names {
        let bytes = match open(&process, name) {
            Ok(file) => crate::os::pipe::read_all(&*file, 16 << 20).await,
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                code = complain(&process, "tail", &format!("can't open '{name}'"), error).await;
                continue;
            }
        };
        if (names.len() > 1 || options.has('v')) && !options.has('q') {
            let gap = if shown > 0 { "\n" } else { "" };
            let _ = process.out(format!("{gap}==> {name} <==\n")).await;
        }
        shown += 1;
        let start = if let Some(text) = options.value('c').and_then(|c| c.strip_prefix('+')) {
            text.parse::<usize>().map_or(0, |n| n.saturating_sub(1)).min(bytes.len())
        } else if options.value('c').is_some() {
            bytes.len().saturating_sub(count(&options, 'c', None, 0))
        } else {
            let starts: Vec<usize> = std::iter::once(0)
                .chain(
                    bytes.iter().enumerate().filter(|(i, b)| **b == b'\n' && i + 1 < bytes.len()).map(|(i, _)| i + 1),
                )
                .collect();
            let wanted = count(&options, 'n', None, 10);
            if bytes.is_empty() {
                0
            } else if from_start {
                starts.get(wanted.saturating_sub(1)).copied().unwrap_or(bytes.len())
            } else if wanted == 0 {
                bytes.len()
            } else {
                starts.get(starts.len().saturating_sub(wanted)).copied().unwrap_or(0)
            }
        };
        if process.out(bytes.get(start..).unwrap_or_default()).await.is_err() {
            return 1;
        }
    }
    if shown == 0 && !options.has('F') {
        process.err("tail: no files\n").await;
        return 1;
    }
    if options.has('f') || options.has('F') {
        follow(&process, names.last().map_or("-", String::as_str)).await;
    }
    code
}

/// Prints what is added to a file, looking once a second as busybox does.
async fn follow(process: &Process, name: &str) {
    if name == "-" {
        return;
    }
    let path = process.absolute(name);
    let size = |p: &Process| p.files().stat(&path).map_or(0, |m| usize::try_from(m.size).unwrap_or(usize::MAX));
    let mut shown = size(process);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if size(process) < shown {
            shown = 0;
        }
        if size(process) > shown
            && let Ok(bytes) = process.files().read(&path, &process.credentials())
        {
            let new = bytes.get(shown..).unwrap_or_default().to_vec();
            shown = bytes.len();
            if process.out(new).await.is_err() {
                return;
            }
        }
    }
}

/// `wc [-lwcm] [FILE…]`.
pub(super) async fn wc(process: Process) -> Code {
    let options = match Options::read(&process.args(), "lwcmL", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let all = options.letters.is_empty();
    let mut code = 0;
    let names = operands(&options.rest);
    let mut totals = [0usize; 5];
    let many = names.len() > 1;
    let columns = if all { 3 } else { options.letters.len() };
    let line = |counts: [usize; 5], name: &str| {
        let mut shown = Vec::new();
        for (letter, count) in ['l', 'w', 'm', 'c', 'L'].into_iter().zip(counts) {
            if all && !matches!(letter, 'm' | 'L') || options.has(letter) {
                shown.push(if columns > 1 || many { format!("{count:9}") } else { count.to_string() });
            }
        }
        let name = if name == "-" && options.rest.is_empty() { String::new() } else { format!(" {name}") };
        format!("{}{name}\n", shown.join(" "))
    };
    for name in &names {
        let Some(bytes) = slurp(&process, "wc", name).await else {
            code = 1;
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let counts = [
            bytes.iter().filter(|b| **b == b'\n').count(),
            text.split_whitespace().count(),
            // Containers have no locale but C, where a letter is a byte.
            bytes.len(),
            bytes.len(),
            text.lines().map(|line| line.chars().count()).max().unwrap_or(0),
        ];
        for (total, count) in totals.iter_mut().zip(counts).take(4) {
            *total += count;
        }
        totals[4] = totals[4].max(counts[4]);
        let _ = process.out(line(counts, name)).await;
    }
    if many {
        let _ = process.out(line(totals, "total")).await;
    }
    code
}

/// `tee [-a] [FILE…]`.
pub(super) async fn tee(process: Process) -> Code {
    let options = match Options::read(&process.args(), "ai", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mode = if options.has('a') { OpenMode::APPEND } else { OpenMode::WRITE };
    let mut code = 0;
    let mut files: Vec<Descriptor> = Vec::new();
    for name in &options.rest {
        match process.files().open(&process.absolute(name), mode, &process.credentials()) {
            Ok(file) => files.push(file),
            Err(error) => code = complain(&process, "tee", name, error).await,
        }
    }
    loop {
        let chunk = match process.read(CHUNK).await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            _ => return code,
        };
        for file in &files {
            if file.write(&chunk).await.is_err() {
                code = 1;
            }
        }
        if process.out(&chunk).await.is_err() {
            return 1;
        }
    }
}

/// Reads `20M`, `4k`, `512`.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" | "kB" | "KB" => 1024,
        "M" | "MB" => 1024 * 1024,
        "G" | "GB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Furthest place that `dd seek=` writes at.
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

/// `dd if= of= bs= count= skip= seek=`: the block is memory that the process holds, as on a real machine.
pub(super) async fn dd(process: Process) -> Code {
    let args = process.args();
    let (mut input, mut output, mut block, mut blocks, mut quiet) = (None, None, 512, None, false);
    let (mut skip, mut seek, mut keep, mut append) = (0, 0, false, false);
    for arg in &args[1..] {
        let Some((key, value)) = arg.split_once('=') else {
            process.err(format!("dd: unrecognized operand '{arg}'\n")).await;
            return 1;
        };
        match key {
            "if" => input = Some(value),
            "of" => output = Some(value),
            "bs" | "ibs" | "obs" => match size(value) {
                Some(n) if n > 0 => block = n,
                _ => return complain(&process, "dd", &format!("invalid number '{value}'"), "").await,
            },
            "count" => blocks = size(value),
            "status" => quiet = value == "none",
            "skip" => skip = size(value).unwrap_or(0),
            "seek" => seek = size(value).unwrap_or(0),
            "conv" => keep |= value.split(',').any(|conv| conv == "notrunc"),
            "oflag" => append |= value.split(',').any(|flag| flag == "append"),
            "iflag" => {}
            _ => {
                process.err(format!("dd: unrecognized operand '{arg}'\n")).await;
                return 1;
            }
        }
    }
    process.allocate(block);
    tokio::task::yield_now().await;
    let source = match input {
        Some(name) => open(&process, name),
        None => process.descriptor(0),
    };
    let source = match source {
        Ok(file) => file,
        Err(error) => return complain(&process, "dd", &format!("can't open '{}'", input.unwrap_or("-")), error).await,
    };
    let mut left = skip.saturating_mul(block);
    while left > 0 {
        match source.read(usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK)).await {
            Ok(chunk) if !chunk.is_empty() => left -= chunk.len() as u64,
            _ => break,
        }
    }
    // What is to stay of the output goes before what comes, and what was behind it after.
    let (mut tail, who) = (Vec::new(), process.credentials());
    let sink = match output {
        Some(name) if append => process.files().open(&process.absolute(name), OpenMode::APPEND, &who),
        Some(name) if seek > 0 || keep => {
            let path = process.absolute(name);
            let old = process.files().read(&path, &who).unwrap_or_default();
            let at = usize::try_from(seek.saturating_mul(block)).unwrap_or(usize::MAX).min(OUTPUT_LIMIT);
            let mut head = old.get(..at.min(old.len())).unwrap_or_default().to_vec();
            head.resize(at, 0);
            if keep {
                tail = old.get(at..).unwrap_or_default().to_vec();
            }
            match process.files().open(&path, OpenMode::WRITE, &who) {
                Ok(file) => file.write(&head).await.map(|()| file),
                Err(error) => Err(error),
            }
        }
        Some(name) => process.files().open(&process.absolute(name), OpenMode::WRITE, &who),
        None => process.descriptor(1),
    };
    let sink: Descriptor = match sink {
        Ok(file) => file,
        Err(error) => return complain(&process, "dd", &format!("can't open '{}'", output.unwrap_or("-")), error).await,
    };
    let (mut full, mut partial, mut copied) = (0u64, 0u64, 0u64);
    while blocks.is_none_or(|n| full + partial < n) {
        let mut left = usize::try_from(block).unwrap_or(usize::MAX);
        let mut got = 0;
        while left > 0 {
            let chunk = match source.read(left.min(CHUNK)).await {
                Ok(chunk) if !chunk.is_empty() => chunk,
                _ => break,
            };
            left -= chunk.len();
            got += chunk.len() as u64;
            if let Err(error) = sink.write(&chunk).await {
                return complain(&process, "dd", "error writing", error).await;
            }
        }
        copied += got;
        match got {
            0 => break,
            n if n == block => full += 1,
            _ => partial += 1,
        }
        process.spin().await;
    }
    if let Some(rest) = usize::try_from(copied).ok().and_then(|n| tail.get(n..)).filter(|rest| !rest.is_empty()) {
        let _ = sink.write(rest).await;
    }
    if !quiet {
        process.err(format!("{full}+{partial} records in\n{full}+{partial} records out\n")).await;
        process.err(format!("{copied} bytes copied, 0.000000 seconds, 0B/s\n")).await;
    }
    0
}
