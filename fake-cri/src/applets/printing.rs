//! Applets that only print: echo, printf, seq, env, date, expr and their like.

use jiff::tz::TimeZone;

use crate::{
    os::{Code, Process},
    shell,
};

/// Most numbers that `seq` prints.
const SEQUENCE_LIMIT: u64 = 10_000_000;

fn status<T, E>(result: Result<T, E>) -> Code {
    i32::from(result.is_err())
}

pub(super) async fn echo(process: Process) -> Code {
    let args = process.args();
    echo_words(&process, &args).await
}

/// `echo [-neE] WORD…`.
pub(super) async fn echo_words(process: &Process, args: &[String]) -> Code {
    let (mut newline, mut escapes) = (true, false);
    let mut words = args.iter().skip(1).peekable();
    while let Some(option) = words.peek() {
        let letters = option.strip_prefix('-').unwrap_or("");
        if letters.is_empty() || !letters.chars().all(|c| "neE".contains(c)) {
            break;
        }
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words.next();
    }
    let text = words.cloned().collect::<Vec<_>>().join(" ");
    let mut bytes = Vec::new();
    if escapes {
        if unescape(&text, &mut bytes) {
            newline = false;
        }
    } else {
        bytes.extend_from_slice(text.as_bytes());
    }
    if newline {
        bytes.push(b'\n');
    }
    status(process.out(bytes).await)
}

/// Writes `text` with its backslash sequences resolved; `true` if `\c` ended it.
fn unescape(text: &str, bytes: &mut Vec<u8>) -> bool {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('r') => bytes.push(b'\r'),
            Some('a') => bytes.push(7),
            Some('b') => bytes.push(8),
            Some('f') => bytes.push(12),
            Some('v') => bytes.push(11),
            Some('e') => bytes.push(27),
            Some('\\') => bytes.push(b'\\'),
            Some('c') => return true,
            Some('x') => {
                let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_hexdigit)).take(2).collect();
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => bytes.extend_from_slice(b"\\x"),
                }
            }
            Some(first @ '0'..='7') => {
                let mut value = first.to_digit(8).unwrap_or(0);
                for _ in 0..if first == '0' { 3 } else { 2 } {
                    let Some(digit) = chars.next_if(|c| ('0'..='7').contains(c)) else { break };
                    value = value * 8 + digit.to_digit(8).unwrap_or(0);
                }
                bytes.push(value as u8);
            }
            Some(other) => {
                bytes.push(b'\\');
                bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            }
            None => bytes.push(b'\\'),
        }
    }
    false
}

pub(super) async fn printf(process: Process) -> Code {
    let args = process.args();
    printf_words(&process, &args).await
}

/// `printf FORMAT [ARG…]`: the format again while arguments are left.
pub(super) async fn printf_words(process: &Process, args: &[String]) -> Code {
    let Some(format) = args.get(1) else {
        process.err("printf: usage: printf FORMAT [ARG]...\n").await;
        return 1;
    };
    let mut rest = args[2..].iter();
    let mut bytes = Vec::new();
    let mut code = 0;
    loop {
        let left = rest.len();
        match render(format, &mut rest, &mut bytes) {
            Ok(true) => {}
            Ok(false) => break,
            Err(text) => {
                process.err(format!("printf: {text}\n")).await;
                code = 1;
            }
        }
        if rest.len() == 0 || rest.len() == left || bytes.len() > 1 << 20 {
            break;
        }
    }
    code | status(process.out(bytes).await)
}

/// Renders the format once. `false` if `\c` ended it.
fn render<'a>(format: &str, args: &mut impl Iterator<Item = &'a String>, bytes: &mut Vec<u8>) -> Result<bool, String> {
    let mut rest = format;
    let mut bad = None;
    while let Some(at) = rest.find('%') {
        if unescape(&rest[..at], bytes) {
            return Ok(false);
        }
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            bytes.push(b'%');
            rest = after;
            continue;
        }
        let flags: String = rest.chars().take_while(|c| "-+ 0#".contains(*c)).collect();
        rest = &rest[flags.len()..];
        let mut number = |rest: &mut &str| -> Option<usize> {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
                return args.next().and_then(|a| a.parse().ok());
            }
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            *rest = &rest[digits.len()..];
            digits.parse().ok()
        };
        let width = number(&mut rest).unwrap_or(0).min(4096);
        let precision = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                Some(number(&mut rest).unwrap_or(0).min(4096))
            }
            None => None,
        };
        let Some(kind) = rest.chars().next() else { return Err(format!("{format}: invalid format")) };
        rest = &rest[kind.len_utf8()..];
        let arg = args.next().cloned().unwrap_or_default();
        let integer = || -> (i64, Option<String>) {
            let text = arg.trim();
            if let Some(quoted) = text.strip_prefix(['\'', '"']) {
                return (quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))), None);
            }
            let (sign, digits) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
            let parsed = match digits {
                "" => Ok(0),
                _ if digits.starts_with("0x") || digits.starts_with("0X") => i64::from_str_radix(&digits[2..], 16),
                _ if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(&digits[1..], 8),
                _ => digits.parse(),
            };
            match parsed {
                Ok(n) => (sign * n, None),
                Err(_) => (0, Some(format!("invalid number '{arg}'"))),
            }
        };
        let mut body = match kind {
            's' => arg.chars().take(precision.unwrap_or(usize::MAX)).collect(),
            'c' => arg.chars().take(1).collect(),
            'b' => {
                let mut inner = Vec::new();
                let ended = unescape(&arg, &mut inner);
                bytes.extend_from_slice(&inner);
                if ended {
                    return Ok(false);
                }
                continue;
            }
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                let (n, error) = integer();
                bad = bad.or(error);
                let digits = match kind {
                    'x' => format!("{n:x}"),
                    'X' => format!("{n:X}"),
                    'o' => format!("{n:o}"),
                    'u' => (n as u64).to_string(),
                    _ if flags.contains('+') && n >= 0 => format!("+{n}"),
                    _ => n.to_string(),
                };
                match precision {
                    Some(p) if digits.len() < p => format!("{}{digits}", "0".repeat(p - digits.len())),
                    _ => digits,
                }
            }
            'f' | 'e' | 'g' => {
                let value: f64 = arg.trim().parse().unwrap_or(0.0);
                format!("{value:.*}", precision.unwrap_or(6))
            }
            other => return Err(format!("%{other}: invalid format")),
        };
        let missing = width.saturating_sub(body.chars().count());
        if missing > 0 {
            if flags.contains('-') {
                body.push_str(&" ".repeat(missing));
            } else if flags.contains('0') && kind != 's' {
                let sign = usize::from(body.starts_with(['-', '+']));
                body.insert_str(sign, &"0".repeat(missing));
            } else {
                body.insert_str(0, &" ".repeat(missing));
            }
        }
        bytes.extend_from_slice(body.as_bytes());
    }
    let ended = unescape(rest, bytes);
    match bad {
        Some(text) => Err(text),
        None => Ok(!ended),
    }
}

/// `seq [FIRST [STEP]] LAST`, with `-s` and `-w`.
pub(super) async fn seq(process: Process) -> Code {
    let args = process.args();
    let mut numbers = Vec::new();
    let mut separator = "\n".to_owned();
    let mut wide = false;
    let mut words = args.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-w" => wide = true,
            "-s" => separator = words.next().cloned().unwrap_or_default(),
            other => match other.parse::<i64>() {
                Ok(n) => numbers.push(n),
                Err(_) => {
                    process.err(format!("seq: invalid number '{other}'\n")).await;
                    return 1;
                }
            },
        }
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            process.err("Usage: seq [-w] [-s SEP] [FIRST [INC]] LAST\n").await;
            return 1;
        }
    };
    if step == 0 {
        process.err("seq: zero increment\n").await;
        return 1;
    }
    let width = if wide { first.to_string().len().max(last.to_string().len()) } else { 0 };
    let mut n = first;
    let mut count = 0;
    let mut chunk = String::new();
    while (step > 0 && n <= last) || (step < 0 && n >= last) {
        if count > 0 {
            chunk.push_str(&separator);
        }
        chunk.push_str(&format!("{n:0width$}"));
        count += 1;
        if count > SEQUENCE_LIMIT {
            break;
        }
        if chunk.len() > 32 * 1024 && process.out(std::mem::take(&mut chunk)).await.is_err() {
            return 1;
        }
        n = n.saturating_add(step);
    }
    if count > 0 {
        chunk.push('\n');
    }
    status(process.out(chunk).await)
}

/// `env`: the environment, or a command in a changed one.
pub(super) async fn env(process: Process) -> Code {
    let args = process.args();
    let mut env = process.env();
    let mut rest = args.iter().skip(1).peekable();
    while let Some(word) = rest.peek() {
        match word.as_str() {
            "-i" | "-" => env.clear(),
            "-u" => {
                rest.next();
                if let Some(name) = rest.peek() {
                    env.remove(name.as_str());
                }
            }
            other => match other.split_once('=') {
                Some((name, value)) => {
                    env.insert(name.to_owned(), value.to_owned());
                }
                None => break,
            },
        }
        rest.next();
    }
    let command: Vec<String> = rest.cloned().collect();
    if command.is_empty() {
        let lines: String = env.iter().map(|(n, v)| format!("{n}={v}\n")).collect();
        return status(process.out(lines).await);
    }
    let path = env.get("PATH").cloned().unwrap_or_else(|| "/sbin:/usr/sbin:/bin:/usr/bin".to_owned());
    match super::find(&process, &command[0], &path) {
        Ok(program) => {
            process.become_program(command, env);
            program(process).await
        }
        Err(error) => {
            let why = if error.code == 127 { "No such file or directory" } else { &error.text };
            process.err(format!("env: can't execute '{}': {why}\n", command[0])).await;
            error.code
        }
    }
}

/// `printenv [NAME…]`.
pub(super) async fn printenv(process: Process) -> Code {
    let args = process.args();
    let env = process.env();
    if args.len() < 2 {
        let lines: String = env.iter().map(|(n, v)| format!("{n}={v}\n")).collect();
        return status(process.out(lines).await);
    }
    let mut code = 0;
    for name in &args[1..] {
        match env.get(name) {
            Some(value) => {
                let _ = process.out(format!("{value}\n")).await;
            }
            None => code = 1,
        }
    }
    code
}

/// `date [-u] [+FORMAT]`: in UTC, as a container without a time zone.
pub(super) async fn date(process: Process) -> Code {
    let args = process.args();
    let format = args.iter().skip(1).find_map(|a| a.strip_prefix('+'));
    let now = process.kernel().surroundings().world.clock.now().to_zoned(TimeZone::UTC);
    let format = format.unwrap_or("%a %b %e %H:%M:%S UTC %Y");
    let mut broken = jiff::fmt::strtime::BrokenDownTime::from(&now);
    broken.set_offset(Some(jiff::tz::Offset::UTC));
    match broken.to_string(format.as_bytes()) {
        Ok(text) => status(process.out(text + "\n").await),
        Err(_) => {
            process.err(format!("date: invalid format '{format}'\n")).await;
            1
        }
    }
}

/// `yes [WORD…]`: until nobody reads.
pub(super) async fn yes(process: Process) -> Code {
    let words = process.args()[1..].join(" ");
    let line = if words.is_empty() { "y\n".to_owned() } else { words + "\n" };
    let chunk = line.repeat((4096 / line.len()).max(1));
    loop {
        if process.out(&chunk).await.is_err() {
            return 1;
        }
        process.spin().await;
    }
}

/// `pwd`.
pub(super) async fn pwd(process: Process) -> Code {
    status(process.out(process.cwd() + "\n").await)
}

/// `test` and `[` as programs.
pub(super) async fn test(process: Process) -> Code {
    let mut args = process.args();
    if let Some(name) = args.first_mut() {
        *name = name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match shell::test(&process, &args) {
        Ok(held) => i32::from(!held),
        Err(error) => {
            process.err(format!("{}: {error}\n", args[0])).await;
            2
        }
    }
}

/// `basename PATH [SUFFIX]`.
pub(super) async fn basename(process: Process) -> Code {
    let args = process.args();
    let Some(path) = args.get(1) else {
        process.err("Usage: basename FILE [SUFFIX]\n").await;
        return 1;
    };
    let trimmed = path.trim_end_matches('/');
    let name = if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) };
    let name = args.get(2).and_then(|s| name.strip_suffix(s.as_str())).filter(|n| !n.is_empty()).unwrap_or(name);
    status(process.out(format!("{name}\n")).await)
}

/// `dirname PATH`.
pub(super) async fn dirname(process: Process) -> Code {
    let args = process.args();
    let Some(path) = args.get(1) else {
        process.err("Usage: dirname FILENAME\n").await;
        return 1;
    };
    let trimmed = path.trim_end_matches('/');
    let directory = match trimmed.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory.trim_end_matches('/'),
        None if trimmed.is_empty() && path.starts_with('/') => "/",
        None => ".",
    };
    status(process.out(format!("{directory}\n")).await)
}

/// `expr`: integers with `+ - * / %` and comparisons, from left to right by precedence; `:` is not modelled.
pub(super) async fn expr(process: Process) -> Code {
    let args = process.args();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match compare(&words) {
        Some(value) => {
            let _ = process.out(format!("{value}\n")).await;
            i32::from(value.is_empty() || value == "0")
        }
        None => {
            process.err("expr: syntax error\n").await;
            2
        }
    }
}

fn compare(words: &[&str]) -> Option<String> {
    for (i, word) in words.iter().enumerate() {
        if i > 0 && matches!(*word, "=" | "!=" | "<" | "<=" | ">" | ">=") {
            let (left, right) = (sum(&words[..i])?, sum(&words[i + 1..])?);
            let order = match (left.parse::<i64>(), right.parse::<i64>()) {
                (Ok(l), Ok(r)) => l.cmp(&r),
                _ => left.cmp(&right),
            };
            let held = match *word {
                "=" => order.is_eq(),
                "!=" => order.is_ne(),
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                _ => order.is_ge(),
            };
            return Some(i32::from(held).to_string());
        }
    }
    sum(words)
}

fn sum(words: &[&str]) -> Option<String> {
    let last = words.iter().rposition(|w| matches!(*w, "+" | "-")).filter(|i| *i > 0);
    match last {
        Some(i) => {
            let (left, right): (i64, i64) = (sum(&words[..i])?.parse().ok()?, product(&words[i + 1..])?.parse().ok()?);
            Some(if words[i] == "+" { left.wrapping_add(right) } else { left.wrapping_sub(right) }.to_string())
        }
        None => product(words),
    }
}

fn product(words: &[&str]) -> Option<String> {
    let last = words.iter().rposition(|w| matches!(*w, "*" | "/" | "%")).filter(|i| *i > 0);
    match last {
        Some(i) => {
            let (left, right): (i64, i64) =
                (product(&words[..i])?.parse().ok()?, product(&words[i + 1..])?.parse().ok()?);
            let value = match words[i] {
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
            Some(value.to_string())
        }
        None => match words {
            [word] => Some((*word).to_owned()),
            _ => None,
        },
    }
}
