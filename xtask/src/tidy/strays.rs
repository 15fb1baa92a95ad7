//! Nothing in the repository tells of the machine or the work place that it was made on.

use super::{Finding, Tree};

/// Text that belongs to one machine, one mirror or one author's tools; in pieces, so that this file does not have it.
const STRAYS: [(&[&str], &str); 11] = [
    (&["/wo", "rk/"], "a path of one machine: write it relative to the repository"),
    (&["/ro", "ot/"], "a path of one machine: write it relative to the repository"),
    (&["index.", "crates.io"], "a registry's host: name the package instead"),
    (&["static.", "crates.io"], "a registry's host: name the package instead"),
    (&["registry.", "npmjs"], "a registry's host: name the package instead"),
    (&["deb.", "debian.org"], "a registry's host: name the package instead"),
    (&["py", "pi.org"], "a registry's host: name the package instead"),
    (&["clau", "de"], "a tool's name: the repository tells of the product only"),
    (&["anthro", "pic"], "a tool's name: the repository tells of the product only"),
    (&["chat", "gpt"], "a tool's name: the repository tells of the product only"),
    (&["open", "ai"], "a tool's name: the repository tells of the product only"),
];

/// Marks of unfinished work, as whole words in code or comments.
const MARKS: [&[&str]; 3] = [&["TO", "DO"], &["FIX", "ME"], &["XX", "X"]];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let strays: Vec<(String, &str)> = STRAYS.iter().map(|(parts, advice)| (parts.concat(), *advice)).collect();
    let marks: Vec<String> = MARKS.iter().map(|parts| parts.concat()).collect();
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        // Recorded facts are kept as they were recorded.
        let recorded = path.contains("/fixtures/") || path.ends_with(".lock");
        for (index, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            for (stray, advice) in strays.iter().filter(|(s, _)| lower.contains(s.as_str())) {
                findings.push(Finding::refused(path, index + 1, "stray", format!("{stray:?} is {advice}")));
            }
            if !recorded && marks.iter().any(|mark| has_word(line, mark)) {
                findings.push(Finding::refused(
                    path,
                    index + 1,
                    "unfinished",
                    "finish it or open an issue: no marks of unfinished work in the tree",
                ));
            }
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn strays_and_marks_are_refused() {
        let path = format!("see {}x\n", STRAYS[0].0.concat());
        let mark = format!("ok\n// {}: later\n", MARKS[0].concat());
        let tree = sample(&[
            ("README.md", &path),
            ("a.rs", &mark),
            ("b.rs", "let xxx = TODOS;\n"),
            ("a/fixtures/x.txt", &mark),
        ]);
        assert_eq!(places(&check(&tree)), ["README.md:1", "a.rs:2"]);
    }
}
