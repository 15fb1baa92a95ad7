//! A `sed` script as a flat list of commands; braces and labels are jumps.

use super::super::regex::Regex;

/// An address.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Line(usize),
    Last,
    Match(Regex),
    /// `first~step`.
    Every(usize, usize),
    /// So many lines after the first: `+N`.
    After(usize),
}

/// What is done to a line.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Delete,
    DeleteFirst,
    Print,
    PrintFirst,
    Quit(i32),
    QuitSilently(i32),
    Number,
    Next,
    Append,
    Hold,
    HoldAppend,
    Get,
    GetAppend,
    Exchange,
    Before(String),
    After(String),
    Instead(String),
    Read(String),
    Transliterate(Vec<char>, Vec<char>),
    Substitute {
        regex: Regex,
        with: String,
        number: usize,
        global: bool,
        print: bool,
    },
    /// To the command of that number.
    Jump(usize),
    /// The same, if something was substituted since the line was read.
    JumpIfChanged(usize),
    /// A label or an end: nothing.
    Nothing,
}

/// One command of a script.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub from: Option<Place>,
    pub to: Option<Place>,
    pub inverted: bool,
    pub action: Action,
    /// The line at which a range ends that has begun; the last for one whose end is a match.
    pub inside: Option<usize>,
}

/// Reads a script piece by piece.
struct Reader<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    extended: bool,
    /// The last expression: an empty one means it.
    last: Option<Regex>,
}

const END: &str = "unexpected end of script";

impl Reader<'_> {
    fn skip(&mut self, also: &[char]) {
        while self.chars.next_if(|c| c.is_whitespace() || also.contains(c)).is_some() {}
    }

    /// Text up to an unescaped delimiter; in brackets it counts for nothing.
    fn until(&mut self, delimiter: char) -> Result<String, String> {
        let unmatched = || format!("unmatched '{delimiter}'");
        let mut text = String::new();
        let mut bracket = false;
        loop {
            let c = self.chars.next().ok_or_else(unmatched)?;
            match c {
                '\\' => {
                    let next = self.chars.next().ok_or_else(unmatched)?;
                    if next == '\n' {
                        text.push_str("\\n");
                        continue;
                    }
                    if next != delimiter {
                        text.push('\\');
                    }
                    text.push(next);
                }
                '[' => {
                    bracket = true;
                    text.push(c);
                }
                ']' => {
                    bracket = false;
                    text.push(c);
                }
                c if c == delimiter && !bracket => return Ok(text),
                c => text.push(c),
            }
        }
    }

    fn number(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
            digits.push(c);
        }
        digits.parse().ok()
    }

    fn regex(&mut self, pattern: &str, ignore_case: bool) -> Result<Regex, String> {
        if pattern.is_empty() {
            return self.last.clone().ok_or_else(|| "no previous regexp".to_owned());
        }
        let regex = Regex::new(&pattern.replace("\\n", "\n"), self.extended, false, ignore_case);
        let regex = regex.ok_or_else(|| format!("bad regex '{pattern}'"))?;
        self.last = Some(regex.clone());
        Ok(regex)
    }

    /// An address, if one is there.
    fn place(&mut self) -> Result<Option<Place>, String> {
        Ok(match self.chars.peek().copied() {
            Some('$') => {
                self.chars.next();
                Some(Place::Last)
            }
            Some(mark @ ('/' | '\\')) => {
                self.chars.next();
                let delimiter = if mark == '\\' { self.chars.next().ok_or(END)? } else { mark };
                let pattern = self.until(delimiter)?;
                let ignore_case = self.chars.next_if_eq(&'I').is_some();
                Some(Place::Match(self.regex(&pattern, ignore_case)?))
            }
            Some('+') => {
                self.chars.next();
                Some(Place::After(self.number().ok_or("no address")?))
            }
            Some(c) if c.is_ascii_digit() => {
                let first = self.number().unwrap_or(0);
                if self.chars.next_if_eq(&'~').is_some() {
                    Some(Place::Every(first, self.number().unwrap_or(0)))
                } else {
                    Some(Place::Line(first))
                }
            }
            _ => None,
        })
    }

    /// The text of `a`, `i`, `c`: to the end of the line; a backslash takes the next line in.
    fn line(&mut self) -> String {
        while self.chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        if self.chars.next_if_eq(&'\\').is_some() {
            while self.chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
            self.chars.next_if_eq(&'\n');
        }
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != '\n') {
            match c {
                '\\' => text.extend(self.chars.next()),
                c => text.push(c),
            }
        }
        text
    }

    /// A word: a label, or a file's name.
    fn word(&mut self, ends: &[char]) -> String {
        while self.chars.next_if(|c| *c == ' ').is_some() {}
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != '\n' && !ends.contains(c)) {
            word.push(c);
        }
        word.trim_end().to_owned()
    }

    fn substitute(&mut self) -> Result<Action, String> {
        let delimiter = self.chars.next().ok_or(END)?;
        let pattern = self.until(delimiter)?;
        let with = self.until(delimiter)?;
        let (mut global, mut print, mut ignore_case, mut number) = (false, false, false, 1);
        loop {
            match self.chars.peek().copied() {
                Some('g') => global = true,
                Some('p') => print = true,
                Some('i' | 'I') => ignore_case = true,
                Some(c) if c.is_ascii_digit() => {
                    number = self.number().unwrap_or(1).max(1);
                    continue;
                }
                _ => break,
            }
            self.chars.next();
        }
        let regex = self.regex(&pattern, ignore_case)?;
        Ok(Action::Substitute { regex, with, number, global, print })
    }

    fn code(&mut self) -> i32 {
        while self.chars.next_if(|c| *c == ' ').is_some() {}
        self.number().map_or(0, |code| (code & 0xff) as i32)
    }
}

/// Reads a script; the error is what to say after `sed: `.
pub(super) fn read(text: &str, extended: bool) -> Result<Vec<Edit>, String> {
    let mut reader = Reader { chars: text.chars().peekable(), extended, last: None };
    let mut edits: Vec<Edit> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut labels = std::collections::BTreeMap::new();
    let mut jumps: Vec<(usize, String)> = Vec::new();
    loop {
        reader.skip(&[';']);
        if reader.chars.peek().is_none() {
            break;
        }
        if reader.chars.next_if_eq(&'#').is_some() {
            reader.word(&[]);
            continue;
        }
        let from = reader.place()?;
        let to = match from.is_some() && reader.chars.next_if_eq(&',').is_some() {
            true => {
                reader.skip(&[]);
                Some(reader.place()?.ok_or("unexpected ','")?)
            }
            false => None,
        };
        reader.skip(&[]);
        let mut inverted = reader.chars.next_if_eq(&'!').is_some();
        reader.skip(&[]);
        let letter = reader.chars.next().ok_or("missing command")?;
        let at = edits.len();
        let action = match letter {
            'd' => Action::Delete,
            'D' => Action::DeleteFirst,
            'p' => Action::Print,
            'P' => Action::PrintFirst,
            'q' => Action::Quit(reader.code()),
            'Q' => Action::QuitSilently(reader.code()),
            '=' => Action::Number,
            'n' => Action::Next,
            'N' => Action::Append,
            'h' => Action::Hold,
            'H' => Action::HoldAppend,
            'g' => Action::Get,
            'G' => Action::GetAppend,
            'x' => Action::Exchange,
            'i' => Action::Before(reader.line()),
            'a' => Action::After(reader.line()),
            'c' => Action::Instead(reader.line()),
            'r' => Action::Read(reader.word(&[])),
            'y' => {
                let delimiter = reader.chars.next().ok_or(END)?;
                let from: Vec<char> = reader.until(delimiter)?.chars().collect();
                let to: Vec<char> = reader.until(delimiter)?.chars().collect();
                if from.len() != to.len() {
                    return Err("strings for 'y' command are different lengths".to_owned());
                }
                Action::Transliterate(from, to)
            }
            's' => reader.substitute()?,
            // What is not selected jumps over the block.
            '{' => {
                open.push(at);
                inverted = !inverted;
                Action::Jump(0)
            }
            '}' => {
                let begin = open.pop().ok_or("unexpected '}'")?;
                edits[begin].action = Action::Jump(at);
                Action::Nothing
            }
            ':' => {
                labels.insert(reader.word(&[';']), at);
                Action::Nothing
            }
            'b' | 't' => {
                jumps.push((at, reader.word(&[';', '}'])));
                if letter == 'b' { Action::Jump(0) } else { Action::JumpIfChanged(0) }
            }
            other => return Err(format!("unsupported command {other}")),
        };
        edits.push(Edit { from, to, inverted, action, inside: None });
        // A command ends at a semicolon, a brace, or the end of its line.
        while reader.chars.next_if_eq(&' ').is_some() {}
        if !matches!(letter, '{' | '}') && reader.chars.peek().is_some_and(|c| !matches!(c, ';' | '\n' | '}' | '#')) {
            let rest = reader.chars.next().unwrap_or_default();
            return Err(format!("unsupported command {rest}"));
        }
    }
    if !open.is_empty() {
        return Err("unmatched '{'".to_owned());
    }
    for (at, label) in jumps {
        let target = match label.is_empty() {
            true => edits.len(),
            false => *labels.get(&label).ok_or_else(|| format!("can't find label for jump to '{label}'"))?,
        };
        edits[at].action = match edits[at].action {
            Action::JumpIfChanged(_) => Action::JumpIfChanged(target),
            _ => Action::Jump(target),
        };
    }
    Ok(edits)
}
