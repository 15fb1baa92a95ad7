//! ARCHITECTURE.md's numbered invariants each name what holds them, and that exists.
//!
//! An invariant is a numbered item below the heading `Invariants`. Somewhere in it stands `test:` and one or more references in
//! backquotes: a file (a scenario, or a whole test file), or a file, `::` and the name of a test in it.

use super::{Finding, Tree};

const PAGE: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAGE) else {
        return vec![Finding::refused(
            PAGE,
            0,
            "invariants",
            "write it: the map, the data flow, and numbered invariants, each with `test:`",
        )];
    };
    let items = items(text);
    if items.is_empty() {
        return vec![Finding::refused(PAGE, 0, "invariants", "there is no numbered list below a heading `Invariants`")];
    }
    let mut findings = Vec::new();
    for (line, item) in items {
        let references = references(&item);
        if references.is_empty() {
            findings.push(Finding::refused(
                PAGE,
                line,
                "invariants",
                "name the test that holds it: test: `path.rs::name` or `scenarios/area/file.yaml`",
            ));
        }
        for reference in references.iter().filter(|r| !exists(tree, r)) {
            findings.push(Finding::refused(
                PAGE,
                line,
                "invariants",
                format!("`{reference}` does not exist: name a test or scenario that does"),
            ));
        }
    }
    findings
}

/// Numbered items with the lines that go on with them.
fn items(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            inside = line.to_lowercase().contains("invariants");
        } else if inside && is_item(line) {
            found.push((index + 1, line.to_owned()));
        } else if let (true, Some((_, item))) = (inside, found.last_mut()) {
            item.push('\n');
            item.push_str(line);
        }
    }
    found
}

fn is_item(line: &str) -> bool {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    digits > 0 && line[digits..].starts_with(". ")
}

/// What stands in backquotes after `test:` or `tests:`.
fn references(item: &str) -> Vec<&str> {
    let Some((_, rest)) = item.split_once("test:").or_else(|| item.split_once("tests:")) else { return Vec::new() };
    rest.split('`').skip(1).step_by(2).collect()
}

fn exists(tree: &Tree, reference: &str) -> bool {
    let (path, name) = reference.split_once("::").unwrap_or((reference, ""));
    let Some(text) = tree.text(path) else {
        return tree.texts().any(|(p, _)| p.starts_with(&format!("{path}/"))) && name.is_empty();
    };
    let name = name.rsplit("::").next().unwrap_or_default();
    // A function, or a name given to a runner of our own.
    name.is_empty() || text.contains(&format!("fn {name}(")) || text.contains(&format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn an_invariant_without_its_test_is_refused() {
        let page = "# Map\n1. Not one.\n## Invariants\n1. Held. test: `src/a.rs::tests::holds`\n2. Held by none.\n3. Gone,\n   test: `src/a.rs::gone`, `scenarios/x/y.yaml`\n4. By a runner. test: `src/a.rs::named`, `scenarios/x`\n";
        let tree = sample(&[
            (PAGE, page),
            ("src/a.rs", "fn holds() {} const N: &str = \"named\";"),
            ("scenarios/x/z.yaml", ""),
        ]);
        assert_eq!(places(&check(&tree)), ["ARCHITECTURE.md:5", "ARCHITECTURE.md:6", "ARCHITECTURE.md:6"]);
    }

    #[test]
    fn the_page_and_its_list_must_be_there() {
        assert_eq!(places(&check(&sample(&[]))), ["ARCHITECTURE.md:0"]);
        assert_eq!(places(&check(&sample(&[(PAGE, "# Map\n")]))), ["ARCHITECTURE.md:0"]);
    }
}
