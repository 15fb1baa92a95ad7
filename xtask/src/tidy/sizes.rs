//! Files stay short enough to be read in one go.

use super::{Finding, Tree};

/// Lines above which a file is worth a look.
const MUCH: usize = 400;
/// Lines above which it is refused.
const TOO_MUCH: usize = 600;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Tables are data: `table.rs` holds nothing else.
    for (path, code) in tree.sources().filter(|(p, _)| !p.ends_with("/table.rs")) {
        let lines = code.text.lines().count();
        if lines > TOO_MUCH {
            findings.push(Finding::refused(
                path,
                0,
                "size",
                format!("{lines} lines: split it by responsibility ({TOO_MUCH} at most)"),
            ));
        } else if lines > MUCH {
            findings.push(Finding::warning(
                path,
                0,
                "size",
                format!("{lines} lines: think of splitting it ({MUCH} is much)"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::sample;

    #[test]
    fn long_files_are_warned_of_and_then_refused() {
        let of = |lines: usize| "x\n".repeat(lines);
        let (much, more, table) = (of(400), of(401), of(900));
        let too_much = of(601);
        let tree = sample(&[
            ("a.rs", &much),
            ("b.rs", &more),
            ("c.rs", &too_much),
            ("x/table.rs", &table),
            ("d.yaml", &too_much),
        ]);
        let found: Vec<(String, bool)> = check(&tree).into_iter().map(|f| (f.path, f.refused)).collect();
        assert_eq!(found, [("b.rs".to_owned(), false), ("c.rs".to_owned(), true)]);
    }
}
