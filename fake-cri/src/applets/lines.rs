//! Applets that turn lines about: rev, tac, nl, paste, fold, shuf.

use super::{Options, bad_option, text::lines};
use crate::os::{Code, Process};

/// `rev [FILE…]`: each line backwards.
pub(super) async fn rev(process: Process) -> Code {
    let Some(all) = lines(&process, "rev", &process.args()[1..]).await else { return 1 };
    let text: String = all.iter().map(|line| line.chars().rev().collect::<String>() + "\n").collect();
    i32::from(process.out(text).await.is_err())
}

/// `tac [FILE…]`: the last line first.
pub(super) async fn tac(process: Process) -> Code {
    let Some(all) = lines(&process, "tac", &process.args()[1..]).await else { return 1 };
    let text: String = all.iter().rev().map(|line| format!("{line}\n")).collect();
    i32::from(process.out(text).await.is_err())
}

/// `shuf [-n N] [FILE]`: lines in an order drawn from the seed.
pub(super) async fn shuf(process: Process) -> Code {
    let options = match Options::read(&process.args(), "ez", "nio") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let given = if let Some((low, high)) = options.value('i').and_then(|range| range.split_once('-')) {
        let (Ok(low), Ok(high)) = (low.parse::<u32>(), high.parse::<u32>()) else { return 1 };
        (low..=high.min(low.saturating_add(100_000))).map(|n| n.to_string()).collect()
    } else if options.has('e') {
        options.rest.clone()
    } else {
        let Some(all) = lines(&process, "shuf", &options.rest).await else { return 1 };
        all
    };
    let random = &process.kernel().surroundings().world.random;
    let mut rng = random.fork(&format!("shuf {}", process.node_pid()));
    let mut drawn: Vec<(String, String)> =
        given.into_iter().map(|line| (world::random::hex(&mut rng, 16), line)).collect();
    drawn.sort();
    let most = options.value('n').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let text: String = drawn.iter().take(most).map(|(_, line)| format!("{line}\n")).collect();
    i32::from(process.out(text).await.is_err())
}

/// `nl [-b a|t|n] [-w N] [-s TEXT] [-v N] [FILE…]`: numbers the lines that are not empty, or all.
pub(super) async fn nl(process: Process) -> Code {
    let options = match Options::read(&process.args(), "p", "bwsvil") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(all) = lines(&process, "nl", &options.rest).await else { return 1 };
    let number = |letter: char, default: usize| options.value(letter).and_then(|v| v.parse().ok()).unwrap_or(default);
    let (width, step, mut next) = (number('w', 6).min(100), number('i', 1), number('v', 1));
    let separator = options.value('s').unwrap_or("\t");
    let style = options.value('b').unwrap_or("t");
    let mut text = String::new();
    for line in &all {
        if style == "a" || style == "t" && !line.is_empty() {
            text.push_str(&format!("{next:width$}{separator}{line}\n"));
            next = next.saturating_add(step);
        } else {
            text.push_str(&format!("{:width$}{line}\n", "", width = width + separator.len()));
        }
    }
    i32::from(process.out(text).await.is_err())
}

/// `paste [-s] [-d LIST] [FILE…]`: lines side by side.
pub(super) async fn paste(process: Process) -> Code {
    let options = match Options::read(&process.args(), "s", "d") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let delimiters: Vec<char> = super::unescaped(options.value('d').unwrap_or("\t")).chars().collect();
    let delimiter = |at: usize| delimiters.get(at % delimiters.len().max(1)).map(char::to_string).unwrap_or_default();
    let names = if options.rest.is_empty() { vec!["-".to_owned()] } else { options.rest.clone() };
    let mut columns: Vec<Vec<String>> = Vec::new();
    let dashes = names.iter().filter(|name| *name == "-").count();
    let mut dealt: Option<Vec<String>> = None;
    let mut dash = 0;
    for name in &names {
        if name != "-" {
            let Some(all) = lines(&process, "paste", std::slice::from_ref(name)).await else { return 1 };
            columns.push(all);
            continue;
        }
        // Several dashes take standard input's lines in turn.
        if dealt.is_none() {
            dealt = lines(&process, "paste", &["-".to_owned()]).await;
        }
        let all = dealt.clone().unwrap_or_default();
        columns.push(all.into_iter().skip(dash).step_by(dashes).collect());
        dash += 1;
    }
    let mut text = String::new();
    let join = |parts: Vec<&str>| -> String {
        let mut line = String::new();
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                line.push_str(&delimiter(at - 1));
            }
            line.push_str(part);
        }
        line + "\n"
    };
    if options.has('s') {
        text.extend(columns.iter().map(|column| join(column.iter().map(String::as_str).collect())));
    } else {
        let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..longest {
            text.push_str(&join(columns.iter().map(|column| column.get(row).map_or("", String::as_str)).collect()));
        }
    }
    i32::from(process.out(text).await.is_err())
}

/// `fold [-s] [-w N] [FILE…]`: breaks long lines.
pub(super) async fn fold(process: Process) -> Code {
    let options = match Options::read(&process.args(), "bs", "w") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let width = options.value('w').and_then(|w| w.parse().ok()).filter(|w| *w > 0).unwrap_or(80);
    let Some(all) = lines(&process, "fold", &options.rest).await else { return 1 };
    let mut text = String::new();
    for line in &all {
        let mut rest: Vec<char> = line.chars().collect();
        while rest.len() > width {
            let blank = rest[..width].iter().rposition(|c| *c == ' ').filter(|_| options.has('s'));
            let end = blank.map_or(width, |at| at + 1);
            text.extend(rest.drain(..end));
            text.push('\n');
        }
        text.extend(rest);
        text.push('\n');
    }
    i32::from(process.out(text).await.is_err())
}
