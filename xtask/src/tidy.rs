//! The rules of the house that the compiler and clippy cannot see. Each is a file of its own; this one only runs them.

mod bans;
mod code;
mod headers;
mod invariants;
mod layers;
mod names;
mod selects;
mod sizes;
mod strays;
mod tree;

use std::fmt;

pub use tree::Tree;
#[cfg(test)]
pub use tree::sample;

/// Something that breaks a rule, or nearly does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the top of the repository.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// What to do about it.
    pub advice: String,
    /// Whether it fails the check, or only warns.
    pub refused: bool,
}

impl Finding {
    fn refused(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, advice: advice.into(), refused: true }
    }

    fn warning(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { refused: false, ..Self::refused(path, line, rule, advice) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, advice, refused } = self;
        let level = if *refused { "" } else { "warning: " };
        if *line == 0 {
            write!(f, "{path}: {level}{rule}: {advice}")
        } else {
            write!(f, "{path}:{line}: {level}{rule}: {advice}")
        }
    }
}

/// All findings, by path and line.
pub fn run(tree: &Tree) -> Vec<Finding> {
    let rules = [
        bans::check,
        headers::check,
        invariants::check,
        layers::check,
        names::check,
        selects::check,
        sizes::check,
        strays::check,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

/// For the rules' own tests: findings as `path:line`.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}:{}", f.path, f.line)).collect()
}
