//! Every `select!` polls its branches in the order written: a random order makes two runs of one seed differ.

use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, code) in tree.sources() {
        for (at, name) in code.blanked.match_indices("select!") {
            let rest = code.blanked[at + name.len()..].trim_start();
            let body = rest.strip_prefix(['{', '(']).map(str::trim_start);
            if body.is_some_and(|b| !b.starts_with("biased;")) {
                findings.push(Finding::refused(
                    path,
                    code.line_at(at),
                    "biased",
                    "write `biased;` first in select!, and put the branches in order of importance",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn a_select_in_random_order_is_refused() {
        let tree = sample(&[(
            "a.rs",
            "// select! { a }\ntokio::select! { biased; _ = a => {} }\ntokio::select! {\n    _ = a => {}\n}\nselect! {\n    biased;\n}\n",
        )]);
        assert_eq!(places(&check(&tree)), ["a.rs:3"]);
    }
}
