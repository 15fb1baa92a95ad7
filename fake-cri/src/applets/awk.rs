//! `awk`: pattern scanning as busybox has it. Arrays are listed in the order of their keys, not of a hash.

mod evaluate;
mod expression;
mod files;
mod parse;
mod run;
mod syntax;
mod value;

use crate::os::{Code, Process};

/// Largest program.
const PROGRAM_LIMIT: usize = 256 * 1024;

/// What stops a run.
#[derive(Debug)]
enum Stop {
    Next,
    Break,
    Continue,
    Return(value::Value),
    Exit,
    /// It cannot go on; what to say.
    Fatal(String),
}

/// `awk [-F SEPARATOR] [-v NAME=VALUE]… [-f FILE | PROGRAM] [FILE | NAME=VALUE]…`.
pub(super) async fn awk(process: Process) -> Code {
    let args = process.args();
    let mut rest = args.iter().skip(1).peekable();
    let (mut separator, mut assignments, mut program) = (None, Vec::new(), None::<String>);
    while let Some(option) = rest.next_if(|word| word.starts_with('-') && word.len() > 1) {
        if option == "--" {
            break;
        }
        let letter = option.chars().nth(1).unwrap_or_default();
        if !matches!(letter, 'F' | 'v' | 'f' | 'e') {
            return super::bad_option(&process, letter).await;
        }
        let inline = &option[2..];
        let Some(value) = (if inline.is_empty() { rest.next().cloned() } else { Some(inline.to_owned()) }) else {
            process.err(format!("awk: option requires an argument -- '{letter}'\n")).await;
            return 1;
        };
        match letter {
            'F' => separator = Some(value),
            'v' => assignments.push(value),
            'e' => program = Some(program.unwrap_or_default() + &value + "\n"),
            _ => {
                let read = match value.as_str() {
                    "-" => crate::os::pipe::read_all(&files::StandardInput(process.clone()), PROGRAM_LIMIT).await,
                    path => process.files().read(&process.absolute(path), &process.credentials()),
                };
                match read {
                    Ok(bytes) => program = Some(program.unwrap_or_default() + &String::from_utf8_lossy(&bytes) + "\n"),
                    Err(error) => return super::complain(&process, "awk", &value, error).await,
                }
            }
        }
    }
    let Some(text) = program.or_else(|| rest.next().cloned()) else {
        process.err("Usage: awk [OPTIONS] [AWK_PROGRAM] [FILE]...\n").await;
        return 1;
    };
    let parsed = if text.len() > PROGRAM_LIMIT { Err("program too long".to_owned()) } else { parse::parse(&text) };
    let program = match parsed {
        Ok(program) => program,
        Err(error) => {
            process.err(format!("awk: cmd. line:1: {error}\n")).await;
            return 1;
        }
    };
    let operands: Vec<String> = rest.cloned().collect();
    let mut run = run::Run::new(process.clone(), operands);
    if let Some(separator) = separator {
        let separator = if separator == "t" { "\t".to_owned() } else { super::unescaped(&separator) };
        run.set_variable("FS", value::Value::Text(separator));
    }
    for assignment in &assignments {
        if !run.assign_operand(assignment) {
            process.err(format!("awk: bad assignment '{assignment}'\n")).await;
            return 1;
        }
    }
    match run.program(&std::sync::Arc::new(program)).await {
        Ok(code) => code,
        Err(error) => {
            process.err(format!("awk: cmd. line:1: {error}\n")).await;
            2
        }
    }
}
