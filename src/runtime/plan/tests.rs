//! Tables of plans: what is observed, what is to be done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::runtime::{
    observed::{ContainerId, ObservedSandbox},
    sync::NoProbes,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn id(name: &str) -> ContainerId {
    ContainerId { runtime: "fake".into(), id: name.into() }
}

/// A container made of image `i`; `state` is `created`, `running`, `unknown`, `oom` or an exit code.
pub(super) fn container(name: &str, state: &str) -> ObservedContainer {
    let exit_code = state.parse().unwrap_or(0);
    let (state, reason) = match state {
        "created" => (ContainerState::Created, ""),
        "running" => (ContainerState::Running, ""),
        "unknown" => (ContainerState::Unknown, ""),
        "oom" => (ContainerState::Exited, "OOMKilled"),
        _ => (ContainerState::Exited, ""),
    };
    ObservedContainer {
        id: id(name),
        sandbox_id: "s".into(),
        name: name.into(),
        state,
        created_at: at(0),
        started_at: None,
        finished_at: None,
        exit_code,
        reason: reason.into(),
        message: String::new(),
        image: "i".into(),
        image_ref: "i".into(),
        image_id: String::new(),
        hash: container_hash_text(name, "i"),
        restart_count: 0,
        log_path: String::new(),
        resources: None,
        user: None,
        mounts: Vec::new(),
        stop_signal: 0,
    }
}

fn sandbox(attempt: u32, ready: bool) -> ObservedSandbox {
    ObservedSandbox {
        id: format!("s{attempt}"),
        attempt,
        ready,
        created_at: at(0),
        host_network: false,
        ips: Some(vec!["10.0.0.1".into()]),
    }
}

fn observed(sandboxes: Vec<ObservedSandbox>, containers: &[(&str, &str)]) -> ObservedPod {
    ObservedPod {
        sandboxes,
        containers: containers.iter().map(|(name, state)| container(name, state)).collect(),
        ..ObservedPod::default()
    }
}

/// A pod from terse words: `init` entries with `+` before the name are sidecars.
fn pod(policy: &str, init: &[&str], regular: &[&str]) -> Pod {
    let one = |name: &&str| json!({"name": name.trim_start_matches('+'), "image": "i"});
    let init: Vec<Value> = init
        .iter()
        .map(|name| {
            let mut value = one(name);
            if name.starts_with('+') {
                value["restartPolicy"] = "Always".into();
            }
            value
        })
        .collect();
    let regular: Vec<Value> = regular.iter().map(one).collect();
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "default", "uid": "u"},
        "spec": {"restartPolicy": policy, "initContainers": init, "containers": regular}
    }))
    .unwrap()
}

/// A plan in one line.
fn show(pod: &Pod, actions: &PodActions) -> String {
    let spec = pod.spec.as_ref().unwrap();
    let mut words = Vec::new();
    if actions.kill_pod {
        words.push("kill-pod".to_owned());
    }
    if actions.create_sandbox {
        words.push(format!("sandbox#{}", actions.attempt));
    }
    for kill in &actions.to_kill {
        words.push(format!("kill {}", kill.name));
    }
    for id in &actions.restart_all {
        words.push(format!("remove {}", id.id));
    }
    for &index in &actions.init_to_start {
        words.push(format!("init {}", spec.init_containers.as_ref().unwrap()[index].name));
    }
    for &index in &actions.to_start {
        words.push(format!("start {}", spec.containers[index].name));
    }
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn planned(pod: &Pod, observed: &ObservedPod) -> String {
    show(pod, &plan(pod, observed, &NoProbes))
}

#[rstest]
#[case::new_pod("Always", &[], vec![], &[], "kill-pod, sandbox#0, start a, start b")]
#[case::nothing_to_do("Always", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "running")], "-")]
#[case::one_lost("Always", &[], vec![sandbox(0, true)], &[("a", "running")], "start b")]
#[case::one_crashed("Always", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "1")], "start b")]
#[case::one_done_always("Always", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "0")], "start b")]
#[case::one_done("OnFailure", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "0")], "-")]
#[case::one_failed("OnFailure", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "3")], "start b")]
#[case::one_failed_never("Never", &[], vec![sandbox(0, true)], &[("a", "running"), ("b", "3")], "-")]
#[case::all_done("OnFailure", &[], vec![sandbox(0, true)], &[("a", "0"), ("b", "0")], "kill-pod")]
#[case::all_over_never("Never", &[], vec![sandbox(0, true)], &[("a", "0"), ("b", "1")], "kill-pod")]
#[case::never_started("Never", &[], vec![sandbox(0, true)], &[("a", "created"), ("b", "running")], "start a")]
#[case::unknown_state("Always", &[], vec![sandbox(0, true)], &[("a", "unknown"), ("b", "running")], "kill a, start a")]
#[case::sandbox_died("Always", &[], vec![sandbox(0, false)], &[("a", "137"), ("b", "137")], "kill-pod, sandbox#1, start a, start b")]
#[case::sandbox_died_one_done("OnFailure", &[], vec![sandbox(0, false)], &[("a", "0"), ("b", "137")], "kill-pod, sandbox#1, start b")]
#[case::sandbox_died_all_done("OnFailure", &[], vec![sandbox(0, false)], &[("a", "0"), ("b", "0")], "kill-pod")]
#[case::sandbox_died_never("Never", &[], vec![sandbox(0, false)], &[("a", "137")], "kill-pod")]
#[case::sandbox_died_before_any_container("Never", &[], vec![sandbox(0, false)], &[], "kill-pod, sandbox#1, start a, start b")]
#[case::two_sandboxes_ready("Always", &[], vec![sandbox(1, true), sandbox(0, true)], &[("a", "running")], "kill-pod, sandbox#2, start a, start b")]
#[case::an_old_sandbox_is_no_matter("Always", &[], vec![sandbox(1, true), sandbox(0, false)], &[("a", "running"), ("b", "running")], "-")]
#[case::new_sandbox_starts_over_with_init("Always", &["i", "j"], vec![sandbox(0, false)], &[("a", "137"), ("i", "0"), ("j", "0")], "kill-pod, sandbox#1, init i")]
fn regular_containers(
    #[case] policy: &str,
    #[case] init: &[&str],
    #[case] sandboxes: Vec<ObservedSandbox>,
    #[case] containers: &[(&str, &str)],
    #[case] expected: &str,
) {
    let pod = pod(policy, init, &["a", "b"]);
    assert_eq!(planned(&pod, &observed(sandboxes, containers)), expected);
}

#[rstest]
#[case::first("Always", &["i", "j"], &[], "init i")]
#[case::waits("Always", &["i", "j"], &[("i", "running")], "-")]
#[case::second("Always", &["i", "j"], &[("i", "0")], "init j")]
#[case::regular_after_the_last("Always", &["i", "j"], &[("i", "0"), ("j", "0")], "start a, start b")]
#[case::fails_and_restarts("OnFailure", &["i", "j"], &[("i", "1")], "init i")]
#[case::fails_for_good("Never", &["i", "j"], &[("i", "1")], "kill-pod")]
#[case::oom_is_failure("Never", &["i"], &[("i", "oom")], "kill-pod")]
#[case::failed_to_start("Always", &["i"], &[("i", "created")], "init i")]
#[case::unknown("Always", &["i"], &[("i", "unknown")], "kill i, init i")]
#[case::unknown_never("Never", &["i"], &[("i", "unknown")], "kill-pod")]
#[case::not_again_while_regular_run("Always", &["i"], &[("a", "running"), ("b", "running")], "-")]
#[case::sidecar_first("Always", &["+s", "i"], &[], "init s")]
#[case::next_after_sidecar_runs("Always", &["+s", "i"], &[("s", "running")], "init i")]
#[case::trailing_sidecar("Always", &["i", "+s"], &[("i", "0"), ("s", "running")], "start a, start b")]
#[case::sidecar_crashed_early("Always", &["+s", "i"], &[("s", "1"), ("i", "running")], "init s")]
#[case::sidecar_restarts_in_a_never_pod("Never", &["+s"], &[("s", "0"), ("a", "running"), ("b", "running")], "init s")]
#[case::lost_sidecar("Always", &["+s", "i"], &[("i", "0"), ("a", "running"), ("b", "running")], "init s")]
#[case::two_sidecars_in_turn("Always", &["+s", "+t"], &[("s", "running")], "init t")]
#[case::sidecars_do_not_keep_a_pod("Never", &["+s"], &[("s", "running"), ("a", "0"), ("b", "0")], "kill-pod")]
#[case::order_of_starts("Always", &["+s", "+t"], &[("s", "1"), ("t", "1"), ("a", "running"), ("b", "running")], "init s, init t")]
fn init_containers(
    #[case] policy: &str,
    #[case] init: &[&str],
    #[case] containers: &[(&str, &str)],
    #[case] expected: &str,
) {
    let pod = pod(policy, init, &["a", "b"]);
    assert_eq!(planned(&pod, &observed(vec![sandbox(0, true)], containers)), expected);
}

/// Probe results by container name.
#[derive(Default)]
struct Results {
    liveness: BTreeMap<String, ProbeResult>,
    startup: BTreeMap<String, ProbeResult>,
}

impl ProbeResults for Results {
    fn liveness(&self, id: &ContainerId) -> Option<ProbeResult> {
        self.liveness.get(&id.id).copied()
    }

    fn startup(&self, id: &ContainerId) -> Option<ProbeResult> {
        self.startup.get(&id.id).copied()
    }
}

#[rstest]
#[case("Always", ProbeResult::Failure, "Container a failed liveness probe, will be restarted", "kill a, start a")]
#[case("Never", ProbeResult::Failure, "Container a failed liveness probe", "kill a")]
#[case("Always", ProbeResult::Unknown, "", "-")]
#[case("Always", ProbeResult::Success, "", "-")]
fn liveness(#[case] policy: &str, #[case] result: ProbeResult, #[case] message: &str, #[case] expected: &str) {
    let pod = pod(policy, &[], &["a", "b"]);
    let seen = observed(vec![sandbox(0, true)], &[("a", "running"), ("b", "running")]);
    let results = Results { liveness: BTreeMap::from([("a".into(), result)]), ..Results::default() };
    let actions = plan(&pod, &seen, &results);
    assert_eq!(show(&pod, &actions), expected);
    assert_eq!(actions.to_kill.first().map_or("", |k| k.message.as_str()), message);
}

#[rstest]
#[case::no_result_yet(None, "-")]
#[case::started(Some(ProbeResult::Success), "start a")]
#[case::failed(Some(ProbeResult::Failure), "kill s, init s")]
fn a_sidecar_with_a_startup_probe(#[case] result: Option<ProbeResult>, #[case] expected: &str) {
    let mut pod = pod("Always", &["+s"], &["a"]);
    pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap()[0].startup_probe = Some(Default::default());
    let startup = result.map(|r| ("s".to_owned(), r)).into_iter().collect();
    let results = Results { startup, ..Results::default() };
    let actions = plan(&pod, &observed(vec![sandbox(0, true)], &[("s", "running")]), &results);
    assert_eq!(show(&pod, &actions), expected);
}

#[test]
fn another_image_replaces_a_running_container_even_with_never() {
    let mut pod = pod("Never", &[], &["a", "b"]);
    pod.spec.as_mut().unwrap().containers[0].image = Some("other".into());
    let seen = observed(vec![sandbox(0, true)], &[("a", "running"), ("b", "running")]);
    let actions = plan(&pod, &seen, &NoProbes);
    assert_eq!(show(&pod, &actions), "kill a, start a");
    assert_eq!(actions.to_kill[0].message, "Container a definition changed, will be restarted");
}

#[rstest]
#[case::other_network(ObservedSandbox { host_network: true, ..sandbox(0, true) }, "kill-pod, sandbox#1, start a", None)]
#[case::no_address(ObservedSandbox { ips: Some(vec![]), ..sandbox(0, true) }, "kill-pod, sandbox#1, start a", Some("s0"))]
#[case::no_network_told(ObservedSandbox { ips: None, ..sandbox(0, true) }, "start a", Some("s0"))]
fn sandboxes(#[case] seen: ObservedSandbox, #[case] expected: &str, #[case] told: Option<&str>) {
    let pod = pod("Always", &[], &["a"]);
    let actions = plan(&pod, &observed(vec![seen], &[]), &NoProbes);
    assert_eq!(show(&pod, &actions), expected);
    assert_eq!(actions.sandbox_id.as_deref(), told);
}

/// Restart policy of the container over the pod's, and rules over both.
#[rstest]
#[case("Never", None, &[], 1, false)]
#[case("Never", Some("Always"), &[], 0, true)]
#[case("Always", Some("Never"), &[], 1, false)]
#[case("Always", Some("OnFailure"), &[], 0, false)]
#[case("Never", Some("Never"), &[("In", 42, "Restart")], 42, true)]
#[case("Never", Some("Never"), &[("In", 42, "Restart")], 41, false)]
#[case("Never", Some("Never"), &[("NotIn", 42, "Restart")], 0, true)]
#[case("Never", None, &[("In", 42, "Restart")], 42, false)]
fn restart_decisions(
    #[case] pod_policy: &str,
    #[case] own: Option<&str>,
    #[case] rules: &[(&str, i32, &str)],
    #[case] exit_code: i32,
    #[case] again: bool,
) {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(operator, value, action)| {
            json!({"action": action, "exitCodes": {"operator": operator, "values": [value]}})
        })
        .collect();
    let pod: Pod = serde_json::from_value(json!({"spec": {"restartPolicy": pod_policy, "containers": [
        {"name": "a", "image": "i", "restartPolicy": own, "restartPolicyRules": rules}
    ]}}))
    .unwrap();
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(restart::exit_restarts(spec, &spec.containers[0], exit_code), again);
}

#[test]
fn a_rule_may_restart_the_whole_pod() {
    let mut pod = pod("Always", &["i"], &["a", "b"]);
    let source = &mut pod.spec.as_mut().unwrap().containers[0];
    source.restart_policy = Some("Never".into());
    source.restart_policy_rules = serde_json::from_value(
        json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [9]}}]),
    )
    .unwrap();
    let seen = observed(vec![sandbox(0, true)], &[("a", "9"), ("b", "running"), ("i", "0")]);
    assert_eq!(planned(&pod, &seen), "remove b, remove i, remove a");
}

#[test]
fn a_pod_that_is_being_deleted_starts_nothing() {
    let mut pod = pod("Always", &[], &["a"]);
    pod.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0)));
    let actions = plan(&pod, &observed(vec![sandbox(0, true)], &[("a", "1")]), &NoProbes);
    assert!(actions.to_start.is_empty());
}

mod properties {
    //! What holds for every plan, whatever is observed.

    use proptest::prelude::*;

    use super::*;

    fn states() -> impl Strategy<Value = Option<&'static str>> {
        prop::option::of(prop::sample::select(vec!["created", "running", "unknown", "oom", "0", "1", "137"]))
    }

    proptest! {
        #[test]
        fn nothing_runs_twice_and_nothing_starts_without_a_sandbox(
            policy in prop::sample::select(vec!["Always", "OnFailure", "Never"]),
            init in prop::collection::vec((prop::bool::ANY, states()), 0..4),
            regular in prop::collection::vec(states(), 1..4),
            ready in prop::option::of(prop::bool::ANY),
        ) {
            let init_names: Vec<String> =
                init.iter().enumerate().map(|(i, (sidecar, _))| format!("{}i{i}", if *sidecar { "+" } else { "" })).collect();
            let regular_names: Vec<String> = (0..regular.len()).map(|i| format!("r{i}")).collect();
            let init_words: Vec<&str> = init_names.iter().map(String::as_str).collect();
            let regular_words: Vec<&str> = regular_names.iter().map(String::as_str).collect();
            let pod = pod(policy, &init_words, &regular_words);
            let mut containers = Vec::new();
            for (index, (_, state)) in init.iter().enumerate() {
                containers.extend(state.map(|s| (format!("i{index}"), s)));
            }
            for (index, state) in regular.iter().enumerate() {
                containers.extend(state.map(|s| (format!("r{index}"), s)));
            }
            let containers: Vec<(&str, &str)> = containers.iter().map(|(n, s)| (n.as_str(), *s)).collect();
            let sandboxes = ready.map(|r| sandbox(0, r)).into_iter().collect();
            let observed = observed(sandboxes, &containers);
            let actions = plan(&pod, &observed, &NoProbes);
            let spec = pod.spec.as_ref().unwrap();

            prop_assert_eq!(&actions, &plan(&pod, &observed, &NoProbes), "a plan depends on nothing else");
            let starts = !actions.init_to_start.is_empty() || !actions.to_start.is_empty();
            prop_assert!(!starts || actions.create_sandbox || ready == Some(true), "a start needs a sandbox");
            prop_assert!(!actions.create_sandbox || actions.kill_pod, "a new sandbox replaces the old one");
            prop_assert!(!starts || actions.create_sandbox || !actions.kill_pod, "a killed pod starts nothing");
            let running = |name: &str| observed.container(name).is_some_and(|c| c.state == ContainerState::Running);
            let killed = |name: &str| actions.kill_pod || actions.to_kill.iter().any(|k| k.name == name);
            for (list, indices) in [
                (spec.init_containers.as_deref().unwrap_or_default(), &actions.init_to_start),
                (spec.containers.as_slice(), &actions.to_start),
            ] {
                for (at, index) in indices.iter().enumerate() {
                    let name = &list[*index].name;
                    prop_assert!(!running(name) || killed(name), "{name} would run twice");
                    prop_assert!(!indices[..at].contains(index), "{name} would be started twice");
                }
            }
        }
    }
}
