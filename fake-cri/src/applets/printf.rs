//! `printf`, and the backslash sequences that it, `echo -e` and `$'…'` share.

use crate::os::{Code, Process};

/// Longest padding and precision.
const WIDTH_LIMIT: usize = 4096;

/// Most bytes that one call prints.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Writes `text` with its backslash sequences resolved; `true` if `\c` ended it.
pub(super) fn unescape(text: &str, bytes: &mut Vec<u8>) -> bool {
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

/// What `$'…'` stands for.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    unescape(text, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `printf` as a program.
pub(super) async fn printf(process: Process) -> Code {
    let args = process.args();
    printf_words(&process, "printf", &args).await
}

/// `printf FORMAT [ARG…]`: the format again while arguments are left. `name` begins its errors.
pub(super) async fn printf_words(process: &Process, name: &str, args: &[String]) -> Code {
    let args = if args.get(1).is_some_and(|a| a == "--") { &args[1..] } else { args };
    let Some(format) = args.get(1) else {
        process.err(format!("{name}: usage: printf FORMAT [ARGUMENT...]\n")).await;
        return 2;
    };
    let mut rest = args[2..].iter();
    let mut bytes = Vec::new();
    let mut code = 0;
    loop {
        let left = rest.len();
        let mut complaints = Vec::new();
        let outcome = render(format, &mut rest, &mut bytes, &mut complaints);
        for text in complaints {
            process.err(format!("{name}: {text}\n")).await;
            code = 1;
        }
        match outcome {
            Ok(true) => {}
            Ok(false) => break,
            Err(text) => {
                process.err(format!("{name}: {text}\n")).await;
                code = 1;
                break;
            }
        }
        if rest.len() == 0 || rest.len() == left || bytes.len() > OUTPUT_LIMIT {
            break;
        }
    }
    code | i32::from(process.out(bytes).await.is_err())
}

/// How one conversion is laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub flags: String,
    pub width: usize,
    pub precision: Option<usize>,
}

impl Layout {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn pad(&self, mut body: String, zeros: bool) -> String {
        let missing = self.width.saturating_sub(body.chars().count());
        if missing == 0 {
            return body;
        }
        if self.has('-') {
            body.push_str(&" ".repeat(missing));
        } else if zeros && self.has('0') {
            let sign = usize::from(body.starts_with(['-', '+', ' ']));
            body.insert_str(sign, &"0".repeat(missing));
        } else {
            body.insert_str(0, &" ".repeat(missing));
        }
        body
    }

    fn signed(&self, body: String, negative: bool) -> String {
        match (negative, self.has('+'), self.has(' ')) {
            (false, true, _) => format!("+{body}"),
            (false, false, true) => format!(" {body}"),
            _ => body,
        }
    }

    /// A text: `%s`, `%c`.
    pub fn text(&self, text: &str) -> String {
        self.pad(text.chars().take(self.precision.unwrap_or(usize::MAX)).collect(), false)
    }

    /// An integer: `%d %i %u %x %X %o`.
    pub fn integer(&self, n: i64, kind: char) -> String {
        let mut digits = match kind {
            'x' => format!("{n:x}"),
            'X' => format!("{n:X}"),
            'o' => format!("{n:o}"),
            'u' => (n as u64).to_string(),
            _ => n.unsigned_abs().to_string(),
        };
        if let Some(p) = self.precision.filter(|p| digits.len() < *p) {
            digits.insert_str(0, &"0".repeat(p - digits.len()));
        }
        if self.has('#') && n != 0 {
            digits.insert_str(
                0,
                match kind {
                    'x' => "0x",
                    'X' => "0X",
                    'o' => "0",
                    _ => "",
                },
            );
        }
        let signed = matches!(kind, 'd' | 'i');
        if signed && n < 0 {
            digits.insert(0, '-');
        }
        let body = if signed { self.signed(digits, n < 0) } else { digits };
        self.pad(body, self.precision.is_none())
    }

    /// A number with a fraction: `%f %e %g` and their capitals.
    pub fn real(&self, value: f64, kind: char) -> String {
        let precision = self.precision.unwrap_or(6);
        let body = if value.is_finite() {
            match kind.to_ascii_lowercase() {
                'f' => format!("{value:.precision$}"),
                'e' => scientific(value, precision),
                _ => general(value, precision, self.has('#')),
            }
        } else if value.is_nan() {
            "nan".to_owned()
        } else {
            if value < 0.0 { "-inf" } else { "inf" }.to_owned()
        };
        let body = if kind.is_ascii_uppercase() { body.to_ascii_uppercase() } else { body };
        let negative = body.starts_with('-');
        self.pad(self.signed(body, negative), value.is_finite())
    }
}

/// `1.5e+02`.
fn scientific(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// The shorter of the two forms, without zeros at the end, as `%g`.
pub(super) fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    if value == 0.0 {
        return "0".to_owned();
    }
    let rounded = format!("{value:.*e}", precision - 1);
    let exponent: i64 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: String| match text.contains('.') && !keep_zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if exponent < -4 || exponent >= precision as i64 {
        let text = scientific(value, precision - 1);
        let (digits, tail) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{tail}", trim(digits.to_owned()));
    }
    let after = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
    trim(format!("{value:.after$}"))
}

/// Reads `12`, `-0x1f`, `017` and `'A`, as printf's integers are written.
fn integer(arg: &str) -> Result<i64, String> {
    let text = arg.trim();
    if let Some(quoted) = text.strip_prefix(['\'', '"']) {
        return Ok(quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))));
    }
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let parsed = match digits {
        _ if digits.starts_with("0x") || digits.starts_with("0X") => u64::from_str_radix(&digits[2..], 16),
        _ if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(&digits[1..], 8),
        _ => digits.parse(),
    };
    parsed.map(|n| (n as i64).wrapping_mul(sign)).map_err(|_| format!("invalid number '{arg}'"))
}

/// Takes the flags, width and precision off the front of a conversion.
pub(super) fn layout(rest: &mut &str, mut star: impl FnMut() -> i64) -> Layout {
    let length = rest.len() - rest.trim_start_matches(['-', '+', ' ', '0', '#']).len();
    let mut layout = Layout { flags: rest[..length].to_owned(), ..Layout::default() };
    *rest = &rest[length..];
    let mut number = |rest: &mut &str| -> i64 {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            return star();
        }
        let length = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let digits = rest[..length].parse().unwrap_or(if length == 0 { 0 } else { i64::MAX });
        *rest = &rest[length..];
        digits
    };
    let width = number(rest);
    if width < 0 {
        layout.flags.push('-');
    }
    layout.width = usize::try_from(width.unsigned_abs()).unwrap_or(WIDTH_LIMIT).min(WIDTH_LIMIT);
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
        layout.precision = usize::try_from(number(rest)).ok().map(|p| p.min(WIDTH_LIMIT));
    }
    layout
}

/// Renders the format once. `false` if `\c` ended it.
fn render<'a>(
    format: &str,
    args: &mut impl Iterator<Item = &'a String>,
    bytes: &mut Vec<u8>,
    complaints: &mut Vec<String>,
) -> Result<bool, String> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if unescape(&rest[..at], bytes) {
            return Ok(false);
        }
        let whole = &rest[at..];
        rest = &whole[1..];
        if let Some(after) = rest.strip_prefix('%') {
            bytes.push(b'%');
            rest = after;
            continue;
        }
        let layout = layout(&mut rest, || args.next().and_then(|a| a.parse().ok()).unwrap_or(0));
        rest = rest.trim_start_matches(['l', 'h', 'q', 'L', 'z', 'j', 't']);
        let kind = rest.chars().next().filter(|kind| "scbdiuxXofeEgG".contains(*kind));
        let Some(kind) = kind else { return Err(format!("{whole}: invalid format")) };
        rest = &rest[1..];
        let arg = args.next().map_or("", String::as_str);
        let body = match kind {
            's' => layout.text(arg),
            'c' => layout.text(&arg.chars().take(1).collect::<String>()),
            'b' => {
                if unescape(arg, bytes) {
                    return Ok(false);
                }
                continue;
            }
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                let n = integer(arg).unwrap_or_else(|complaint| {
                    complaints.push(complaint);
                    0
                });
                layout.integer(n, kind)
            }
            _ => {
                let value = arg.trim().parse().unwrap_or_else(|_| {
                    complaints.push(format!("invalid number '{arg}'"));
                    0.0
                });
                layout.real(value, kind)
            }
        };
        bytes.extend_from_slice(body.as_bytes());
    }
    Ok(!unescape(rest, bytes))
}
