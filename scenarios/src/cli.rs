//! The `podlab` command line: what is asked for, carried out by the rest of the crate. Writes to the streams it is given.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use world::Files;

use crate::{
    corpus::{self, CorpusError},
    coverage,
    format::{self, Scenario},
};

mod explain;
mod fuzz;
mod manifest;
mod run;
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
    Run(run::Run),
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
