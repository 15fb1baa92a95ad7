//! Results as JUnit XML, for continuous integration. A failure is an expectation's, an error is the scenario's or the target's.

use quick_junit::{NonSuccessKind, Report as Junit, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use crate::{play::Ending, run::RunResult};

/// One test suite per folder of scenarios, one test case per scenario.
///
/// # Errors
/// The XML cannot be written.
pub fn junit(results: &[RunResult]) -> Result<String, SerializeError> {
    let mut report = Junit::new("podlab");
    let mut suites: indexmap::IndexMap<String, TestSuite> = indexmap::IndexMap::new();
    for result in results {
        let (folder, name) = result.scenario.id.rsplit_once('/').unwrap_or((".", &result.scenario.id));
        let suite = suites.entry(folder.to_owned()).or_insert_with(|| TestSuite::new(folder));
        suite.add_test_case(case(result, folder, name));
    }
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn case(result: &RunResult, folder: &str, name: &str) -> TestCase {
    let mut status = match &result.outcome.end {
        Ending::Passed => TestCaseStatus::success(),
        Ending::Skipped(_) => TestCaseStatus::skipped(),
        Ending::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Ending::Wrong(_) | Ending::Broken(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    match &result.outcome.end {
        Ending::Passed => {}
        Ending::Skipped(why) | Ending::Broken(why) => {
            status.set_message(why.as_str());
        }
        Ending::Failed(failure) | Ending::Wrong(failure) => {
            status.set_message(failure.mismatch.title.as_str());
            let target = crate::format::TargetKind::Sim;
            let plain = Report { styled: false, target, wall_times: false, embedded: false };
            status.set_description(plain.result(result));
        }
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(folder).set_time(result.wall);
    case.add_property(("seed", result.seed.to_string().as_str()));
    case.add_property(("scenario-time", format!("{:.6}", result.outcome.took.as_secs_f64()).as_str()));
    case
}
