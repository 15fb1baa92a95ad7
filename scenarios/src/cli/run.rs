//! `podlab run`: plays scenarios on a target, tells how each went, and once more what did not hold.

use std::{
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tokio::time::Instant;
use world::Files;

use super::{Surroundings, Which};
use crate::{
    corpus::Shelf,
    format::{Scenario, TargetKind, length::Length},
    play::Ending,
    report::{Report, Totals, junit::junit},
    run::{Options, RunResult, SLACK, run_all, run_one},
};

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    which: Which,
    /// Against what to run.
    #[arg(long, value_enum, default_value = "sim")]
    target: TargetKind,
    /// The kubelet to run, for `--target process`: ours, or upstream's (which wants root).
    #[arg(long, value_name = "PATH")]
    kubelet: Option<PathBuf>,
    /// The socket of a runtime that runs already, for `--target process`. Without it our fake runtime is started.
    #[arg(long, value_name = "unix:///SOCKET")]
    cri: Option<String>,
    /// Seed of all randomness, instead of each scenario's own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Writes results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes the whole history of each scenario as JSON lines into this folder.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Skips scenarios that take longer than this in simulation, for `--target process`.
    #[arg(long, value_name = "LENGTH")]
    longest: Option<Length>,
    /// How much later than a scenario says things may happen, for `--target process`. 2s if it is not given; kubelets that poll and spread
    /// their work by chance, as upstream's does, want 8s.
    #[arg(long, value_name = "LENGTH")]
    slack: Option<Length>,
    /// How many scenarios at a time. In simulation as many as there are processors; against processes, which mostly wait, six times as
    /// many; against a runtime that runs already one.
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Plays what did not hold once more, by itself, for `--target process`: many kubelets on a busy machine disturb each other, and only
    /// what fails again is the kubelet's doing. What holds only then is counted apart.
    #[arg(long)]
    again_alone: bool,
}

/// How many scenarios that mostly wait one processor can carry.
const WAITING: NonZeroUsize = NonZeroUsize::new(6).expect("six is not nothing");

/// After how many more scenarios a failure is shown once more at the end.
const SCREEN: usize = 10;

impl Run {
    pub(super) fn main(self, around: &mut Surroundings<'_>) -> io::Result<u8> {
        let scenarios: Vec<Arc<Scenario>> = match self.which.scenarios(around)? {
            Ok(scenarios) => scenarios.into_iter().map(Arc::new).collect(),
            Err(code) => return Ok(code),
        };
        if self.target == TargetKind::Process && self.kubelet.is_none() {
            writeln!(around.err, "error: --target process needs --kubelet PATH: the binary of a kubelet")?;
            return Ok(2);
        }
        let embedded = self.which.paths.is_empty();
        let report = Report { styled: around.styled, target: self.target, wall_times: true, embedded };
        let started = Instant::now();
        let options = self.options();
        let mut round = Round::default();
        self.play(&scenarios, &options, &report, &mut round, around.out)?;
        if round.since > SCREEN {
            write!(around.out, "\nwhat did not hold:\n{}\n", round.unheld)?;
        }
        let alone = Options { jobs: NonZeroUsize::MIN, ..options };
        for scenario in std::mem::take(&mut round.again) {
            let result = run_one(&scenario, &alone);
            round.totals.add(&result);
            round.totals.only_alone += usize::from(result.outcome.end == Ending::Passed);
            write!(around.out, "once more, by itself: {}", report.result(&result))?;
            around.out.flush()?;
            if let Some(first) = round.results.iter_mut().find(|first| first.scenario.id == result.scenario.id) {
                *first = result;
            }
        }
        around.out.write_all(report.summary(&round.totals, started.elapsed()).as_bytes())?;
        if let Some(path) = &self.junit {
            let xml = junit(&round.results).map_err(io::Error::other)?;
            Files::real("/").write(&std::path::absolute(path)?, xml.as_bytes(), 0o644)?;
        }
        Ok(round.totals.exit_code())
    }

    fn options(&self) -> Options {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = match (self.jobs, self.target) {
            (Some(jobs), _) => jobs,
            // Each kubelet of a runtime takes the pods of others for its own that nobody wants.
            (None, TargetKind::Process) if self.cri.is_some() => NonZeroUsize::MIN,
            (None, TargetKind::Process) => processors.saturating_mul(WAITING),
            (None, TargetKind::Sim) => processors,
        };
        Options {
            target: self.target,
            shelf: if self.which.paths.is_empty() { Shelf::Embedded } else { Shelf::Host(Files::real("/")) },
            seed: self.seed,
            kubelet: self.kubelet.clone(),
            cri: self.cri.clone(),
            slack: self.slack.map_or(SLACK, |length| length.0),
            longest: self.longest.map(|length| length.0),
            jobs,
        }
    }

    /// Plays all, side by side, and shows each as it is done.
    fn play(
        &self,
        scenarios: &[Arc<Scenario>],
        options: &Options,
        report: &Report,
        round: &mut Round,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let files = Files::real("/");
        let mut shown = Ok(());
        run_all(scenarios, options, |result| {
            let text = report.result(&result);
            let trouble = result.outcome.end.is_trouble();
            if trouble {
                round.unheld.push_str(&text);
            }
            round.since += usize::from(!round.unheld.is_empty());
            if trouble && self.again_alone {
                round.again.push(result.scenario.clone());
            } else {
                round.totals.add(&result);
            }
            let mut show = || {
                out.write_all(text.as_bytes())?;
                out.flush()?;
                match &self.trace {
                    Some(folder) => write_trace(&files, folder, &result),
                    None => Ok(()),
                }
            };
            if let (Ok(()), Err(error)) = (&shown, show()) {
                shown = Err(error);
            }
            if self.junit.is_some() {
                round.results.push(result);
            }
        });
        shown
    }
}

/// What came of playing all scenarios once.
#[derive(Default)]
struct Round {
    totals: Totals,
    /// Kept for whoever wants them in a file.
    results: Vec<RunResult>,
    /// What was shown of those that did not hold, and how many were shown since the first.
    unheld: String,
    since: usize,
    /// To be played once more.
    again: Vec<Arc<Scenario>>,
}

fn write_trace(files: &Files, folder: &Path, result: &RunResult) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    files.create_dir_all(&folder, 0o755)?;
    let name = result.scenario.id.trim_start_matches('/').replace('/', "-");
    let text = crate::history::trace::json_lines(&result.entries);
    files.write(&folder.join(format!("{name}.jsonl")), text.as_bytes(), 0o644)
}
