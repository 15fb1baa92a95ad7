//! File names say what a file is about.

use super::{Finding, Tree};

/// Names that say nothing.
const EMPTY_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "misc", "stuff", "manager2", "shared"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in tree.sources() {
        let mut parts = path.trim_end_matches(".rs").split('/');
        if let Some(part) = parts.find(|p| EMPTY_NAMES.contains(p)) {
            findings.push(Finding::refused(
                path,
                0,
                "name",
                format!("{part:?} says nothing: name the file after what it holds"),
            ));
        }
        if path.ends_with("/mod.rs") {
            let folder = path.trim_end_matches("/mod.rs");
            findings.push(Finding::refused(
                path,
                0,
                "name",
                format!("a module is {folder}.rs beside its folder, not mod.rs in it"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn empty_names_are_refused() {
        let tree = sample(&[
            ("src/util.rs", ""),
            ("src/helpers/x.rs", ""),
            ("src/a/mod.rs", ""),
            ("src/utility_rules.rs", ""),
            ("src/mode.rs", ""),
        ]);
        assert_eq!(places(&check(&tree)), ["src/a/mod.rs:0", "src/helpers/x.rs:0", "src/util.rs:0"]);
    }
}
