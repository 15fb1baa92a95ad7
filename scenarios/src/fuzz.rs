//! Random scenarios: pods of all kinds, edits, faults and crashes, then quiet, in which everything must become what its manifest says and
//! nothing may be left over. One seed, one scenario; what fails is made smaller and can be kept as a scenario file.

use std::{io, num::NonZeroUsize, sync::Arc, time::Duration};

use crate::{
    corpus::Shelf,
    format::{self, Scenario, TargetKind},
    play::Ending,
    run::{Options, RunResult, run_all, run_one},
};

mod acts;
#[cfg(test)]
mod crashes;
mod pods;
mod render;

pub use acts::Story;

/// The scenario of a seed, as the text of its file.
pub fn text(seed: u64) -> String {
    render::text(&Story::of(seed))
}

fn scenario(story: &Story) -> Arc<Scenario> {
    let text = render::text(story);
    match format::parse(&format!("random/{}.yaml", story.seed), &text) {
        Ok(scenario) => Arc::new(scenario),
        Err(problem) => unreachable!("random scenarios are well-formed: {}\n{text}", problem.render(false)),
    }
}

fn options(jobs: NonZeroUsize) -> Options {
    Options::new(TargetKind::Sim, Shelf::Embedded, jobs)
}

/// A seed whose scenario failed.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// The smallest scenario found that still fails, as the text of its file.
    pub text: String,
    /// How that one went.
    pub result: RunResult,
}

/// Runs the scenarios of `seeds`, several at a time. `told` hears of each in order; what failed is made smaller, trying at most `tries`
/// others, and given back.
///
/// # Errors
/// `told` could not tell.
pub fn hunt(
    seeds: std::ops::Range<u64>,
    jobs: NonZeroUsize,
    tries: usize,
    mut told: impl FnMut(&RunResult) -> io::Result<()>,
) -> io::Result<Vec<Found>> {
    let stories: Vec<Story> = seeds.map(Story::of).collect();
    let mut failed = Vec::new();
    let mut trouble = None;
    // A few hundred at a time: histories are kept only of what failed.
    for some in stories.chunks(200) {
        let scenarios: Vec<Arc<Scenario>> = some.iter().map(scenario).collect();
        let mut index = 0;
        run_all(&scenarios, &options(jobs), |result| {
            if let Err(error) = told(&result) {
                trouble.get_or_insert(error);
            }
            if result.outcome.end != Ending::Passed {
                failed.push(some[index].clone());
            }
            index += 1;
        });
    }
    if let Some(error) = trouble {
        return Err(error);
    }
    Ok(failed.into_iter().map(|story| smaller(story, tries)).collect())
}

/// Leaves out what the failure does not need: steps, and pods.
fn smaller(mut story: Story, tries: usize) -> Found {
    let fails = |story: &Story| {
        let result = run_one(&scenario(story), &options(NonZeroUsize::MIN));
        (result.outcome.end != Ending::Passed).then_some(result)
    };
    let mut tries = tries;
    let mut last = fails(&story);
    let mut size = (story.acts.len() / 2).max(1);
    while tries > 0 && last.is_some() {
        let mut shrunk = false;
        let mut at = 0;
        while at < story.acts.len() && tries > 0 {
            let candidate = story.without(at, size);
            tries -= 1;
            match fails(&candidate) {
                Some(result) => {
                    (story, last, shrunk) = (candidate, Some(result), true);
                }
                None => at += size,
            }
        }
        if !shrunk && size == 1 {
            break;
        }
        size = (size / 2).max(1);
    }
    let result = last.unwrap_or_else(|| run_one(&scenario(&story), &options(NonZeroUsize::MIN)));
    Found { seed: story.seed, text: render::text(&story), result }
}

/// How long everything has to settle once nothing disturbs it any more: the longest back-off, the longest deadline, and some.
pub const QUIET: Duration = Duration::from_secs(16 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_scenario() {
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
        for seed in 0..200 {
            scenario(&Story::of(seed));
        }
    }

    /// A few; `podlab fuzz --seeds 2000` runs more.
    #[test]
    fn random_pods_converge_and_leave_nothing() {
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let found = hunt(0..20, jobs, 40, |_| Ok(())).expect("nothing is written");
        let told: Vec<String> =
            found.iter().map(|f| format!("seed {}: {:?}\n{}", f.seed, f.result.outcome.end, f.text)).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }
}
