//! Results for people: one line per scenario, a summary, and for a failure all that is needed to understand and repeat it.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::{
    format::{TargetKind, length::Length},
    history::trace,
    matcher::Difference,
    play::{Ending, Failure},
    run::RunResult,
};

pub mod junit;
#[cfg(test)]
mod tests;

/// How many entries of the history a failure shows.
const LAST: usize = 12;

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// Writes results for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether to use colours.
    pub styled: bool,
    /// Against what was run.
    pub target: TargetKind,
    /// Whether wall times are shown: they differ from run to run.
    pub wall_times: bool,
    /// How to name a scenario on the command line: true for the corpus (`--filter ID`), false for files.
    pub embedded: bool,
}

/// How many scenarios ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Passed.
    pub passed: usize,
    /// Passed, but only when nothing was played beside them.
    pub only_alone: usize,
    /// Failed.
    pub failed: usize,
    /// Wrong scenarios.
    pub wrong: usize,
    /// The harness or the target failed.
    pub broken: usize,
    /// Could not be played here.
    pub skipped: usize,
    /// Why those could not, and how many for each reason.
    pub reasons: BTreeMap<String, usize>,
    /// Time covered, in scenarios' own time.
    pub covered: Duration,
}

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, result: &RunResult) {
        let count = match &result.outcome.end {
            Ending::Passed => &mut self.passed,
            Ending::Failed(_) => &mut self.failed,
            Ending::Wrong(_) => &mut self.wrong,
            Ending::Broken(_) => &mut self.broken,
            Ending::Skipped(why) => {
                *self.reasons.entry(why.clone()).or_default() += 1;
                &mut self.skipped
            }
        };
        *count += 1;
        self.covered += result.outcome.took;
    }

    /// The exit code: 0 passed, 1 an expectation failed, 2 a scenario is wrong, 3 the harness or target failed, 4 nothing ran.
    pub fn exit_code(&self) -> u8 {
        match (self.broken, self.wrong, self.failed, self.passed) {
            (0, 0, 0, 0) => 4,
            (0, 0, 0, _) => 0,
            (0, 0, _, _) => 1,
            (0, _, _, _) => 2,
            _ => 3,
        }
    }
}

impl Report {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.styled { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// One scenario: a line, and what follows from it.
    pub fn result(&self, result: &RunResult) -> String {
        let scenario = &result.scenario;
        let times = match (self.target, self.wall_times) {
            (TargetKind::Sim, true) => format!("{} in {}", short(result.outcome.took), short(result.wall)),
            (TargetKind::Sim, false) => short(result.outcome.took),
            (TargetKind::Process, _) => short(result.wall),
        };
        let times = self.paint(DIM, &format!("({times})"));
        let (mark, style) = match &result.outcome.end {
            Ending::Passed => ("✓", GREEN),
            Ending::Skipped(_) => ("-", YELLOW),
            _ => ("✗", RED),
        };
        let mut out = format!("{} {}: {} {times}\n", self.paint(style, mark), scenario.id, scenario.name);
        match &result.outcome.end {
            Ending::Passed => {}
            Ending::Skipped(why) => {
                let _ = writeln!(out, "    skipped: {why}");
            }
            Ending::Failed(failure) | Ending::Wrong(failure) => out.push_str(&indent(&self.failure(result, failure))),
            Ending::Broken(why) => {
                out.push_str(&indent(&format!("the target failed: {why}\n{}", self.context(result))))
            }
        }
        for note in &result.outcome.notes {
            let _ = writeln!(out, "    {}", self.paint(YELLOW, &format!("note: {note}")));
        }
        out
    }

    fn failure(&self, result: &RunResult, failure: &Failure) -> String {
        let scenario = &result.scenario;
        // The caret stands where the value differs, if one place says it all.
        let first = failure.mismatch.differences.first().map(|d| d.place).filter(|place| place.line > 0);
        let place = first.or(Some(failure.place)).filter(|place| place.line > 0);
        let at = Length(Duration::from_millis(u64::try_from(failure.at.as_millis()).unwrap_or(0)));
        let label = if failure.label.is_empty() { String::new() } else { format!("{}; it is {at}", failure.label) };
        let mut out = scenario.source.show(&failure.mismatch.title, place, &label, None, self.styled);
        out.push('\n');
        for difference in &failure.mismatch.differences {
            out.push_str(&self.difference(difference));
        }
        for note in &failure.notes {
            let _ = writeln!(out, "note: {note}");
        }
        if let Some(bug) = &scenario.known_upstream_bug {
            let _ = writeln!(out, "note: upstream's kubelet is known to fail this: {bug}");
        }
        out.push_str(&self.context(result));
        out
    }

    fn difference(&self, difference: &Difference) -> String {
        let line = if difference.place.line > 0 { format!(" (line {})", difference.place.line) } else { String::new() };
        let wanted = self.paint(GREEN, &format!("  + expected: {}", difference.expected));
        let actual = self.paint(RED, &format!("  - actual:   {}", difference.actual));
        format!("{}{line}\n{wanted}\n{actual}\n", difference.path)
    }

    /// The last that happened, the seed, and how to do it again.
    fn context(&self, result: &RunResult) -> String {
        let mut out = String::new();
        let telling: Vec<_> = result.entries.iter().filter(|entry| entry.what.is_telling()).collect();
        let last = telling.get(telling.len().saturating_sub(LAST)..).unwrap_or_default();
        if !last.is_empty() {
            out.push_str("what happened last:\n");
        }
        for entry in last {
            let _ = writeln!(out, "{}", self.paint(DIM, &trace::line(entry)));
        }
        let path = &result.scenario.source.path;
        let which = if self.embedded { format!("--filter {}", result.scenario.id) } else { path.to_string() };
        let target = if self.target == TargetKind::Process { " --target process" } else { "" };
        let _ = writeln!(out, "seed {}; again: podlab run {which}{target} --seed {}", result.seed, result.seed);
        out
    }

    /// The last line of a run.
    pub fn summary(&self, totals: &Totals, wall: Duration) -> String {
        let mut parts = vec![self.paint(GREEN, &format!("{} passed", totals.passed))];
        let mut part = |n: usize, word: &str, style: Style| {
            if n > 0 {
                parts.push(self.paint(style, &format!("{n} {word}")));
            }
        };
        part(totals.only_alone, "of them only by themselves", YELLOW);
        part(totals.failed, "failed", RED);
        part(totals.wrong, "wrong", RED);
        part(totals.broken, "broken", RED);
        part(totals.skipped, "skipped", YELLOW);
        let time = match (self.target, self.wall_times) {
            (TargetKind::Sim, true) => {
                let ratio = totals.covered.as_secs_f64() / wall.as_secs_f64().max(0.000_001);
                format!("{} of virtual time in {} ({ratio:.0} times as fast)", short(totals.covered), short(wall))
            }
            (TargetKind::Sim, false) => format!("{} of virtual time", short(totals.covered)),
            (TargetKind::Process, _) => short(wall),
        };
        let reasons = totals.reasons.iter().fold(String::new(), |mut out, (why, n)| {
            let _ = writeln!(out, "    {n} skipped: {why}");
            out
        });
        format!("{reasons}{}; {time}\n", parts.join(", "))
    }
}

/// A length with three digits that matter.
fn short(length: Duration) -> String {
    let nanos = length.as_nanos();
    let unit: u128 = match nanos {
        0..1_000_000 => 1_000,
        1_000_000..1_000_000_000 => 1_000_000,
        1_000_000_000..60_000_000_000 => 100_000_000,
        _ => 1_000_000_000,
    };
    Length(Duration::from_nanos(u64::try_from(nanos / unit * unit).unwrap_or(u64::MAX))).to_string()
}

fn indent(text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        if !line.is_empty() {
            out.push_str("    ");
        }
        out.push_str(line);
        out.push('\n');
        out
    })
}
