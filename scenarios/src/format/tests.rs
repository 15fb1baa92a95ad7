//! Scenario files that are well-formed, and what is said of those that are not.

use rstest::rstest;

use super::*;

fn problem(text: &str) -> String {
    parse("lab/a.yaml", text).expect_err("this is wrong").render(false)
}

#[test]
fn a_scenario_is_read() {
    let scenario = parse(
        "tutorial/run.yaml",
        "limit: 10m\nsteps:\n  - put: web.yaml\n    manifest: {kind: Pod}\n  - eventually:\n      pod: web\n      is: {status: {phase: Running}}\n    within: 30s\n  - eventually:\n      - no-pod: web\n      - no-leaks: true\n",
    )
    .unwrap();
    assert_eq!((scenario.name.as_str(), scenario.id.as_str(), scenario.seed), ("run", "tutorial/run", 1));
    assert_eq!(scenario.limit, Duration::from_secs(600));
    assert_eq!(scenario.steps.iter().map(|s| s.place.line).collect::<Vec<_>>(), [3, 5, 9]);
    let step::Action::Eventually(conditions, within) = &scenario.steps[1].action else { panic!() };
    assert_eq!((conditions.len(), *within, conditions[0].place.line), (1, Duration::from_secs(30), 6));
}

#[rstest]
#[case::unknown_key("stepps: []\n")]
#[case::unknown_step("steps:\n  - wait: 1s\n  - eventualy: {pod: web}\n    within: 10s\n")]
#[case::unknown_condition("steps:\n  - assert:\n      - pod: web\n        iss: {}\n")]
#[case::unknown_word("steps:\n  - kubelet: restat\n")]
#[case::two_actions("steps:\n  - wait: 1s\n    remove: a.yaml\n")]
#[case::no_action("steps:\n  - within: 1s\n")]
#[case::stray_key("steps:\n  - wait: 1s\n    within: 2s\n")]
#[case::bad_length("steps:\n  - wait: 10\n")]
#[case::bad_question("steps:\n  - assert:\n      pod: web\n      is:\n        status: {podIP: {$startswith: 127.}}\n")]
#[case::bad_call("steps:\n  - assert: {call: StartContaner}\n")]
#[case::always_of_a_moment("steps:\n  - always: {event: {reason: BackOff}}\n    for: 1s\n")]
#[case::never_of_the_unrecorded("steps:\n  - never: {file: /etc/x}\n    for: 1s\n")]
#[case::unknown_mark("steps:\n  - mark: restarted\n  - never: {pod: web}\n    since: restart\n")]
#[case::put_of_two("steps:\n  - put: a.yaml\n    text: a\n    size: 1Mi\n")]
#[case::twice("steps:\n  - wait: 1s\n    wait: 2s\n")]
#[case::not_yaml("steps: [\n")]
#[case::no_steps("name: empty\nsteps: []\n")]
#[case::crash_at_no_call("steps:\n  - kubelet: crash\n    call: StartContaner\n")]
#[case::crash_at_call_0("steps:\n  - kubelet: crash\n    call: StartContainer\n    nth: 0\n")]
#[case::crash_somewhen("steps:\n  - kubelet: crash\n    when: meanwhile\n")]
#[case::crash_of_an_image("steps:\n  - kubelet: crash\n    call: PullImage\n    container: web\n")]
#[case::kill_at_a_call("steps:\n  - kubelet: kill\n    call: StartContainer\n")]
#[case::unknown_node_action("steps:\n  - node: restart\n")]
#[case::clock_stays("steps:\n  - clock: 0s\n")]
#[case::clock_of_nothing("steps:\n  - clock: soon\n")]
#[case::after_without_clock("steps:\n  - wait: 1s\n    after: 2s\n")]
#[case::most_below_least("steps:\n  - assert: {call: StartContainer, at-least: 3, at-most: 2}\n")]
#[case::exact_and_open("steps:\n  - assert: {call: StartContainer, times: 3, at-most: 2}\n")]
#[case::per_without_most("steps:\n  - assert: {call: any, at-least: 1, per: 1m}\n")]
#[case::until_unknown_mark("steps:\n  - mark: idle\n  - assert: {call: any, at-most: 1, since: idle, until: idel}\n")]
#[case::compares_twice(
    "steps:\n  - assert: {run: {container: a}, before: {run: {container: b}}, overlaps: {run: {container: c}}}\n"
)]
#[case::compares_and_counts("steps:\n  - assert: {run: {container: a}, times: 2, before: {run: {container: b}}}\n")]
#[case::compares_with_a_pod("steps:\n  - assert: {run: {container: a}, before: {pod: web}}\n")]
#[case::order_of_runs("steps:\n  - assert: {order: [{run: {container: a}}, {run: {container: b}}]}\n")]
#[case::never_a_run("steps:\n  - never: {run: {container: a}}\n    for: 1s\n")]
#[case::run_of_what("steps:\n  - assert: {run: {name: a}}\n")]
#[case::wrong_kind("steps:\n  - wait: {a: 1}\n")]
fn problems_are_shown_with_their_line(#[case] text: &str) {
    let name = std::thread::current().name().unwrap_or_default().rsplit("case_").next().unwrap_or_default().to_owned();
    let name = name.split_once('_').map_or(name.as_str(), |(_, name)| name).to_owned();
    insta::assert_snapshot!(name, problem(text));
}

#[test]
fn the_committed_schema_is_current() {
    let committed = include_str!("../../schema.json");
    assert!(
        committed == schema(),
        "scenarios/schema.json is old: run `cargo run --bin podlab -- schema > scenarios/schema.json`"
    );
}
