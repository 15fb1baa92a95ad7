//! `sed`: substitution, deletion, printing, quitting, text before and after, on lines, ranges and matches.

use super::{Options, bad_option, complain, regex::Regex, streams::slurp, text::lines};
use crate::os::{Code, OpenMode, Process};

/// An address.
enum Place {
    Line(usize),
    Last,
    Match(Regex),
}

/// What is done to a line.
enum Action {
    Delete,
    Print,
    Quit,
    Number,
    Before(String),
    After(String),
    Instead(String),
    Transliterate(Vec<char>, Vec<char>),
    Substitute { regex: Regex, with: String, global: bool, print: bool },
}

/// One command of a script.
struct Edit {
    from: Option<Place>,
    to: Option<Place>,
    inverted: bool,
    action: Action,
    /// Whether a range has begun and not ended.
    inside: bool,
}

/// Reads a script piece by piece.
struct Reader<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    extended: bool,
}

impl Reader<'_> {
    fn skip(&mut self, also: &[char]) {
        while self.chars.next_if(|c| c.is_whitespace() || also.contains(c)).is_some() {}
    }

    /// Text up to an unescaped delimiter; in brackets it counts for nothing.
    fn until(&mut self, delimiter: char) -> Option<String> {
        let mut text = String::new();
        let mut bracket = false;
        loop {
            let c = self.chars.next()?;
            match c {
                '\\' => {
                    let next = self.chars.next()?;
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
                c if c == delimiter && !bracket => return Some(text),
                c => text.push(c),
            }
        }
    }

    /// An address, if one is there.
    fn place(&mut self) -> Option<Option<Place>> {
        match self.chars.peek().copied() {
            Some('$') => {
                self.chars.next();
                Some(Some(Place::Last))
            }
            Some('/') => {
                self.chars.next();
                let pattern = self.until('/')?;
                let ignore_case = self.chars.next_if_eq(&'I').is_some();
                Some(Some(Place::Match(Regex::new(&pattern, self.extended, false, ignore_case)?)))
            }
            Some(c) if c.is_ascii_digit() => {
                let mut digits = String::new();
                while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
                    digits.push(c);
                }
                Some(Some(Place::Line(digits.parse().ok()?)))
            }
            _ => Some(None),
        }
    }

    /// The text of `a`, `i`, `c`: to the end of the line.
    fn line(&mut self) -> String {
        self.skip(&['\\']);
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != '\n') {
            text.push(c);
        }
        text
    }

    /// The next command. `None` if it cannot be read.
    fn edit(&mut self) -> Option<Edit> {
        let from = self.place()?;
        let to = if from.is_some() && self.chars.next_if_eq(&',').is_some() { Some(self.place()??) } else { None };
        self.skip(&[]);
        let inverted = self.chars.next_if_eq(&'!').is_some();
        self.skip(&[]);
        let action = match self.chars.next()? {
            'd' => Action::Delete,
            'p' => Action::Print,
            'q' => Action::Quit,
            '=' => Action::Number,
            'i' => Action::Before(self.line()),
            'a' => Action::After(self.line()),
            'c' => Action::Instead(self.line()),
            'y' => {
                let delimiter = self.chars.next()?;
                let from: Vec<char> = self.until(delimiter)?.chars().collect();
                let to: Vec<char> = self.until(delimiter)?.chars().collect();
                (from.len() == to.len()).then_some(Action::Transliterate(from, to))?
            }
            's' => {
                let delimiter = self.chars.next()?;
                let pattern = self.until(delimiter)?;
                let with = self.until(delimiter)?;
                let (mut global, mut print, mut ignore_case) = (false, false, false);
                while let Some(flag) = self.chars.next_if(|c| matches!(c, 'g' | 'p' | 'i' | 'I')) {
                    match flag {
                        'g' => global = true,
                        'p' => print = true,
                        _ => ignore_case = true,
                    }
                }
                let regex = Regex::new(&pattern, self.extended, false, ignore_case)?;
                Action::Substitute { regex, with, global, print }
            }
            _ => return None,
        };
        Some(Edit { from, to, inverted, action, inside: false })
    }

    fn script(text: &str, extended: bool) -> Option<Vec<Edit>> {
        let mut reader = Reader { chars: text.chars().peekable(), extended };
        let mut edits = Vec::new();
        loop {
            reader.skip(&[';']);
            if reader.chars.peek().is_none() {
                return Some(edits);
            }
            edits.push(reader.edit()?);
            // A command ends at a semicolon or at the end of its line.
            while reader.chars.next_if_eq(&' ').is_some() {}
            if reader.chars.peek().is_some_and(|c| !matches!(c, ';' | '\n')) {
                return None;
            }
        }
    }
}

impl Edit {
    fn selects(&mut self, n: usize, last: usize, line: &str) -> bool {
        let at = |place: &Place| match place {
            Place::Line(wanted) => n == *wanted,
            Place::Last => n == last,
            Place::Match(regex) => regex.held(line),
        };
        let selected = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => at(from),
            (Some(_), Some(to)) if self.inside => {
                self.inside = match to {
                    Place::Line(end) => n < *end,
                    other => !at(other),
                };
                true
            }
            (Some(from), Some(to)) => {
                let begins = at(from);
                self.inside = begins && !matches!(to, Place::Line(end) if *end <= n) && n != last;
                begins
            }
        };
        selected != self.inverted
    }
}

/// What a script makes of lines.
fn apply(edits: &mut [Edit], all: &[String], quiet: bool) -> String {
    let mut text = String::new();
    for (i, line) in all.iter().enumerate() {
        let mut line = line.clone();
        let (mut quit, mut deleted, mut after) = (false, false, String::new());
        for edit in &mut *edits {
            if !edit.selects(i + 1, all.len(), &line) {
                continue;
            }
            match &edit.action {
                Action::Delete => {
                    deleted = true;
                    break;
                }
                Action::Print => text.push_str(&format!("{line}\n")),
                Action::Quit => {
                    quit = true;
                    break;
                }
                Action::Number => text.push_str(&format!("{}\n", i + 1)),
                Action::Before(new) => text.push_str(&format!("{new}\n")),
                Action::After(new) => after.push_str(&format!("{new}\n")),
                Action::Instead(new) => {
                    text.push_str(&format!("{new}\n"));
                    deleted = true;
                    break;
                }
                Action::Transliterate(from, to) => {
                    line = line
                        .chars()
                        .map(|c| from.iter().position(|f| *f == c).and_then(|p| to.get(p)).copied().unwrap_or(c))
                        .collect();
                }
                Action::Substitute { regex, with, global, print } => {
                    let (new, changed) = regex.substitute(&line, with, *global);
                    line = new;
                    if changed && *print {
                        text.push_str(&format!("{line}\n"));
                    }
                }
            }
        }
        if !quiet && !deleted {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&after);
        if quit {
            break;
        }
    }
    text
}

/// `sed [-nrEi] [-e] SCRIPT [FILE…]`.
pub(super) async fn sed(process: Process) -> Code {
    let mut options = match Options::read(&process.args(), "nrEi", "e") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let parts: Vec<String> = options.letters.iter().filter(|(l, _)| *l == 'e').filter_map(|(_, v)| v.clone()).collect();
    let script = match (parts.is_empty(), options.rest.is_empty()) {
        (false, _) => parts.join("\n"),
        (true, false) => options.rest.remove(0),
        (true, true) => {
            process.err("Usage: sed [-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...\n").await;
            return 1;
        }
    };
    let extended = options.has('r') || options.has('E');
    let Some(mut edits) = Reader::script(&script, extended) else {
        return complain(&process, "sed", "unsupported command", &script).await;
    };
    if !options.has('i') {
        let Some(all) = lines(&process, "sed", &options.rest).await else { return 1 };
        return i32::from(process.out(apply(&mut edits, &all, options.has('n'))).await.is_err());
    }
    let mut code = 0;
    for name in &options.rest {
        let Some(bytes) = slurp(&process, "sed", name).await else {
            code = 1;
            continue;
        };
        let all: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        let text = apply(&mut edits, &all, options.has('n'));
        let file = process.files().open(&process.absolute(name), OpenMode::WRITE, &process.credentials());
        let written = match file {
            Ok(file) => file.write(text.as_bytes()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            code = complain(&process, "sed", name, error).await;
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("s/a/x/", false, "x\nbx\nc\n")]
    #[case("s/;/x/;2d", false, "a\nc\n")]
    #[case("2,3p", true, "ba\nc\n")]
    #[case("/b/,$d", false, "a\n")]
    #[case("/b/,/c/s/^/>/", false, "a\n>ba\n>c\n")]
    #[case("2q", false, "a\nba\n")]
    #[case("$!d", false, "c\n")]
    #[case("1i before", false, "before\na\nba\nc\n")]
    #[case("y/abc/xyz/", false, "x\nyx\nz\n")]
    #[case("s/[/]/x/;s|a|/|g", false, "/\nb/\nc\n")]
    fn scripts(#[case] script: &str, #[case] quiet: bool, #[case] text: &str) {
        let all: Vec<String> = ["a", "ba", "c"].map(str::to_owned).into();
        let mut edits = Reader::script(script, false).expect("a script");
        assert_eq!(apply(&mut edits, &all, quiet), text);
    }

    #[rstest]
    #[case("z")]
    #[case("s/a")]
    #[case("p p")]
    #[case("y/ab/c/")]
    fn no_scripts(#[case] script: &str) {
        assert!(Reader::script(script, false).is_none());
    }
}
