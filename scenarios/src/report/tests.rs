//! The report, as people see it.

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    check::Mismatch,
    format::parse,
    history::{Call, Entry, Event, What},
    matcher::differences,
    play::Outcome,
};

fn result(end: impl FnOnce(&crate::format::Scenario) -> Ending) -> RunResult {
    let text = "name: the pod is ready\nsteps:\n  - eventually:\n      pod: web\n      is:\n        status: {containerStatuses: [{name: web, ready: true}]}\n    within: 10s\n";
    let scenario = Arc::new(parse("lifecycle/ready.yaml", text).unwrap());
    let at = |seconds, what| Entry { at: Duration::from_secs(seconds), what };
    let call = |rpc: &str, code: &str| {
        What::Call(Call {
            seq: 1,
            took: Duration::from_millis(2),
            rpc: rpc.to_owned(),
            request: json!({"container_id": "abc"}).into(),
            response: None,
            code: code.to_owned(),
            error: (code != "OK").then(|| "no such container".to_owned()),
            fault: None,
        })
    };
    let entries = vec![
        at(0, What::Kubelet("started".to_owned())),
        at(1, call("ListContainers", "OK")),
        at(1, call("StartContainer", "OK")),
        at(1, call("ContainerStatus", "NOT_FOUND")),
        at(
            2,
            What::Pod(Arc::new(
                json!({"metadata": {"name": "web-node1"}, "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "ready": false, "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
            )),
        ),
        at(
            3,
            What::Event(Event {
                object: "web-node1".into(),
                field_path: "spec.containers{web}".into(),
                kind: "Warning".into(),
                reason: "BackOff".into(),
                message: "Back-off restarting".into(),
            }),
        ),
        at(4, What::Log("I0101 00:00:04 quiet".to_owned())),
        at(4, What::Log("E0101 00:00:04 loud".to_owned())),
    ];
    let end = end(&scenario);
    let outcome = Outcome { end, notes: Vec::new(), took: Duration::from_millis(10_050) };
    RunResult { scenario, seed: 7, outcome, entries, wall: Duration::from_micros(2345) }
}

fn failed(scenario: &crate::format::Scenario) -> Ending {
    let crate::format::step::Action::Eventually(conditions, _) = &scenario.steps[0].action else { panic!() };
    let crate::format::condition::Check::Pod { is: Some(is), .. } = &conditions[0].check else { panic!() };
    let actual = json!({"status": {"containerStatuses": [{"name": "web", "ready": false}]}});
    let mismatch = Mismatch {
        place: conditions[0].place,
        title: "pod `web` is not as expected".to_owned(),
        differences: differences(is, Some(&actual)),
    };
    let label = "not within 10s".to_owned();
    Ending::Failed(Failure { place: mismatch.place, mismatch, label, at: Duration::from_secs(10), notes: Vec::new() })
}

const PLAIN: Report = Report { styled: false, target: TargetKind::Sim, wall_times: true, embedded: true };

#[test]
fn a_failure_says_all_that_is_needed() {
    insta::assert_snapshot!(PLAIN.result(&result(failed)));
}

#[test]
fn one_line_for_what_passed() {
    insta::assert_snapshot!(PLAIN.result(&result(|_| Ending::Passed)), @"✓ lifecycle/ready: the pod is ready (10s in 2ms)");
}

#[test]
fn a_reason_for_what_was_skipped() {
    let skipped = result(|_| Ending::Skipped("this runtime is not ours to stop".to_owned()));
    insta::assert_snapshot!(PLAIN.result(&skipped), @r"
    - lifecycle/ready: the pod is ready (10s in 2ms)
        skipped: this runtime is not ours to stop
    ");
}

#[test]
fn junit_tells_failures_from_errors() {
    let broken = result(|_| Ending::Broken("no socket".to_owned()));
    let xml = super::junit::junit(&[result(|_| Ending::Passed), result(failed), broken]).unwrap();
    insta::assert_snapshot!(xml);
}

#[rstest]
#[case::nothing(&[], 4)]
#[case::skipped(&[Ending::Skipped(String::new())], 4)]
#[case::passed(&[Ending::Passed, Ending::Skipped(String::new())], 0)]
#[case::broken(&[Ending::Passed, Ending::Broken(String::new())], 3)]
fn exit_codes(#[case] ends: &[Ending], #[case] code: u8) {
    let mut totals = Totals::default();
    for end in ends {
        totals.add(&result(|_| end.clone()));
    }
    assert_eq!(totals.exit_code(), code);
    // A failure beside it counts, but for a broken target.
    totals.add(&result(failed));
    assert_eq!(totals.exit_code(), if code == 3 { 3 } else { 1 });
}
