//! Words that code must not use, and where it may: what breaks determinism, or goes round the world's seams. Complements
//! `clippy.toml`, which does not see paths in macros, re-exports or whole modules.

use super::{Finding, Tree};

/// A ban.
struct Ban {
    /// Any of these, as written in code.
    words: &'static [&'static str],
    /// What to do instead.
    advice: &'static str,
    /// Whether a file may use them all the same.
    allowed: fn(&str) -> bool,
}

const BANS: [Ban; 9] = [
    Ban {
        words: &["tokio::fs", "async_fs::"],
        advice: "leaves the simulated thread: use World::files",
        allowed: nowhere,
    },
    Ban {
        words: &["spawn_blocking", "block_in_place"],
        advice: "leaves the simulated thread: make it async",
        allowed: nowhere,
    },
    Ban { words: &["HashMap", "HashSet"], advice: "random order: use BTreeMap or IndexMap", allowed: nowhere },
    Ban {
        words: &["sync::watch", "watch::channel", "watch::Receiver", "watch::Sender"],
        advice: "wakes several waiters in random order: use a Notify per waiter or a channel",
        allowed: nowhere,
    },
    Ban {
        words: &["tokio::spawn", "task::spawn("],
        advice: "unnamed and unjoined: use world::Tasks",
        allowed: |p| p == "world/src/tasks.rs",
    },
    Ban {
        words: &["std::fs", "fs::read", "fs::write"],
        advice: "goes round the world: use World::files",
        allowed: host,
    },
    Ban {
        words: &["std::env", "env::var"],
        advice: "the environment is read in the mains only: pass the value in",
        allowed: host,
    },
    Ban {
        words: &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
        advice: "only mains print: return the text, or use tracing",
        allowed: main,
    },
    Ban {
        words: &[".unwrap()", "todo!", "unimplemented!"],
        advice: "give an error, or expect(\"why it holds\")",
        allowed: nowhere,
    },
];

fn nowhere(_: &str) -> bool {
    false
}

/// A program's own file, a build script, or the project's check of itself.
fn main(path: &str) -> bool {
    path.ends_with("main.rs") || path.contains("/bin/") || path.ends_with("build.rs") || path.starts_with("xtask/")
}

/// The world's real arms, and the runner's side that drives real processes on a real host.
fn host(path: &str) -> bool {
    let real_arm = path.starts_with("world/src/") && path.contains("/real");
    let real_target = path.starts_with("scenarios/src/target/process") || path.starts_with("scenarios/src/host");
    real_arm || real_target || main(path)
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, code) in tree.sources() {
        for ban in BANS.iter().filter(|b| !(b.allowed)(path)) {
            for (line, text) in code.lines_outside_tests() {
                if let Some(word) = ban.words.iter().find(|w| has(text, w)) {
                    findings.push(Finding::refused(path, line, "ban", format!("`{word}`: {}", ban.advice)));
                }
            }
        }
    }
    findings
}

/// Whether `word` is there and is no tail of a longer name.
fn has(text: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let opens = word.starts_with(name);
    text.match_indices(word).any(|(at, _)| !opens || !text[..at].ends_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn every_ban_is_seen() {
        for word in BANS.iter().flat_map(|b| b.words) {
            let text = format!("let x = 1;\nlet y = a{word};\nlet z = {word};\n");
            let line = if word.starts_with('.') { ["src/a.rs:2", "src/a.rs:3"].as_slice() } else { &["src/a.rs:3"] };
            let found = places(&check(&sample(&[("src/a.rs", &text)])));
            assert!(line.iter().all(|l| found.iter().any(|f| f == l)), "{word}: {found:?}");
        }
    }

    #[test]
    fn tests_comments_strings_and_the_right_places_are_free() {
        let tree = sample(&[
            ("src/a.rs", "// HashMap\nlet a = \"std::fs\";\n#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }\n"),
            ("src/main.rs", "println!();\n"),
            ("world/src/files/real.rs", "use std::fs;\n"),
            ("tests/a.rs", "use std::fs;\n"),
            ("src/b.rs", "my_println!(); rewatch::x();\n"),
        ]);
        assert_eq!(check(&tree), []);
    }
}
