//! Builtins about what the shell remembers: `export`, `readonly`, `local`, `unset`, `set`, `getopts`, `alias`, `let`.

use super::{
    quoting::quote,
    state::{Flow, Shell, Variable},
};

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `export [-n] [NAME[=VALUE]…]` and `readonly`.
pub(super) async fn declare(shell: &mut Shell, rest: &[String], export: bool) -> Flow {
    shell.status = 0;
    let (mut list, mut on, mut names) = (false, true, rest);
    while let Some(option) = names.first().filter(|o| matches!(o.as_str(), "-p" | "-n" | "--")) {
        list |= option == "-p";
        on &= option != "-n";
        names = &names[1..];
    }
    if names.is_empty() || list {
        let word = if export { "export" } else { "readonly" };
        let lines: String = shell
            .variables
            .iter()
            .filter(|(_, v)| if export { v.exported } else { v.read_only })
            .map(|(n, v)| format!("{word} {n}={}\n", quote(&v.value)))
            .collect();
        let _ = shell.process.out(lines).await;
        return Flow::Next;
    }
    for item in names {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            return shell.fatal(format!("{name}: bad variable name")).await;
        }
        if let Some(value) = value
            && let Err(error) = shell.set(name, value)
        {
            return shell.fatal(error).await;
        }
        if export {
            if on || shell.variables.contains_key(name) {
                shell.variables.entry(name.to_owned()).or_default().exported = on;
            }
        } else {
            shell.variables.entry(name.to_owned()).or_default().read_only = true;
        }
    }
    Flow::Next
}

/// `local NAME[=VALUE]…`.
pub(super) async fn local(shell: &mut Shell, rest: &[String]) -> Flow {
    shell.status = 0;
    if shell.locals.is_empty() {
        return shell.fatal("not in a function".to_owned()).await;
    }
    for item in rest {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        let old = shell.variables.get(name).cloned();
        if let Some(saved) = shell.locals.last_mut() {
            saved.entry(name.to_owned()).or_insert(old);
        }
        if let Some(value) = value {
            let exported = shell.options.allexport;
            shell
                .variables
                .insert(name.to_owned(), Variable { value: value.to_owned(), exported, ..Variable::default() });
        }
    }
    Flow::Next
}

/// `unset [-v|-f] NAME…`.
pub(super) async fn unset(shell: &mut Shell, rest: &[String]) -> Flow {
    shell.status = 0;
    let functions = rest.first().is_some_and(|o| o == "-f");
    for name in rest.iter().filter(|n| !n.starts_with('-')) {
        if functions {
            shell.functions.remove(name);
        } else if shell.variables.get(name).is_some_and(|v| v.read_only) {
            return shell.fatal(format!("{name}: is read only")).await;
        } else {
            shell.variables.remove(name);
        }
    }
    Flow::Next
}

/// `set [-OPTIONS] [-o NAME] [--] [ARG…]`.
pub(super) async fn set(shell: &mut Shell, rest: &[String]) -> Flow {
    shell.status = 0;
    if rest.is_empty() {
        let lines: String = shell.variables.iter().map(|(n, v)| format!("{n}={}\n", quote(&v.value))).collect();
        let _ = shell.process.out(lines).await;
        return Flow::Next;
    }
    let mut rest = rest.iter().peekable();
    while let Some(option) = rest.peek().filter(|o| o.len() > 1 && o.starts_with(['-', '+'])).map(|o| (*o).clone()) {
        rest.next();
        if option == "--" {
            shell.set_parameters(rest.cloned().collect());
            return Flow::Next;
        }
        let on = option.starts_with('-');
        for letter in option[1..].chars() {
            if letter == 'o' {
                match rest.next() {
                    Some(name) if shell.options.set_name(name, on) => {}
                    Some(name) => {
                        let sign = if on { '-' } else { '+' };
                        return shell.fatal(format!("illegal option {sign}o {name}")).await;
                    }
                    None => {
                        let _ = shell.process.out(shell.options.listing()).await;
                    }
                }
            } else if !shell.options.set_letter(letter, on) {
                return shell.fatal(format!("illegal option {}{letter}", &option[..1])).await;
            }
        }
    }
    if rest.peek().is_some() {
        shell.set_parameters(rest.cloned().collect());
    }
    Flow::Next
}

/// `getopts OPTIONS NAME [ARG…]`.
pub(super) async fn getopts(shell: &mut Shell, rest: &[String]) -> i32 {
    let (Some(spec), Some(name)) = (rest.first(), rest.get(1)) else {
        shell.complain("usage: getopts optstring var [arg]").await;
        return 2;
    };
    let args = if rest.len() > 2 { rest[2..].to_vec() } else { shell.parameters.clone() };
    let silent = spec.starts_with(':');
    let (mut index, mut at) = shell.option_index;
    let current = args.get(index.saturating_sub(1)).cloned().unwrap_or_default();
    shell.variables.remove("OPTARG");
    if at == 0 {
        if !current.starts_with('-') || current == "-" || current == "--" {
            if current == "--" {
                index += 1;
            }
            let _ = shell.set("OPTIND", index.to_string());
            let _ = shell.set(name, "?");
            return 1;
        }
        at = 1;
    }
    let letter = current.chars().nth(at).unwrap_or('?');
    let end = at + 1 >= current.chars().count();
    let place = spec.find(letter).filter(|_| letter != ':');
    let takes = place.is_some_and(|i| spec[i + letter.len_utf8()..].starts_with(':'));
    let mut result = letter.to_string();
    if takes {
        let value = if end {
            index += 1;
            args.get(index - 1).cloned()
        } else {
            Some(current.chars().skip(at + 1).collect())
        };
        index += usize::from(value.is_some() || !end);
        at = 0;
        match value {
            Some(value) => {
                let _ = shell.set("OPTARG", value);
            }
            None if silent => {
                let _ = shell.set("OPTARG", letter.to_string());
                result = ":".to_owned();
            }
            None => {
                shell.process.err(format!("No arg for -{letter} option\n")).await;
                result = "?".to_owned();
            }
        }
    } else {
        if place.is_none() {
            if silent {
                let _ = shell.set("OPTARG", letter.to_string());
            } else {
                shell.process.err(format!("Illegal option -{letter}\n")).await;
            }
            result = "?".to_owned();
        }
        if end {
            index += 1;
            at = 0;
        } else {
            at += 1;
        }
    }
    let _ = shell.set("OPTIND", index.to_string());
    shell.option_index = (index, at);
    let _ = shell.set(name, result);
    0
}

/// `alias [NAME[=VALUE]…]`.
pub(super) async fn alias(shell: &mut Shell, rest: &[String]) -> i32 {
    let mut status = 0;
    let mut lines = String::new();
    if rest.is_empty() {
        lines = shell.aliases.iter().map(|(name, value)| format!("{name}={}\n", quote(value))).collect();
    }
    for item in rest {
        match item.split_once('=') {
            Some((name, value)) => {
                shell.aliases.insert(name.to_owned(), value.to_owned());
            }
            None => match shell.aliases.get(item) {
                Some(value) => lines.push_str(&format!("{item}={}\n", quote(value))),
                None => {
                    shell.process.err(format!("alias: {item} not found\n")).await;
                    status = 1;
                }
            },
        }
    }
    let _ = shell.process.out(lines).await;
    status
}

/// `unalias -a | NAME…`.
pub(super) async fn unalias(shell: &mut Shell, rest: &[String]) -> i32 {
    let mut status = 0;
    for name in rest {
        if name == "-a" {
            shell.aliases.clear();
        } else if shell.aliases.remove(name).is_none() {
            shell.process.err(format!("unalias: {name} not found\n")).await;
            status = 1;
        }
    }
    status
}

/// `let EXPRESSION…`: 1 if the last is zero.
pub(super) async fn let_(shell: &mut Shell, rest: &[String]) -> Flow {
    if rest.is_empty() {
        return shell.fatal("expression expected".to_owned()).await;
    }
    let mut last = 0;
    for expression in rest {
        match shell.arithmetic(expression) {
            Ok(value) => last = value,
            Err(error) => return shell.fatal(error).await,
        }
    }
    shell.status = i32::from(last == 0);
    Flow::Next
}
