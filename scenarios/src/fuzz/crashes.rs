//! The kubelet dies at any call that changes something, once before its effect and once after it: while a pod starts, and while it ends.
//! The next one makes of the pod what its manifest says, or takes down what is left of it, and makes nothing twice. Tests only.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use fake_cri::truth::Fact;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    format::{self, parse::yaml, tree::Tree},
    history::{Entry, What},
    play::Ending,
    run::run_one,
};

/// Which call of a pod's life is deadly.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Of its start.
    Start,
    /// Of its end.
    End,
    /// Of its end, with the manifest put back before the next kubelet starts.
    Again,
}

fn manifest() -> Value {
    let container = |name: &str| json!({"name": name, "image": "busybox", "command": ["sleep", "100000"]});
    let mut side = container("side");
    side["restartPolicy"] = "Always".into();
    let mut hooked = container("hooked");
    hooked["lifecycle"] =
        json!({"postStart": {"exec": {"command": ["true"]}}, "preStop": {"exec": {"command": ["true"]}}});
    let setup = json!({"name": "setup", "image": "busybox", "command": ["true"]});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"terminationGracePeriodSeconds": 2, "initContainers": [setup, side], "containers": [container("plain"), hooked]},
    })
}

fn text(part: Part, nth: u64, when: &str) -> String {
    let put = json!({"put": "p.yaml", "manifest": manifest()});
    let crash = json!({"kubelet": "crash", "nth": nth, "when": when});
    let died = json!({"eventually": {"kubelet": "crashed"}, "within": "1m"});
    // Whoever finds a container that never ran, or one that was ended already, makes the next one of that name: its number counts up.
    let ready = |name: &str, count: &Value| json!({"name": name, "ready": true, "restartCount": count});
    let runs = |count: &Value| {
        json!({
            "eventually": {"pod": "p", "is": {"status": {
                "phase": "Running",
                "initContainerStatuses": [{"name": "setup", "state": {"terminated": {"exitCode": 0}}}, ready("side", count)],
                "containerStatuses": [ready("plain", count), ready("hooked", count)],
            }}},
            "within": "2m",
        })
    };
    let next = [json!({"wait": "20s"}), json!({"kubelet": "start"})];
    let mut steps = match part {
        Part::Start => vec![crash, put, died],
        _ => vec![put, runs(&json!(0)), crash, json!({"remove": "p.yaml"}), died],
    };
    if matches!(part, Part::Again) {
        steps.push(json!({"put": "p.yaml", "manifest": manifest()}));
    }
    steps.extend(next);
    if !matches!(part, Part::End) {
        steps.extend([runs(&json!({"$one-of": [0, 1]})), json!({"wait": "2m"}), json!({"remove": "p.yaml"})]);
    }
    steps.push(json!({"eventually": [{"no-pod": "p"}, {"no-leaks": true}], "within": "5m"}));
    yaml(&Tree::from(json!({"name": format!("{part:?}, {when} call {nth}"), "steps": steps})))
}

/// How often a container of each name was started.
fn starts(entries: &[Entry]) -> BTreeMap<&str, u32> {
    let (mut names, mut starts) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        match &entry.what {
            What::Fact(Fact::ContainerCreated { id, name, .. }) => drop(names.insert(id, name.as_str())),
            What::Fact(Fact::ContainerStarted { id }) => *starts.entry(names[id]).or_default() += 1,
            _ => {}
        }
    }
    starts
}

/// The scenario asks for more calls than there are: the kubelet lives on, and the step that waits for its death fails.
fn never_died(end: &Ending) -> bool {
    matches!(end, Ending::Failed(failure) if failure.mismatch.title.contains("has not come to the call"))
}

#[rstest]
fn a_kubelet_that_dies_between_any_two_calls_is_made_good_by_the_next(
    #[values(Part::Start, Part::End, Part::Again)] part: Part,
    #[values("before", "after")] when: &str,
) {
    let once = BTreeMap::from([("hooked", 1), ("plain", 1), ("setup", 1), ("side", 1)]);
    let mut last = 0;
    for nth in 1.. {
        let text = text(part, nth, when);
        let scenario =
            format::parse("crash.yaml", &text).map_err(|problem| problem.render(false)).expect("well-formed");
        let result = run_one(&Arc::new(scenario), &super::options(NonZeroUsize::MIN));
        if never_died(&result.outcome.end) {
            last = nth - 1;
            break;
        }
        assert_eq!(result.outcome.end, Ending::Passed, "{text}");
        let wanted = match part {
            // It may have been ended already, and is another one then; what runs on, runs on.
            Part::Again => continue,
            _ => &once,
        };
        assert_eq!(&starts(&result.entries), wanted, "{text}");
    }
    let least = if matches!(part, Part::Start) { 10 } else { 8 };
    assert!(last >= least, "{part:?} has more calls than {last}");
}
