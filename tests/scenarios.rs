//! Every scenario of the corpus as a test of its own, in simulation: `cargo test --test scenarios tutorial` runs those with that in their
//! name. What `podlab run` does for people, this does for cargo and nextest.

use std::{num::NonZeroUsize, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use podlab::{
    corpus::{self, Shelf},
    format::TargetKind,
    play::Ending,
    report::Report,
    run::{Options, run_one},
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let scenarios = match corpus::embedded() {
        Ok(scenarios) => scenarios,
        Err(errors) => {
            let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
            let trial = Trial::test("corpus", move || Err(Failed::from(said.join("\n"))));
            return libtest_mimic::run(&arguments, vec![trial]).exit_code();
        }
    };
    let trials = scenarios.into_iter().map(|scenario| {
        let scenario = Arc::new(scenario);
        let here = scenario.targets.contains(&TargetKind::Sim);
        Trial::test(scenario.id.clone(), move || {
            let options = Options::new(TargetKind::Sim, Shelf::Embedded, NonZeroUsize::MIN);
            let result = run_one(&scenario, &options);
            let report = Report { styled: false, target: TargetKind::Sim, wall_times: false, embedded: true };
            if result.outcome.end == Ending::Passed { Ok(()) } else { Err(Failed::from(report.result(&result))) }
        })
        .with_ignored_flag(!here)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
