//! `sed`: editing lines by a script, as busybox has it.

mod script;

use script::{Action, Edit, Place};

use super::{Options, bad_option, complain, streams::slurp, text::lines};
use crate::os::{Code, OpenMode, Process};

/// Most bytes that a script may make.
const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

/// Most jumps on one line: a script that turns in a circle ends.
const JUMP_LIMIT: usize = 1_000_000;

/// Most bytes that are looked through for substitutions on one line once the script has jumped: a line that grows in a circle ends.
const WORK_LIMIT: usize = 8 * 1024 * 1024;

impl Edit {
    fn selects(&mut self, n: usize, last: usize, line: &str) -> bool {
        let at = |place: &Place| match place {
            Place::Line(wanted) => n == *wanted,
            Place::Last => n == last,
            Place::Match(regex) => regex.held(line),
            Place::Every(first, 0) => n == *first,
            Place::Every(first, step) => n >= *first && (n - first).is_multiple_of(*step),
            Place::After(_) => false,
        };
        let selected = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => at(from),
            (Some(_), Some(to)) if self.inside.is_some() => {
                let end = self.inside.unwrap_or(usize::MAX);
                let ends = match to {
                    Place::Line(_) | Place::After(_) => n >= end,
                    other => at(other),
                };
                if ends {
                    self.inside = None;
                }
                // A range that should have ended before this line selects it only if it is the one.
                n <= end
            }
            (Some(from), Some(to)) => {
                let begins = at(from);
                let end = match to {
                    Place::Line(end) => *end,
                    Place::After(count) => n + count,
                    _ => usize::MAX,
                };
                if begins && end > n && n != last {
                    self.inside = Some(end);
                }
                begins
            }
        };
        selected != self.inverted
    }
}

/// Lines on their way through a script.
struct Stream<'a> {
    process: Option<&'a Process>,
    all: &'a [String],
    at: usize,
    held: String,
    out: String,
    quiet: bool,
    code: Code,
}

/// What follows a command.
enum Follow {
    Next,
    To(usize),
    /// The line is done; whether it is printed.
    Line(bool),
    /// The script begins again with what is left.
    Again,
    Quit(bool),
}

impl Stream<'_> {
    fn print(&mut self, text: &str) {
        if self.out.len() < OUTPUT_LIMIT {
            self.out.push_str(text);
            self.out.push('\n');
        }
    }

    fn step(&mut self, action: &Action, line: &mut String, after: &mut String, changed: &mut bool) -> Follow {
        match action {
            Action::Nothing => {}
            Action::Delete => return Follow::Line(false),
            Action::DeleteFirst => match line.split_once('\n') {
                Some((_, rest)) => {
                    *line = rest.to_owned();
                    return Follow::Again;
                }
                None => return Follow::Line(false),
            },
            Action::Print => self.print(line),
            Action::PrintFirst => {
                let first = line.split('\n').next().unwrap_or_default().to_owned();
                self.print(&first);
            }
            Action::Quit(code) => {
                self.code = *code;
                return Follow::Quit(true);
            }
            Action::QuitSilently(code) => {
                self.code = *code;
                return Follow::Quit(false);
            }
            Action::Number => self.print(&self.at.to_string()),
            Action::Next | Action::Append => {
                let Some(next) = self.all.get(self.at) else {
                    // At the last line GNU's and busybox's print what there is.
                    return Follow::Quit(true);
                };
                if matches!(action, Action::Next) {
                    if !self.quiet {
                        self.print(line);
                    }
                    self.out.push_str(&std::mem::take(after));
                    *line = next.clone();
                } else if line.len() < OUTPUT_LIMIT {
                    line.push('\n');
                    line.push_str(next);
                }
                self.at += 1;
            }
            Action::Hold => self.held.clone_from(line),
            Action::HoldAppend if self.held.len() < OUTPUT_LIMIT => {
                self.held = format!("{}\n{line}", self.held);
            }
            Action::HoldAppend => {}
            Action::Get => line.clone_from(&self.held),
            Action::GetAppend if line.len() < OUTPUT_LIMIT => *line = format!("{line}\n{}", self.held),
            Action::GetAppend => {}
            Action::Exchange => std::mem::swap(line, &mut self.held),
            Action::Before(new) => self.print(new),
            Action::After(new) => after.push_str(&format!("{new}\n")),
            Action::Instead(new) => {
                self.print(new);
                return Follow::Line(false);
            }
            Action::Read(name) => {
                let read = self.process.map(|p| p.files().read(&p.absolute(name), &p.credentials()));
                if let Some(Ok(bytes)) = read {
                    after.push_str(&String::from_utf8_lossy(&bytes));
                }
            }
            Action::Transliterate(from, to) => {
                *line = line
                    .chars()
                    .map(|c| from.iter().position(|f| *f == c).and_then(|p| to.get(p)).copied().unwrap_or(c))
                    .collect();
            }
            Action::Substitute { regex, with, number, global, print } => {
                let (new, done) = regex.substitute_from(line, with, *number, *global);
                if done {
                    *line = new;
                    *changed = true;
                    if *print {
                        self.print(line);
                    }
                }
            }
            Action::Jump(to) => return Follow::To(*to),
            Action::JumpIfChanged(to) => {
                if std::mem::take(changed) {
                    return Follow::To(*to);
                }
            }
        }
        Follow::Next
    }

    fn run(&mut self, edits: &mut [Edit]) {
        while let Some(line) = self.all.get(self.at) {
            let mut line = line.clone();
            self.at += 1;
            let (mut after, mut changed, mut shown, mut quit) = (String::new(), false, true, false);
            let (mut next, mut jumps, mut work) = (0, 0, 0);
            while let Some(edit) = edits.get_mut(next) {
                next += 1;
                if !edit.selects(self.at, self.all.len(), &line) {
                    continue;
                }
                let action = edit.action.clone();
                if jumps > 0 && matches!(action, Action::Substitute { .. }) {
                    work += line.len();
                    if work > WORK_LIMIT {
                        break;
                    }
                }
                match self.step(&action, &mut line, &mut after, &mut changed) {
                    Follow::Next => {}
                    Follow::To(target) => {
                        next = target;
                        jumps += 1;
                        if jumps > JUMP_LIMIT {
                            break;
                        }
                    }
                    Follow::Again => {
                        next = 0;
                        jumps += 1;
                        if jumps > JUMP_LIMIT {
                            break;
                        }
                    }
                    Follow::Line(show) => {
                        shown = show;
                        break;
                    }
                    Follow::Quit(show) => {
                        (shown, quit) = (show, true);
                        break;
                    }
                }
            }
            if shown && !self.quiet {
                self.print(&line);
            }
            self.out.push_str(&after);
            if quit || self.out.len() >= OUTPUT_LIMIT {
                break;
            }
        }
    }
}

/// What a script makes of lines, and the status it asks for.
fn apply(process: Option<&Process>, edits: &mut [Edit], all: &[String], quiet: bool) -> (String, Code) {
    let mut stream = Stream { process, all, at: 0, held: String::new(), out: String::new(), quiet, code: 0 };
    stream.run(edits);
    (stream.out, stream.code)
}

/// `sed [-nrE] [-i[SUFFIX]] [-f FILE] [-e] SCRIPT [FILE…]`.
pub(super) async fn sed(process: Process) -> Code {
    let mut args = process.args();
    // What follows -i is part of it.
    let in_place = args.iter().position(|a| a.starts_with("-i")).map(|at| args.remove(at)[2..].to_owned());
    let mut options = match Options::read(&args, "nrEsz", "ef") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut parts = Vec::new();
    for (letter, value) in &options.letters {
        let value = value.as_deref().unwrap_or_default();
        match letter {
            'e' => parts.push(value.to_owned()),
            'f' => match slurp(&process, "sed", value).await {
                Some(bytes) => parts.push(String::from_utf8_lossy(&bytes).into_owned()),
                None => return 1,
            },
            _ => {}
        }
    }
    if parts.is_empty() {
        if options.rest.is_empty() {
            process.err("Usage: sed [-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...\n").await;
            return 1;
        }
        parts.push(options.rest.remove(0));
    }
    let extended = options.has('r') || options.has('E');
    let mut edits = match script::read(&parts.join("\n"), extended) {
        Ok(edits) => edits,
        Err(error) => {
            process.err(format!("sed: {error}\n")).await;
            return 1;
        }
    };
    let Some(suffix) = in_place else {
        let Some(all) = lines(&process, "sed", &options.rest).await else { return 1 };
        let (text, code) = apply(Some(&process), &mut edits, &all, options.has('n'));
        return code | i32::from(process.out(text).await.is_err());
    };
    let mut code = 0;
    for name in &options.rest {
        let Some(bytes) = slurp(&process, "sed", name).await else {
            code = 1;
            continue;
        };
        let all: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        let (text, asked) = apply(Some(&process), &mut edits, &all, options.has('n'));
        code |= asked;
        let (path, who) = (process.absolute(name), process.credentials());
        let write = async |path: &str, bytes: &[u8]| match process.files().open(path, OpenMode::WRITE, &who) {
            Ok(file) => file.write(bytes).await,
            Err(error) => Err(error),
        };
        let mut written = if suffix.is_empty() { Ok(()) } else { write(&format!("{path}{suffix}"), &bytes).await };
        if written.is_ok() {
            written = write(&path, text.as_bytes()).await;
        }
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
    #[case("1a\\\nafter", false, "a\nafter\nba\nc\n")]
    #[case("y/abc/xyz/", false, "x\nyx\nz\n")]
    #[case("s/[/]/x/;s|a|/|g", false, "/\nb/\nc\n")]
    #[case("N;s/\\n/ /", false, "a ba\nc\n")]
    #[case(":l;N;$!bl;s/\\n/-/g", false, "a-ba-c\n")]
    #[case("H;${x;s/\\n/,/g;p}", true, ",a,ba,c\n")]
    #[case("/b/{s/a/x/;p}", true, "bx\n")]
    #[case("1!G;h;$!d", false, "c\nba\na\n")]
    #[case("2,+1d", false, "a\n")]
    #[case("1~2d", false, "ba\n")]
    #[case("s/a//;ta;s/$/!/;:a", false, "\nb\nc!\n")]
    #[case("=", true, "1\n2\n3\n")]
    fn scripts(#[case] text: &str, #[case] quiet: bool, #[case] expected: &str) {
        let all: Vec<String> = ["a", "ba", "c"].map(str::to_owned).into();
        let mut edits = script::read(text, false).expect("a script");
        assert_eq!(apply(None, &mut edits, &all, quiet).0, expected);
    }

    #[rstest]
    #[case("z", "unsupported command z")]
    #[case("s/a", "unmatched '/'")]
    #[case("p p", "unsupported command p")]
    #[case("y/ab/c/", "strings for 'y' command are different lengths")]
    #[case("{p", "unmatched '{'")]
    #[case("b nowhere", "can't find label for jump to 'nowhere'")]
    fn no_scripts(#[case] text: &str, #[case] error: &str) {
        assert_eq!(script::read(text, false).err().as_deref(), Some(error));
    }

    #[test]
    fn a_script_that_turns_in_a_circle_ends() {
        let mut edits = script::read(":a;ba", false).expect("a script");
        assert_eq!(apply(None, &mut edits, &["x".to_owned()], false).0, "x\n");
    }
}
