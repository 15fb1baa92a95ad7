//! The `podlab` command line: what is asked for, carried out by the rest of the crate. Writes to the streams it is given.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use tokio::time::Instant;
use world::Files;

use crate::{
    corpus::{self, CorpusError, Shelf},
    coverage,
    format::{self, Scenario, TargetKind, length::Length},
    play::Ending,
    report::{Report, Totals, junit::junit},
    run::{Options, SLACK, run_all, run_one},
};

mod explain;
mod fuzz;
mod manifest;
mod template;

/// Runs scenarios of pod lifecycle against a kubelet, in virtual or real time.
#[derive(Debug, Parser)]
#[command(name = "podlab", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios and says how they went.
    Run(Run),
    /// Names the scenarios there are.
    List(Which),
    /// Says what is wrong with scenarios without running them; of manifests of pods, what the kubelet refuses, ignores or cannot do
    /// without an API server. Exit code 1 if a manifest would not run.
    Check(Which),
    /// Says in words what scenarios do.
    Explain(Which),
    /// Makes up random scenarios and runs them; keeps those that fail, made smaller.
    Fuzz(fuzz::Fuzz),
    /// Says how much of upstream's node specs the scenarios re-cast, and what was decided of the others.
    Coverage {
        #[command(flatten)]
        which: Which,
        /// Every spec by itself.
        #[arg(long)]
        all: bool,
    },
    /// Lists what must hold in every scenario, by number.
    Invariants,
    /// Prints the JSON schema of scenario files, for editors.
    Schema,
    /// Writes a scenario to start from.
    New {
        /// The file to write; it must not be there yet.
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Scenario files, or folders of them. Without any: the corpus in this program.
    paths: Vec<PathBuf>,
    /// Only scenarios whose path, name or tags have this in them.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

#[derive(Debug, Args)]
struct Run {
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

/// What the surroundings of the command line are.
pub struct Surroundings<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Complaints.
    pub err: &'a mut dyn Write,
    /// Whether results may have colours.
    pub styled: bool,
}

/// Carries out a command line; gives the exit code: 0 passed, 1 an expectation failed, 2 a scenario is wrong, 3 the harness or target
/// failed, 4 nothing ran.
///
/// # Errors
/// The streams cannot be written.
pub fn main(cli: Cli, around: &mut Surroundings<'_>) -> io::Result<u8> {
    match cli.command {
        Command::Run(run) => run.main(around),
        Command::List(which) => which.each(around, |scenario| {
            let tags =
                if scenario.tags.is_empty() { String::new() } else { format!(" [{}]", scenario.tags.join(", ")) };
            format!("{}: {}{tags}\n", scenario.id, scenario.name)
        }),
        Command::Check(which) => manifest::check(which, around),
        Command::Explain(which) => which.each(around, explain::explain),
        Command::Fuzz(fuzz) => fuzz.main(around),
        Command::Coverage { which, all } => match which.scenarios(around)? {
            Ok(scenarios) => {
                around.out.write_all(coverage::table(&scenarios, all).as_bytes())?;
                Ok(0)
            }
            Err(code) => Ok(code),
        },
        Command::Invariants => {
            for (number, name) in crate::invariants::NAMES {
                writeln!(around.out, "{number:>2}  {name}")?;
            }
            Ok(0)
        }
        Command::Schema => {
            around.out.write_all(format::schema().as_bytes())?;
            Ok(0)
        }
        Command::New { path } => template::write(&path, around),
    }
}

impl Which {
    /// The scenarios meant, or the exit code after their complaints are written.
    fn scenarios(&self, around: &mut Surroundings<'_>) -> io::Result<Result<Vec<Scenario>, u8>> {
        let files = Files::real("/");
        let found = if self.paths.is_empty() { corpus::embedded() } else { corpus::at(&files, &self.paths) };
        match found {
            Ok(scenarios) => Ok(Ok(scenarios.into_iter().filter(|scenario| self.wants(scenario)).collect())),
            Err(errors) => {
                for error in &errors {
                    match error {
                        CorpusError::Problem(problem) => writeln!(around.err, "{}\n", problem.render(around.styled))?,
                        other => writeln!(around.err, "error: {other}")?,
                    }
                }
                Ok(Err(2))
            }
        }
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        let Some(text) = &self.filter else { return true };
        scenario.id.contains(text) || scenario.name.contains(text) || scenario.tags.contains(text)
    }

    fn each(&self, around: &mut Surroundings<'_>, mut show: impl FnMut(&Scenario) -> String) -> io::Result<u8> {
        let scenarios = match self.scenarios(around)? {
            Ok(scenarios) => scenarios,
            Err(code) => return Ok(code),
        };
        for scenario in &scenarios {
            around.out.write_all(show(scenario).as_bytes())?;
        }
        Ok(if scenarios.is_empty() { 4 } else { 0 })
    }
}

impl Run {
    fn main(self, around: &mut Surroundings<'_>) -> io::Result<u8> {
        let embedded = self.which.paths.is_empty();
        let scenarios: Vec<Arc<Scenario>> = match self.which.scenarios(around)? {
            Ok(scenarios) => scenarios.into_iter().map(Arc::new).collect(),
            Err(code) => return Ok(code),
        };
        if self.target == TargetKind::Process && self.kubelet.is_none() {
            writeln!(around.err, "error: --target process needs --kubelet PATH: the binary of a kubelet")?;
            return Ok(2);
        }
        let files = Files::real("/");
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = match (self.jobs, self.target) {
            (Some(jobs), _) => jobs,
            // Each kubelet of a runtime takes the pods of others for its own that nobody wants.
            (None, TargetKind::Process) if self.cri.is_some() => NonZeroUsize::MIN,
            (None, TargetKind::Process) => processors.saturating_mul(WAITING),
            (None, TargetKind::Sim) => processors,
        };
        let options = Options {
            target: self.target,
            shelf: if embedded { Shelf::Embedded } else { Shelf::Host(files.clone()) },
            seed: self.seed,
            kubelet: self.kubelet,
            cri: self.cri,
            slack: self.slack.map_or(SLACK, |length| length.0),
            longest: self.longest.map(|length| length.0),
            jobs,
        };
        let report = Report { styled: around.styled, target: self.target, wall_times: true, embedded };
        let started = Instant::now();
        let (mut totals, mut results, mut failed) = (Totals::default(), Vec::new(), None);
        // What did not hold, if so much came after it that nobody sees it any more.
        let (mut unheld, mut since) = (String::new(), 0usize);
        let mut again = Vec::new();
        run_all(&scenarios, &options, |result| {
            let text = report.result(&result);
            let trouble = result.outcome.end.is_trouble();
            if trouble {
                unheld.push_str(&text);
            }
            if trouble && self.again_alone {
                again.push(result.scenario.clone());
            } else {
                totals.add(&result);
            }
            since += usize::from(!unheld.is_empty());
            let mut show = || {
                around.out.write_all(text.as_bytes())?;
                around.out.flush()?;
                match &self.trace {
                    Some(folder) => write_trace(&files, folder, &result),
                    None => Ok(()),
                }
            };
            if let Err(error) = show() {
                failed.get_or_insert(error);
            }
            if self.junit.is_some() {
                results.push(result);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if !unheld.is_empty() && since > SCREEN {
            write!(around.out, "\nwhat did not hold:\n{unheld}\n")?;
        }
        let alone = Options { jobs: NonZeroUsize::MIN, ..options };
        for scenario in &again {
            let result = run_one(scenario, &alone);
            totals.add(&result);
            totals.only_alone += usize::from(result.outcome.end == Ending::Passed);
            write!(around.out, "once more, by itself: {}", report.result(&result))?;
            around.out.flush()?;
            if let Some(first) = results.iter_mut().find(|first| first.scenario.id == result.scenario.id) {
                *first = result;
            }
        }
        around.out.write_all(report.summary(&totals, started.elapsed()).as_bytes())?;
        if let Some(path) = &self.junit {
            let xml = junit(&results).map_err(io::Error::other)?;
            files.write(&std::path::absolute(path)?, xml.as_bytes(), 0o644)?;
        }
        Ok(totals.exit_code())
    }
}

fn write_trace(files: &Files, folder: &Path, result: &crate::run::RunResult) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    files.create_dir_all(&folder, 0o755)?;
    let name = result.scenario.id.trim_start_matches('/').replace('/', "-");
    let text = crate::history::trace::json_lines(&result.entries);
    files.write(&folder.join(format!("{name}.jsonl")), text.as_bytes(), 0o644)
}
