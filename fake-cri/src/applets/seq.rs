//! `seq`: numbers in a row, with as many decimals as the arguments have.

use super::{Options, bad_option};
use crate::os::{Code, Process};

/// Most numbers that are printed.
const LIMIT: u64 = 10_000_000;

fn decimals(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, after)| after.len())
}

/// `seq [-w] [-s SEPARATOR] [FIRST [STEP]] LAST`.
pub(super) async fn seq(process: Process) -> Code {
    let args = process.args();
    // Options come first: what follows a number is one, with whatever sign.
    let mut first = 1;
    while let Some(word) = args.get(first).filter(|word| word.starts_with('-') && word.len() > 1) {
        first += if word == "-s" { 2 } else { 1 };
    }
    let first = first.min(args.len());
    let mut options = match Options::read(&args[..first], "w", "s") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    options.rest.extend_from_slice(&args[first..]);
    let mut numbers = Vec::new();
    for word in &options.rest {
        match word.parse::<f64>() {
            Ok(n) if n.is_finite() => numbers.push(n),
            _ => {
                process.err(format!("seq: invalid number '{word}'\n")).await;
                return 1;
            }
        }
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1.0, 1.0, *last),
        [first, last] => (*first, 1.0, *last),
        [first, step, last] => (*first, *step, *last),
        _ => {
            process.err("Usage: seq [-w] [-s SEP] [FIRST [INC]] LAST\n").await;
            return 1;
        }
    };
    let precision = options.rest.iter().map(|word| decimals(word)).max().unwrap_or(0).min(20);
    let separator = options.value('s').unwrap_or("\n");
    let shown = |n: f64| format!("{n:.precision$}");
    let width = if options.has('w') { shown(first).len().max(shown(last).len()) } else { 0 };
    let mut chunk = String::new();
    for count in 0..LIMIT {
        let n = first + count as f64 * step;
        // A sum of fractions may miss the last number by a hair.
        let beyond = if step < 0.0 { last - n } else { n - last };
        if beyond > step.abs() * 1e-9 {
            break;
        }
        if count > 0 {
            chunk.push_str(separator);
        }
        chunk.push_str(&format!("{n:0width$.precision$}"));
        if chunk.len() > 32 * 1024 && process.out(std::mem::take(&mut chunk)).await.is_err() {
            return 1;
        }
        if step == 0.0 {
            process.spin().await;
        }
    }
    if !chunk.is_empty() {
        chunk.push('\n');
    }
    i32::from(process.out(chunk).await.is_err())
}
