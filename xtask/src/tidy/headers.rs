//! Every Rust file begins with a sentence that tells its one responsibility.

use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, code) in tree.sources() {
        let header: Vec<&str> = code.text.lines().map_while(|l| l.strip_prefix("//!")).map(str::trim).collect();
        if header.first().is_none_or(|l| l.is_empty()) {
            findings.push(Finding::refused(
                path,
                1,
                "header",
                "begin the file with a //! sentence: its one responsibility, what it is not, what it mirrors",
            ));
        } else if !header.join(" ").contains(['.', '?']) {
            findings.push(Finding::refused(path, 1, "header", "make the //! header a sentence, with its full stop"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn a_file_without_a_sentence_is_refused() {
        let tree = sample(&[
            ("src/a.rs", "//! Does one thing.\n"),
            ("src/b.rs", "use x;\n//! Too late.\n"),
            ("src/c.rs", "//! no sentence\n"),
            ("src/d.rs", "//!\n//! Empty first.\n"),
            ("src/e.rs", "//! A sentence\n//! on two lines.\n"),
        ]);
        assert_eq!(places(&check(&tree)), ["src/b.rs:1", "src/c.rs:1", "src/d.rs:1"]);
    }
}
