//! `xargs`: command lines made of what standard input names.

use super::{Options, bad_option};
use crate::os::{Code, Launch, Process};

/// Most bytes that are read.
const INPUT_LIMIT: usize = 1024 * 1024;

/// Runs a command to its end. 127 and 126 as a shell would say.
pub(super) async fn run(process: &Process, args: Vec<String>) -> Code {
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let Some(name) = args.first().cloned() else { return 0 };
    match super::find(process, &name, &path) {
        Ok(program) => match process.kernel().clone().launch(Some(process), Launch::child(process, args), program) {
            Some(child) => process.wait_child(&child).await.code(),
            None => 126,
        },
        Err(error) => {
            process.err(format!("{}: {name}: {}\n", super::processes::command(process), error.reason())).await;
            error.code
        }
    }
}

/// The items of a text: words, of which quotes and backslashes keep what is in them together.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match c {
            '\'' | '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some(next) if next == c => break,
                        None | Some('\n') => return Err("unmatched quote"),
                        Some(next) => quoted.push(next),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `xargs [-0rt] [-n N] [-L N] [-I TEXT] [-P N] [-a FILE] [COMMAND…]`.
pub(super) async fn xargs(process: Process) -> Code {
    // What follows the command's name is its own.
    let args = process.args();
    let takes = |word: &str| word.len() == 2 && "nILPsaEd".contains(&word[1..]);
    let mut end = 1;
    while let Some(word) = args.get(end).filter(|word| word.starts_with('-') && word.len() > 1) {
        end += 1 + usize::from(takes(word));
        if word == "--" {
            break;
        }
    }
    let end = end.min(args.len());
    let options = match Options::read(&args[..end], "0rtpx", "nILPsaEd") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut command = args[end..].to_vec();
    if command.is_empty() {
        command.push("echo".to_owned());
    }
    let input = match options.value('a') {
        Some(path) => process.files().read(&process.absolute(path), &process.credentials()).unwrap_or_default(),
        None => {
            let mut input = Vec::new();
            while let Ok(chunk) = process.read(16 * 1024).await {
                if chunk.is_empty() || input.len() > INPUT_LIMIT {
                    break;
                }
                input.extend_from_slice(&chunk);
            }
            input
        }
    };
    let input = String::from_utf8_lossy(&input).into_owned();
    let replace = options.value('I').map(|mark| if mark.is_empty() { "{}" } else { mark });
    let by_line = replace.is_some() || options.has('L');
    let items: Vec<String> = if options.has('0') {
        input.split_terminator('\0').map(str::to_owned).collect()
    } else if let Some(delimiter) = options.value('d').map(super::unescaped) {
        input.strip_suffix('\n').unwrap_or(&input).split(&delimiter).map(str::to_owned).collect()
    } else if by_line {
        input.lines().map(|line| line.trim_start().to_owned()).filter(|line| !line.is_empty()).collect()
    } else {
        match words(&input) {
            Ok(words) => words,
            Err(error) => {
                process.err(format!("xargs: {error}\n")).await;
                return 1;
            }
        }
    };
    if items.is_empty() {
        return if options.has('r') || replace.is_some() { 0 } else { run(&process, command).await };
    }
    let number = |letter: char| options.value(letter).and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    let most = if replace.is_some() { 1 } else { number('n').or(number('L')).unwrap_or(items.len()) };
    let mut code = 0;
    for group in items.chunks(most) {
        let args: Vec<String> = match replace {
            Some(mark) => command.iter().map(|word| word.replace(mark, &group[0])).collect(),
            None if options.has('L') => {
                let words = group.iter().flat_map(|line| line.split_ascii_whitespace().map(str::to_owned));
                command.iter().cloned().chain(words).collect()
            }
            None => command.iter().chain(group).cloned().collect(),
        };
        if options.has('t') {
            process.err(format!("{}\n", args.join(" "))).await;
        }
        match run(&process, args).await {
            0 => {}
            failed @ (126 | 127) => return failed,
            255 => return 124,
            _ => code = 123,
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::words;

    #[rstest]
    #[case("a b\nc", Ok(vec!["a", "b", "c"]))]
    #[case("a 'b c' \"d e\"f", Ok(vec!["a", "b c", "d ef"]))]
    #[case("a\\ b ''", Ok(vec!["a b", ""]))]
    #[case("'open", Err("unmatched quote"))]
    fn items(#[case] text: &str, #[case] expected: Result<Vec<&str>, &str>) {
        let found = words(text);
        assert_eq!(found.as_ref().map(|w| w.iter().map(String::as_str).collect()).map_err(|e| *e), expected);
    }
}
