//! `podlab fuzz`: random scenarios, one for each seed; what fails is written down as a scenario file.

use std::{io, num::NonZeroUsize, path::PathBuf};

use clap::Args;
use tokio::time::Instant;
use world::Files;

use super::Surroundings;
use crate::{format::TargetKind, fuzz, play::Ending, report::Report};

#[derive(Debug, Args)]
pub(super) struct Fuzz {
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 50)]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Prints the scenarios instead of running them.
    #[arg(long)]
    print: bool,
    /// Writes each scenario that failed into this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How many smaller scenarios are tried for each that failed.
    #[arg(long, value_name = "N", default_value_t = 40)]
    tries: usize,
    /// How many scenarios at a time.
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl Fuzz {
    pub(super) fn main(self, around: &mut Surroundings<'_>) -> io::Result<u8> {
        let seeds = self.first..self.first.saturating_add(self.seeds);
        if self.print {
            for seed in seeds {
                write!(around.out, "---\n{}", fuzz::text(seed))?;
            }
            return Ok(0);
        }
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let started = Instant::now();
        let mut count = 0_u64;
        let found = fuzz::hunt(seeds, jobs, self.tries, |result| {
            count += 1;
            if result.outcome.end != Ending::Passed {
                writeln!(around.err, "seed {} failed", result.seed)?;
            } else if count.is_multiple_of(100) {
                writeln!(around.err, "{count} seeds, {:.0?}", started.elapsed())?;
            }
            Ok(())
        })?;
        let report = Report { styled: around.styled, target: TargetKind::Sim, wall_times: true, embedded: false };
        for found in &found {
            around.out.write_all(report.result(&found.result).as_bytes())?;
            if let Some(folder) = &self.keep {
                let folder = std::path::absolute(folder)?;
                let files = Files::real("/");
                files.create_dir_all(&folder, 0o755)?;
                files.write(&folder.join(format!("seed-{}.yaml", found.seed)), found.text.as_bytes(), 0o644)?;
            }
        }
        let failed = found.len();
        writeln!(around.out, "{count} random scenarios, {failed} failed, in {:.1?}", started.elapsed())?;
        Ok(u8::from(failed > 0))
    }
}
