//! A scenario in words: what is set up, and what each step does.

use std::fmt::Write as _;

use crate::format::{Scenario, length::Length, tree::Tree};

/// The whole scenario as text.
pub(super) fn explain(scenario: &Scenario) -> String {
    let mut out = format!("{}: {}\n", scenario.id, scenario.name);
    if let Some(text) = &scenario.description {
        for line in text.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    let mut list = |name: &str, items: &[String]| {
        if !items.is_empty() {
            let _ = writeln!(out, "  {name}: {}", items.join(", "));
        }
    };
    list("tags", &scenario.tags);
    list("upstream's tests", &scenario.upstream);
    list("upstream's kubelet fails it", scenario.known_upstream_bug.as_slice());
    list("flags", &scenario.kubelet.flags);
    let _ = writeln!(out, "  seed {}, at most {}", scenario.seed, Length(scenario.limit));
    tree(&mut out, "configuration, over the tutorial's", scenario.kubelet.config.as_ref());
    if let Some(runtime) = &scenario.runtime {
        let _ = writeln!(out, "  runtime: the habits of {}", runtime.personality.name());
        for line in runtime.script().lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    for (path, content) in &scenario.files {
        let _ = writeln!(out, "  first there is {path}, {}", content.describe());
    }
    let width = scenario.steps.len().to_string().len();
    for (number, step) in scenario.steps.iter().enumerate() {
        let _ = writeln!(out, "  {:>width$}. {}", number + 1, step.describe());
    }
    out.push('\n');
    out
}

fn tree(out: &mut String, name: &str, tree: Option<&Tree>) {
    let Some(tree) = tree else { return };
    let _ = writeln!(out, "  {name}:");
    for line in crate::format::parse::yaml(tree).lines() {
        let _ = writeln!(out, "    {line}");
    }
}
