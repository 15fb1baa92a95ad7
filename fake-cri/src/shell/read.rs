//! The builtin `read`: one line, or so many characters, from a descriptor, split over variables.

use std::time::Duration;

use super::state::Shell;
use crate::os::{Descriptor, Errno};

/// Longest line that is taken.
const LINE_LIMIT: usize = 1024 * 1024;

#[derive(Default)]
struct Wanted {
    raw: bool,
    delimiter: Option<u8>,
    count: Option<usize>,
    timeout: Option<Duration>,
    descriptor: u32,
    prompt: String,
    names: Vec<String>,
}

/// What was read, each byte with whether a backslash took its meaning.
struct Taken {
    bytes: Vec<(u8, bool)>,
    /// The end of the input came before the end of the line.
    ended: bool,
}

fn options(args: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty() && wanted.names.is_empty()) else {
            wanted.names.push(arg.clone());
            continue;
        };
        if letters == "-" {
            wanted.names.extend(args.by_ref().cloned());
            break;
        }
        for (i, letter) in letters.char_indices() {
            if letter == 'r' {
                wanted.raw = true;
                continue;
            }
            if letter == 's' {
                continue;
            }
            if !"dntpu".contains(letter) {
                return Err(format!("illegal option -{letter}"));
            }
            let inline = &letters[i + 1..];
            let value = if inline.is_empty() { args.next().cloned() } else { Some(inline.to_owned()) };
            let value = value.ok_or_else(|| format!("no arg for -{letter} option"))?;
            match letter {
                'd' => wanted.delimiter = Some(value.bytes().next().unwrap_or(0)),
                'n' => wanted.count = Some(value.parse().map_err(|_| "invalid count".to_owned())?),
                't' => {
                    let seconds = value.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                    wanted.timeout = Some(seconds.ok_or("invalid timeout")?);
                }
                'p' => wanted.prompt = value,
                _ => wanted.descriptor = value.parse().map_err(|_| "invalid file descriptor".to_owned())?,
            }
            break;
        }
    }
    Ok(wanted)
}

async fn take(file: Descriptor, raw: bool, delimiter: u8, count: Option<usize>) -> Result<Taken, Errno> {
    let mut bytes = Vec::new();
    let mut escaped = false;
    while count.is_none_or(|count| bytes.len() < count) {
        let Some(byte) = file.read(1).await?.first().copied() else { return Ok(Taken { bytes, ended: true }) };
        if escaped {
            escaped = false;
            // A line that goes on.
            if byte != b'\n' {
                bytes.push((byte, true));
            }
            continue;
        }
        match byte {
            b'\\' if !raw => escaped = true,
            _ if byte == delimiter => return Ok(Taken { bytes, ended: false }),
            0 => {}
            _ => bytes.push((byte, false)),
        }
        if bytes.len() > LINE_LIMIT {
            return Err(Errno::TooBig);
        }
    }
    Ok(Taken { bytes, ended: false })
}

/// Splits what was read over `count` variables as POSIX has it: the last one gets the rest, without separators at its end.
fn split(bytes: &[(u8, bool)], ifs: &str, count: usize) -> Vec<String> {
    let separates = |(byte, escaped): (u8, bool)| !escaped && ifs.as_bytes().contains(&byte);
    let blank = |item: (u8, bool)| separates(item) && item.0.is_ascii_whitespace();
    let text = |items: &[(u8, bool)]| {
        let bytes: Vec<u8> = items.iter().map(|(byte, _)| *byte).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let skip = |mut at: usize| {
        while bytes.get(at).is_some_and(|item| blank(*item)) {
            at += 1;
        }
        at
    };
    let mut values = Vec::with_capacity(count);
    let mut at = skip(0);
    for _ in 1..count {
        let end = (at..bytes.len()).find(|i| separates(bytes[*i])).unwrap_or(bytes.len());
        values.push(text(&bytes[at..end]));
        at = skip(end);
        // Blanks around one separator belong to it.
        if bytes.get(at).is_some_and(|item| separates(*item)) && (at > end || !blank(bytes[end])) {
            at = skip(at + 1);
        }
    }
    let mut end = bytes.len();
    while end > at && blank(bytes[end - 1]) {
        end -= 1;
    }
    // One separator that ends the last word ends it, unless there are more words.
    if end > at && separates(bytes[end - 1]) && !bytes[at..end - 1].iter().any(|item| separates(*item)) {
        end -= 1;
    }
    values.push(text(&bytes[at..end]));
    values
}

/// Runs `read`. The status: 1 at the end of the input.
pub(super) async fn read(shell: &mut Shell, args: &[String]) -> i32 {
    let mut wanted = match options(args) {
        Ok(wanted) => wanted,
        Err(error) => {
            shell.complain(error).await;
            return 2;
        }
    };
    let Ok(file) = shell.process.descriptor(wanted.descriptor) else {
        shell.complain_as_program("read error: Bad file descriptor").await;
        return 1;
    };
    if !wanted.prompt.is_empty() && file.is_terminal() {
        shell.process.err(&wanted.prompt).await;
    }
    let taking = take(file, wanted.raw, wanted.delimiter.unwrap_or(b'\n'), wanted.count);
    let taken = match wanted.timeout {
        Some(limit) => match tokio::time::timeout(limit, taking).await {
            Ok(taken) => taken,
            Err(_) => return 142,
        },
        None => taking.await,
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => {
            shell.complain_as_program(format!("read error: {error}")).await;
            return 1;
        }
    };
    let values = if wanted.names.is_empty() {
        wanted.names.push("REPLY".to_owned());
        split(&taken.bytes, "", 1)
    } else {
        let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
        split(&taken.bytes, &ifs, wanted.names.len())
    };
    for (name, value) in wanted.names.iter().zip(values) {
        if let Err(error) = shell.set(name, value) {
            shell.complain(error).await;
            return 2;
        }
    }
    i32::from(taken.ended)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::split;

    #[rstest]
    #[case("a b c", " \t\n", 2, &["a", "b c"])]
    #[case("  a  b  ", " \t\n", 2, &["a", "b"])]
    #[case("a:b:c", ":", 2, &["a", "b:c"])]
    #[case("a::b", ":", 3, &["a", "", "b"])]
    #[case("a : b", " :", 2, &["a", "b"])]
    #[case("a:", ":", 1, &["a"])]
    #[case("a", " ", 3, &["a", "", ""])]
    fn lines_are_split(#[case] line: &str, #[case] ifs: &str, #[case] count: usize, #[case] expected: &[&str]) {
        let bytes: Vec<(u8, bool)> = line.bytes().map(|b| (b, false)).collect();
        assert_eq!(split(&bytes, ifs, count), expected);
    }
}
