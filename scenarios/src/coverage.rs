//! How much of upstream's node specs the scenarios re-cast: the table of specs, what was decided of each, and the count per file.

use std::collections::BTreeMap;

use crate::format::Scenario;

/// Upstream's node specs: file, line, labels, text.
const SPECS: &str = include_str!("../coverage/node-specs.tsv");

/// What was decided of those that no scenario re-casts.
const DECISIONS: &str = include_str!("../coverage/decisions.tsv");

/// One of upstream's specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Path of its file.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    /// Its text, group by group.
    pub text: &'static str,
}

/// What becomes of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Scenarios re-cast it: their ids.
    Scenario(Vec<String>),
    /// Something was decided: `needs a host`, `out of scope: reason`.
    Decided(&'static str),
    /// Nothing yet.
    Open,
}

/// All specs, in the table's order.
pub fn specs() -> Vec<Spec> {
    let rows = SPECS.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        let (file, number, _labels, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(Spec { file, line: number.parse().ok()?, text })
    });
    rows.collect()
}

impl Spec {
    fn name(&self) -> &'static str {
        self.file.rsplit('/').next().unwrap_or(self.file)
    }

    /// Whether a scenario's line `FILE: TEXT` names it. The text may leave out groups at its beginning, the file its ending.
    fn is_named(&self, upstream: &str) -> bool {
        let Some((file, text)) = upstream.split_once(": ") else { return false };
        let bare = |name: &str| name.strip_suffix(".go").unwrap_or(name).to_owned();
        bare(file) == bare(self.name()) && (self.text == text || self.text.ends_with(&format!("> {text}")))
    }

    fn decided(&self) -> Decision {
        let rows = DECISIONS.lines().filter(|l| !l.starts_with('#'));
        let found = rows.filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?, fields.next()?, fields.next()?))
        });
        let mut matching = found.filter(|(file, text, _)| {
            fake_cri::shell::matches(file, self.name()) && fake_cri::shell::matches(text, self.text)
        });
        matching.next().map_or(Decision::Open, |(_, _, decision)| Decision::Decided(decision))
    }
}

/// Every spec with what becomes of it.
pub fn decide(scenarios: &[Scenario]) -> Vec<(Spec, Decision)> {
    let decision = |spec: &Spec| {
        let named = scenarios.iter().filter(|s| s.upstream.iter().any(|u| spec.is_named(u)));
        let ids: Vec<String> = named.map(|s| s.id.to_string()).collect();
        if ids.is_empty() { spec.decided() } else { Decision::Scenario(ids) }
    };
    specs().into_iter().map(|spec| (spec.clone(), decision(&spec))).collect()
}

/// The table as text: a line per file, and with `all` a line per spec below it.
pub fn table(scenarios: &[Scenario], all: bool) -> String {
    let decided = decide(scenarios);
    let mut files: BTreeMap<&str, Vec<&(Spec, Decision)>> = BTreeMap::new();
    for row in &decided {
        files.entry(row.0.file).or_default().push(row);
    }
    let mut out = String::from("re-cast  host  scope  open   all  file\n");
    let mut line = |name: &str, rows: &[&(Spec, Decision)]| {
        let count = |held: fn(&Decision) -> bool| rows.iter().filter(|(_, d)| held(d)).count();
        out.push_str(&format!(
            "{:>7} {:>5} {:>6} {:>5} {:>5}  {name}\n",
            count(|d| matches!(d, Decision::Scenario(_))),
            count(|d| matches!(d, Decision::Decided("needs a host"))),
            count(|d| matches!(d, Decision::Decided(text) if *text != "needs a host")),
            count(|d| *d == Decision::Open),
            rows.len()
        ));
        if all && rows.len() < decided.len() {
            for (spec, decision) in rows {
                let told = match decision {
                    Decision::Scenario(ids) => format!("scenario {}", ids.join(", ")),
                    Decision::Decided(text) => (*text).to_owned(),
                    Decision::Open => "open".to_owned(),
                };
                out.push_str(&format!("           {}: {}\n             {told}\n", spec.line, spec.text));
            }
        }
    };
    for (file, rows) in &files {
        line(file, rows);
    }
    line("in all", &decided.iter().collect::<Vec<_>>());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    #[test]
    fn the_table_of_specs_is_read_whole() {
        let specs = specs();
        assert_eq!(specs.len(), SPECS.lines().count() - 1);
        assert!(specs.iter().all(|s| s.file.ends_with(".go") && !s.text.is_empty()));
    }

    #[test]
    fn a_spec_is_named_with_its_file_and_its_last_groups() {
        let spec =
            Spec { file: "e2e/common/node/init_container.go", line: 1, text: "InitContainer > should wait > long" };
        assert!(spec.is_named("init_container.go: InitContainer > should wait > long"));
        assert!(spec.is_named("init_container: should wait > long"));
        assert!(!spec.is_named("init_container: wait > long"), "half a group");
        assert!(!spec.is_named("pods.go: should wait > long"));
    }

    /// A new spec wants a scenario, or a line that says why it has none.
    #[test]
    fn every_spec_is_decided() {
        let scenarios = corpus::embedded().expect("a corpus");
        let open = decide(&scenarios).into_iter().filter(|(_, decision)| *decision == Decision::Open);
        let open: Vec<String> = open.map(|(spec, _)| format!("{}: {}", spec.name(), spec.text)).collect();
        assert!(open.is_empty(), "{}", open.join("\n"));
    }

    /// A line of a scenario or of the decisions that no spec answers to is a slip of the pen.
    #[test]
    fn every_decision_is_needed() {
        let specs = specs();
        let rows = DECISIONS.lines().filter(|line| !line.starts_with('#'));
        for (row, mut fields) in rows.map(|row| (row, row.split('\t'))) {
            let (Some(file), Some(text)) = (fields.next(), fields.next()) else { panic!("{row}: not a decision") };
            let said =
                |spec: &&Spec| fake_cri::shell::matches(file, spec.name()) && fake_cri::shell::matches(text, spec.text);
            assert!(specs.iter().any(|spec| said(&spec)), "{row}: no such spec");
        }
    }

    #[test]
    fn rules_are_held_by_scenarios_that_are_there() {
        let scenarios = corpus::embedded().expect("a corpus");
        let rows = include_str!("../README.md").lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let named: Vec<&str> = rows.skip(1).flat_map(|(_, names)| names.trim_end_matches(" |").split(", ")).collect();
        assert!(named.len() > 40);
        for name in named {
            assert!(scenarios.iter().any(|s| s.id.ends_with(name)), "{name}: no such scenario");
        }
    }

    #[test]
    fn the_corpus_re_casts_the_specs_of_probes() {
        let scenarios = corpus::embedded().expect("a corpus");
        let decided = decide(&scenarios);
        let probes = decided
            .iter()
            .filter(|(s, d)| s.file.ends_with("container_probe.go") && matches!(d, Decision::Scenario(_)));
        assert!(probes.count() >= 30);
        assert!(table(&scenarios, true).contains("out of scope: "));
    }
}
