//! `test` and `[`: conditions on files, texts and numbers.

use world::files::FileKind;

use crate::os::Process;

/// Evaluates `test ARG…` or `[ ARG… ]`; the name comes first. The error is what to say after the shell's name.
pub fn test(process: &Process, args: &[String]) -> Result<bool, String> {
    let name = args.first().map_or("test", String::as_str);
    let mut words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    if name == "[" && words.pop() != Some("]") {
        return Err("missing ]".to_owned());
    }
    let mut parser = Parser { process, words: &words, at: 0, depth: 0 };
    if words.is_empty() {
        return Ok(false);
    }
    let value = parser.or()?;
    if parser.at < words.len() {
        return Err(format!("{}: unknown operand", words[parser.at]));
    }
    Ok(value)
}

struct Parser<'a> {
    process: &'a Process,
    words: &'a [&'a str],
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<&str> {
        self.words.get(self.at + ahead).copied()
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut value = self.and()?;
        while self.peek(0) == Some("-o") {
            self.at += 1;
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut value = self.not()?;
        while self.peek(0) == Some("-a") {
            self.at += 1;
            value &= self.not()?;
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<bool, String> {
        if self.depth > 200 {
            return Err("too many operators".to_owned());
        }
        // `! = x` compares; `!` alone is a text.
        if self.peek(0) == Some("!")
            && self.peek(1).is_some()
            && !(self.peek(2).is_some() && is_binary(self.peek(1).unwrap_or_default()))
        {
            self.at += 1;
            self.depth += 1;
            return Ok(!self.not()?);
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<bool, String> {
        let Some(first) = self.peek(0).map(str::to_owned) else { return Err("argument expected".to_owned()) };
        if let (Some(operator), Some(right)) = (self.peek(1).map(str::to_owned), self.peek(2).map(str::to_owned))
            && is_binary(&operator)
        {
            self.at += 3;
            return binary(self.process, &first, &operator, &right);
        }
        if first == "(" {
            self.at += 1;
            self.depth += 1;
            if self.depth > 200 {
                return Err("too many operators".to_owned());
            }
            let value = self.or()?;
            if self.peek(0) != Some(")") {
                return Err("closing paren expected".to_owned());
            }
            self.at += 1;
            return Ok(value);
        }
        if first.len() == 2
            && first.starts_with('-')
            && let Some(operand) = self.peek(1).map(str::to_owned)
            && let Some(value) = unary(self.process, &first, &operand)
        {
            self.at += 2;
            return Ok(value);
        }
        if self.at == 0 && self.words.len() == 2 && is_binary(self.words[1]) {
            return Err(format!("{}: argument expected", self.words[1]));
        }
        self.at += 1;
        Ok(!first.is_empty())
    }
}

fn is_binary(word: &str) -> bool {
    matches!(
        word,
        "=" | "==" | "!=" | "<" | ">" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt" | "-ot" | "-ef"
    )
}

fn number(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{text}: bad number"))
}

fn binary(process: &Process, left: &str, operator: &str, right: &str) -> Result<bool, String> {
    let modified = |path: &str| process.files().stat(&process.absolute(path)).ok().map(|m| m.modified);
    Ok(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        ">" => left > right,
        "-eq" => number(left)? == number(right)?,
        "-ne" => number(left)? != number(right)?,
        "-lt" => number(left)? < number(right)?,
        "-le" => number(left)? <= number(right)?,
        "-gt" => number(left)? > number(right)?,
        "-ge" => number(left)? >= number(right)?,
        "-nt" => modified(left) > modified(right),
        "-ot" => modified(left) < modified(right),
        _ => {
            let find = |path: &str| process.files().find(&process.absolute(path), true).ok().map(|p| p.path);
            find(left).is_some() && find(left) == find(right)
        }
    })
}

fn unary(process: &Process, operator: &str, operand: &str) -> Option<bool> {
    let path = process.absolute(operand);
    let who = process.credentials();
    let facts = || process.files().stat(&path).ok();
    let may = |wanted| {
        facts().is_some_and(|m| {
            who.may(m.uid, m.gid, m.mode | if m.kind == FileKind::Directory { 0o4_0000 } else { 0 }, wanted)
        })
    };
    Some(match operator {
        "-n" => !operand.is_empty(),
        "-z" => operand.is_empty(),
        "-e" => facts().is_some(),
        "-f" => facts().is_some_and(|m| m.kind == FileKind::File),
        "-d" => facts().is_some_and(|m| m.kind == FileKind::Directory),
        "-s" => facts().is_some_and(|m| m.size > 0),
        "-L" | "-h" => process.files().lstat(&path).is_ok_and(|m| m.kind == FileKind::Symlink),
        "-r" => may(4),
        "-w" => may(2),
        "-x" => may(1),
        "-S" => facts().is_some_and(|m| m.kind == FileKind::Socket),
        "-p" => facts().is_some_and(|m| m.kind == FileKind::Fifo),
        "-b" => facts().is_some_and(|m| m.kind == FileKind::BlockDevice),
        "-c" => facts().is_some_and(|m| m.kind == FileKind::CharDevice),
        "-t" => operand.parse().ok().and_then(|n| process.descriptor(n).ok()).is_some_and(|f| f.is_terminal()),
        "-u" => facts().is_some_and(|m| m.mode & 0o4000 != 0),
        "-g" => facts().is_some_and(|m| m.mode & 0o2000 != 0),
        "-k" => facts().is_some_and(|m| m.mode & 0o1000 != 0),
        _ => return None,
    })
}
