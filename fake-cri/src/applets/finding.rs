//! `find`: paths below others that conditions take, and what is done with them.

use futures_util::future::BoxFuture;
use world::files::{FileKind, Metadata};

use super::{complain, identity, xargs::run};
use crate::{
    os::{Code, Process},
    shell::pattern,
};

/// Deepest nesting of brackets.
const DEPTH_LIMIT: usize = 40;

/// A number with `+` for more, `-` for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range(std::cmp::Ordering, i64);

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (order, digits) = match text.strip_prefix('+') {
            Some(digits) => (std::cmp::Ordering::Greater, digits),
            None => match text.strip_prefix('-') {
                Some(digits) => (std::cmp::Ordering::Less, digits),
                None => (std::cmp::Ordering::Equal, text),
            },
        };
        digits.parse().ok().map(|number| Self(order, number))
    }

    fn holds(self, value: i64) -> bool {
        value.cmp(&self.1) == self.0
    }
}

#[derive(Clone, Debug)]
enum Test {
    Name(String, bool),
    Path(String, bool),
    Kind(FileKind),
    Empty,
    Size(Range, u64),
    Newer(String),
    Age(Range, i64),
    Mode(char, u32),
    User(u32),
    Group(u32),
    Executable,
    Prune,
    Print(char),
    Delete,
    Quit,
    /// A command for each path; with `+`, one for all at the end, by number.
    Exec(Vec<String>, Option<usize>),
    True,
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
}

#[derive(Default)]
struct Query {
    deepest: Option<usize>,
    shallowest: usize,
    /// What is in a directory comes before it.
    depth_first: bool,
    follow: bool,
    acts: bool,
    groups: Vec<(Vec<String>, Vec<String>)>,
}

struct Reader<'a> {
    process: &'a Process,
    words: &'a [String],
    at: usize,
    query: Query,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn value(&mut self, option: &str) -> Result<String, String> {
        self.at += 1;
        self.words.get(self.at - 1).cloned().ok_or_else(|| format!("{option} requires an argument"))
    }

    fn or(&mut self) -> Result<Test, String> {
        let mut tests = vec![self.and()?];
        while matches!(self.peek(), Some("-o" | "-or")) {
            self.at += 1;
            tests.push(self.and()?);
        }
        Ok(Test::Or(tests))
    }

    fn and(&mut self) -> Result<Test, String> {
        let mut tests = Vec::new();
        while let Some(word) = self.peek() {
            if matches!(word, "-o" | "-or" | ")") {
                break;
            }
            if matches!(word, "-a" | "-and") {
                self.at += 1;
                continue;
            }
            tests.push(self.primary()?);
        }
        Ok(Test::And(tests))
    }

    fn descend(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT { Err("nested too deeply".to_owned()) } else { Ok(()) }
    }

    fn primary(&mut self) -> Result<Test, String> {
        let word = self.value("find")?;
        let bad = |value: &str| format!("invalid argument '{value}' to '{word}'");
        Ok(match word.as_str() {
            "!" | "-not" => {
                self.descend()?;
                Test::Not(Box::new(self.primary()?))
            }
            "(" => {
                self.descend()?;
                let inner = self.or()?;
                if self.value("(")? != ")" {
                    return Err("unpaired '('".to_owned());
                }
                inner
            }
            "-name" | "-iname" => Test::Name(self.value(&word)?, word == "-iname"),
            "-path" | "-wholename" | "-ipath" => Test::Path(self.value(&word)?, word == "-ipath"),
            "-type" => {
                let value = self.value(&word)?;
                Test::Kind(match value.as_str() {
                    "f" => FileKind::File,
                    "d" => FileKind::Directory,
                    "l" => FileKind::Symlink,
                    "s" => FileKind::Socket,
                    "p" => FileKind::Fifo,
                    "c" => FileKind::CharDevice,
                    "b" => FileKind::BlockDevice,
                    _ => return Err(bad(&value)),
                })
            }
            "-empty" => Test::Empty,
            "-size" => {
                let value = self.value(&word)?;
                let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = match &value[digits.len()..] {
                    "" | "b" => 512,
                    "c" => 1,
                    "k" => 1024,
                    "M" => 1024 * 1024,
                    _ => return Err(bad(&value)),
                };
                Test::Size(Range::read(digits).ok_or_else(|| bad(&value))?, unit)
            }
            "-newer" => Test::Newer(self.value(&word)?),
            "-mtime" | "-mmin" | "-atime" | "-amin" | "-ctime" | "-cmin" => {
                let value = self.value(&word)?;
                let unit = if word.ends_with("min") { 60 } else { 24 * 3600 };
                Test::Age(Range::read(&value).ok_or_else(|| bad(&value))?, unit)
            }
            "-perm" => {
                let value = self.value(&word)?;
                let (how, mode) = match value.strip_prefix(['-', '+', '/']) {
                    Some(mode) => (value.chars().next().unwrap_or('='), mode),
                    None => ('=', value.as_str()),
                };
                Test::Mode(how, super::mode(mode, 0).ok_or_else(|| bad(&value))?)
            }
            "-user" => {
                let value = self.value(&word)?;
                Test::User(identity::user(self.process, &value).ok_or_else(|| format!("unknown user {value}"))?.0)
            }
            "-group" => {
                let value = self.value(&word)?;
                Test::Group(identity::group(self.process, &value).ok_or_else(|| format!("unknown group {value}"))?)
            }
            "-executable" => Test::Executable,
            "-prune" => Test::Prune,
            "-true" => Test::True,
            "-print" | "-print0" => {
                self.query.acts = true;
                Test::Print(if word == "-print" { '\n' } else { '\0' })
            }
            "-delete" => {
                self.query.acts = true;
                self.query.depth_first = true;
                Test::Delete
            }
            "-quit" => Test::Quit,
            "-exec" | "-ok" => {
                self.query.acts = true;
                let mut command = Vec::new();
                loop {
                    let part = self.value(&word)?;
                    match part.as_str() {
                        ";" => break Test::Exec(command, None),
                        "+" if command.last().is_some_and(|last| last == "{}") => {
                            command.pop();
                            self.query.groups.push((command.clone(), Vec::new()));
                            break Test::Exec(command, Some(self.query.groups.len() - 1));
                        }
                        _ => command.push(part),
                    }
                }
            }
            "-maxdepth" => {
                let value = self.value(&word)?;
                self.query.deepest = Some(value.parse().map_err(|_| bad(&value))?);
                Test::True
            }
            "-mindepth" => {
                let value = self.value(&word)?;
                self.query.shallowest = value.parse().map_err(|_| bad(&value))?;
                Test::True
            }
            "-depth" => {
                self.query.depth_first = true;
                Test::True
            }
            "-follow" => {
                self.query.follow = true;
                Test::True
            }
            "-xdev" | "-mount" => Test::True,
            _ => return Err(format!("unrecognized: {word}")),
        })
    }
}

/// One path as the tests see it.
struct Candidate {
    path: String,
    facts: Metadata,
}

struct Search<'a> {
    process: &'a Process,
    query: Query,
    code: Code,
    pruned: bool,
    done: bool,
}

fn matched(wanted: &str, text: &str, any_case: bool) -> bool {
    match any_case {
        true => pattern::matches(&wanted.to_lowercase(), &text.to_lowercase()),
        false => pattern::matches(wanted, text),
    }
}

impl Search<'_> {
    fn holds<'a>(&'a mut self, test: &'a Test, it: &'a Candidate) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let facts = &it.facts;
            match test {
                Test::True => true,
                Test::Not(inner) => !self.holds(inner, it).await,
                Test::And(all) => {
                    for test in all {
                        if !self.holds(test, it).await {
                            return false;
                        }
                    }
                    true
                }
                Test::Or(any) => {
                    for test in any {
                        if self.holds(test, it).await {
                            return true;
                        }
                    }
                    false
                }
                Test::Name(wanted, any_case) => {
                    let name = it.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                    matched(wanted, if name.is_empty() { "/" } else { name }, *any_case)
                }
                Test::Path(wanted, any_case) => matched(wanted, &it.path, *any_case),
                Test::Kind(kind) => facts.kind == *kind,
                Test::Empty => match facts.kind {
                    FileKind::File => facts.size == 0,
                    FileKind::Directory => {
                        let path = self.process.absolute(&it.path);
                        self.process.files().list(&path, &self.process.credentials()).is_ok_and(|e| e.is_empty())
                    }
                    _ => false,
                },
                Test::Size(range, unit) => range.holds(i64::try_from(facts.size.div_ceil(*unit)).unwrap_or(i64::MAX)),
                Test::Newer(name) => {
                    let other = self.process.files().stat(&self.process.absolute(name));
                    other.is_ok_and(|other| facts.modified > other.modified)
                }
                Test::Age(range, unit) => {
                    let now = self.process.kernel().surroundings().world.clock.now();
                    range.holds((now.as_second() - facts.modified.as_second()) / unit)
                }
                Test::Mode(how, mode) => match how {
                    '-' => facts.mode & mode == *mode,
                    '=' => facts.mode & 0o7777 == *mode,
                    _ => facts.mode & mode != 0,
                },
                Test::User(uid) => facts.uid == *uid,
                Test::Group(gid) => facts.gid == *gid,
                Test::Executable => self.process.credentials().may(facts.uid, facts.gid, facts.mode, 1),
                Test::Prune => {
                    self.pruned = true;
                    true
                }
                Test::Quit => {
                    self.done = true;
                    true
                }
                Test::Print(end) => {
                    self.done |= self.process.out(format!("{}{end}", it.path)).await.is_err();
                    true
                }
                Test::Delete => {
                    let (path, who) = (self.process.absolute(&it.path), self.process.credentials());
                    let gone = match facts.kind {
                        FileKind::Directory if it.path == "." => Ok(()),
                        FileKind::Directory => self.process.files().remove_dir(&path, &who),
                        _ => self.process.files().remove_file(&path, &who),
                    };
                    if let Err(error) = &gone {
                        self.code = complain(self.process, "find", &it.path, error).await;
                    }
                    gone.is_ok()
                }
                Test::Exec(_, Some(group)) => {
                    self.query.groups[*group].1.push(it.path.clone());
                    true
                }
                Test::Exec(command, None) => {
                    run(self.process, command.iter().map(|word| word.replace("{}", &it.path)).collect()).await == 0
                }
            }
        })
    }
}

/// `find [-HL] [PATH…] [CONDITIONS AND ACTIONS]`.
pub(super) async fn find(process: Process) -> Code {
    let args = process.args();
    let begins = |word: &String| word.starts_with('-') || word == "!" || word == "(";
    let leading = args[1..].iter().take_while(|word| matches!(word.as_str(), "-H" | "-L")).count();
    let words = &args[1 + leading..];
    let first = words.iter().position(begins).unwrap_or(words.len());
    let mut roots = words[..first].to_vec();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let mut reader = Reader { process: &process, words: &words[first..], at: 0, query: Query::default(), depth: 0 };
    reader.query.follow = args[1..=leading].iter().any(|word| word == "-L");
    let read = reader.or().and_then(|test| match reader.peek() {
        Some(word) => Err(format!("unrecognized: {word}")),
        None => Ok(test),
    });
    let mut test = match read {
        Ok(test) => test,
        Err(text) => {
            process.err(format!("find: {text}\n")).await;
            return 1;
        }
    };
    let query = reader.query;
    if !query.acts {
        test = Test::And(vec![test, Test::Print('\n')]);
    }
    let mut search = Search { process: &process, query, code: 0, pruned: false, done: false };
    // A path with `true` has had its entries looked at.
    let mut waiting: Vec<(String, usize, bool)> = roots.into_iter().rev().map(|root| (root, 0, false)).collect();
    while let Some((path, depth, entered)) = waiting.pop() {
        if search.done {
            break;
        }
        process.spin().await;
        let full = process.absolute(&path);
        let facts = match search.query.follow {
            true => process.files().stat(&full).or_else(|_| process.files().lstat(&full)),
            false => process.files().lstat(&full),
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => {
                search.code = complain(&process, "find", &path, error).await;
                continue;
            }
        };
        let directory = facts.kind == FileKind::Directory;
        let it = Candidate { path, facts };
        let later = search.query.depth_first && directory && !entered;
        search.pruned = false;
        if !later && depth >= search.query.shallowest {
            search.holds(&test, &it).await;
        }
        let stays_above = search.query.deepest.is_some_and(|deepest| depth >= deepest);
        if later {
            waiting.push((it.path.clone(), depth, true));
        }
        if !directory || entered || stays_above || search.pruned {
            continue;
        }
        match process.files().list(&full, &process.credentials()) {
            Ok(entries) => {
                let above = it.path.trim_end_matches('/');
                waiting.extend(entries.into_iter().rev().map(|e| (format!("{above}/{}", e.name), depth + 1, false)));
            }
            Err(error) => search.code = complain(&process, "find", &it.path, error).await,
        }
    }
    let mut code = search.code;
    for (mut command, paths) in search.query.groups {
        if !paths.is_empty() {
            command.extend(paths);
            code |= i32::from(run(&process, command).await != 0);
        }
    }
    code
}
