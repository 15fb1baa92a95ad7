//! Every rule by a short history that breaks it, and one that keeps them all.

use std::sync::Arc;

use fake_cri::truth::Fact;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    format,
    history::{Call, Event},
};

const CONFIG: &str = "/etc/kubernetes/manifests/web.yaml";

fn manifest(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
}

fn pod(uid: &str, phase: &str, statuses: Value) -> Value {
    json!({
        "metadata": {"name": "web-n", "namespace": "default", "uid": uid, "annotations": {"kubernetes.io/config.source": "file"}},
        "spec": {"nodeName": "n", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "containers": [{"name": "c"}]},
        "status": {"phase": phase, "containerStatuses": statuses},
    })
}

fn running(id: &str) -> Value {
    json!({"name": "c", "ready": true, "started": true, "restartCount": 0, "containerID": format!("cri://{id}"), "state": {"running": {}}})
}

fn ended(id: &str, code: i32) -> Value {
    let state = json!({"terminated": {"exitCode": code, "containerID": format!("cri://{id}")}});
    json!({"name": "c", "ready": false, "restartCount": 0, "containerID": format!("cri://{id}"), "state": state})
}

fn waiting(reason: &str) -> Value {
    json!({"name": "c", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}})
}

fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    value
        .pointer_mut(parent)
        .expect("the parent is there")
        .as_object_mut()
        .expect("an object")
        .insert(key.to_owned(), new);
    value
}

fn shown(pod: Value) -> What {
    What::Pod(Arc::new(pod))
}

fn sandbox(id: &str, uid: &str, attempt: u32) -> What {
    let ready = Fact::SandboxReady {
        id: id.to_owned(),
        namespace: "default".to_owned(),
        name: "web-n".to_owned(),
        uid: uid.to_owned(),
        attempt,
        addresses: vec!["10.0.0.1".to_owned()],
        host_ports: vec!["TCP 0.0.0.0:80".to_owned()],
    };
    What::Fact(ready)
}

fn created(id: &str, sandbox: &str, name: &str, attempt: u32) -> What {
    let (id, sandbox, name) = (id.to_owned(), sandbox.to_owned(), name.to_owned());
    What::Fact(Fact::ContainerCreated { id, sandbox, name, attempt, image: "busybox".to_owned() })
}

fn started(id: &str) -> What {
    What::Fact(Fact::ContainerStarted { id: id.to_owned() })
}

fn exited(id: &str, code: i32) -> What {
    What::Fact(Fact::ContainerExited { id: id.to_owned(), code })
}

fn signalled(id: &str, kill: bool) -> What {
    What::Fact(Fact::ContainerSignalled { id: id.to_owned(), kill })
}

fn not_ready(id: &str) -> What {
    What::Fact(Fact::SandboxNotReady { id: id.to_owned() })
}

fn event(reason: &str, part: &str, message: &str) -> What {
    What::Event(Event {
        object: "web-n".to_owned(),
        field_path: part.to_owned(),
        kind: "Normal".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    })
}

fn stop(seq: u64, id: &str, timeout: i64) -> What {
    What::Call(Call {
        seq,
        took: Duration::ZERO,
        rpc: "StopContainer".to_owned(),
        request: json!({"container_id": id, "timeout": timeout.to_string()}).into(),
        response: None,
        code: "OK".to_owned(),
        error: None,
        fault: None,
    })
}

fn file(content: &str) -> What {
    What::File { path: CONFIG.to_owned(), content: Some(Some(Arc::from(content))) }
}

fn kubelet(word: &str) -> What {
    What::Kubelet(word.to_owned())
}

fn gone(uid: &str) -> What {
    What::PodGone { namespace: "default".to_owned(), name: "web-n".to_owned(), uid: uid.to_owned() }
}

/// A pod that has come to run, by the first second.
fn up() -> Vec<(u64, What)> {
    vec![
        (0, kubelet("started")),
        (0, file(&manifest("web"))),
        (1, shown(pod("u", "Pending", json!([])))),
        (1, sandbox("s", "u", 0)),
        (1, created("a", "s", "c", 0)),
        (1, started("a")),
        (1, shown(up_pod())),
    ]
}

fn up_pod() -> Value {
    let ips = json!([{"ip": "10.0.0.1"}]);
    with(pod("u", "Running", json!([running("a")])), "/status/podIPs", ips)
}

fn then(more: Vec<(u64, What)>) -> Vec<(u64, What)> {
    let mut all = up();
    all.extend(more);
    all
}

/// Nothing but time.
fn later(seconds: u64) -> (u64, What) {
    (seconds, What::Step { line: 1, text: "wait".to_owned() })
}

fn judged(text: &str, history: Vec<(u64, What)>) -> Vec<u8> {
    let scenario = format::parse("test.yaml", text).expect("a scenario");
    let mut rules = Invariants::new(&scenario, true);
    let mut findings = Findings::default();
    let mut last = Duration::ZERO;
    for (seconds, what) in history {
        // Something always happens on a node.
        while last + Duration::from_secs(1) < Duration::from_secs(seconds) {
            last += Duration::from_secs(1);
            rules.lasted(last, &mut findings);
        }
        last = Duration::from_secs(seconds);
        rules.step(&Entry { at: last, what }, &mut findings);
    }
    rules.lasted(last, &mut findings);
    let mut numbers: Vec<u8> = findings.found.iter().map(|broken| broken.number).collect();
    numbers.dedup();
    numbers
}

const PLAIN: &str = "steps: [wait: 1s]";
const LATE: &str = "runtime: {event-faults: {late: 3s}}\nsteps: [wait: 1s]";

#[test]
fn a_pod_that_lives_and_ends_well_breaks_nothing() {
    let history = then(vec![
        (600, What::File { path: CONFIG.to_owned(), content: None }),
        (600, gone("u")),
        (600, event("Killing", "spec.containers{c}", "Stopping container c")),
        (600, stop(1, "a", 30)),
        (600, signalled("a", false)),
        (630, signalled("a", true)),
        (630, exited("a", 137)),
        (630, not_ready("s")),
        (631, What::Fact(Fact::ContainerRemoved { id: "a".to_owned() })),
        (631, What::Fact(Fact::SandboxRemoved { id: "s".to_owned() })),
        later(2000),
    ]);
    assert_eq!(judged(PLAIN, history), Vec::<u8>::new());
}

#[test]
fn an_exception_is_an_exception() {
    let scenario = format::parse("test.yaml", "except-invariants: {16: why}\nsteps: [wait: 1s]").expect("a scenario");
    let rules = Invariants::new(&scenario, true);
    assert!(rules.excepts(16) && !rules.excepts(17));
    let unknown = format::parse("test.yaml", "except-invariants: {39: why}\nsteps: [wait: 1s]");
    assert!(unknown.is_err_and(|problem| problem.title.contains("no invariant 39")));
}

#[rstest]
#[case(1, then(vec![(2, created("b", "s", "c", 1)), (2, started("b"))]))]
#[case(2, then(vec![(2, sandbox("t", "v", 0)), (2, created("b", "t", "c", 0)), (2, started("b"))]))]
#[case(3, then(vec![(2, sandbox("t", "u", 1))]))]
#[case(3, then(vec![(2, exited("a", 0)), (2, not_ready("s")), (2, sandbox("t", "u", 0))]))]
#[case(4, then(vec![(2, exited("a", 0)), (2, shown(pod("u", "Succeeded", json!([ended("a", 0)])))), (3, created("b", "s", "c", 1))]))]
#[case(5, then(vec![(2, exited("a", 0)), (3, created("b", "s", "c", 0))]))]
#[case(6, vec![(0, kubelet("started")), (1, shown(pod("u", "Pending", json!([waiting("ContainerCreating")])))), later(400)])]
#[case(8, vec![
    (0, kubelet("started")), (1, sandbox("s", "u", 0)), (1, created("a", "s", "c", 0)),
    (1, shown(pod("u", "Pending", json!([waiting("ContainerCreating")])))), later(400),
])]
#[case(9, then(vec![(50, file(&manifest("web"))), (51, not_ready("s"))]))]
#[case(10, then(vec![(2, exited("a", 0)), (2, not_ready("s")), (3, gone("u")), later(100)]))]
#[case(11, then(vec![(2, shown(with(pod("x", "Pending", json!([])), "/metadata/name", json!("other-n"))))]))]
#[case(12, vec![(0, kubelet("started")), (1, sandbox("s", "u", 0)), later(400)])]
#[case(14, vec![
    (0, kubelet("started")),
    (1, shown(with(pod("u", "Pending", json!([])), "/spec/volumes", json!([{"name": "x", "secret": {"secretName": "x"}}])))),
    (1, sandbox("s", "u", 0)), (1, created("a", "s", "c", 0)),
])]
#[case(15, then(vec![(20, exited("a", 1)), later(60)]))]
#[case(16, then(vec![(2, shown(pod("u", "Failed", json!([ended("a", 1)])))), (3, shown(pod("u", "Running", json!([ended("a", 1)]))))]))]
#[case(17, then(vec![
    (2, shown(pod("u", "Running", json!([with(running("a"), "/restartCount", json!(2))])))),
    (3, shown(up_pod())),
]))]
#[case(18, then(vec![(2, shown(with(
    pod("u", "Running", json!([with(running("a"), "/ready", json!(false))])),
    "/status/conditions", json!([{"type": "Ready", "status": "True"}]),
)))]))]
#[case(19, then(vec![
    (2, kubelet("stopped")), (3, kubelet("started")),
    (4, shown(pod("u", "Running", json!([with(running("a"), "/ready", json!(false))])))),
]))]
#[case(20, then(vec![
    (2, shown(pod("u", "Running", json!([ended("a", 1)])))), (3, shown(pod("u", "Running", json!([ended("a", 0)])))),
]))]
#[case(21, then(vec![
    (2, shown(with(up_pod(), "/status/conditions", json!([{"type": "Ready", "status": "True", "lastTransitionTime": "1"}])))),
    (3, shown(with(up_pod(), "/status/conditions", json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2"}])))),
]))]
#[case(22, then(vec![(2, shown(with(up_pod(), "/status/podIPs", json!([{"ip": "10.0.0.9"}])))), later(60)]))]
#[case(23, vec![(0, kubelet("started")), (1, shown(pod("u", "Failed", json!([]))))])]
#[case(24, then(vec![(2, event("Killing", "spec.containers{c}", "")), (10, signalled("a", true))]))]
#[case(24, then(vec![(100, event("Killing", "spec.containers{c}", "")), later(150)]))]
#[case(25, then(vec![(2, stop(1, "a", 5)), (3, stop(2, "a", 30))]))]
#[case(26, then(vec![(2, exited("a", 137)), (2, not_ready("s"))]))]
#[case(27, then(vec![
    (2, event("Killing", "spec.containers{c}", "")), (9, event("Unhealthy", "spec.containers{c}", "Liveness probe failed: x")),
]))]
#[case(28, then(vec![(2, exited("a", 0)), (2, shown(pod("u", "Succeeded", json!([ended("a", 0)])))),
    (2, What::File { path: CONFIG.to_owned(), content: None }), later(400)]))]
#[case(34, then(vec![
    (2, exited("a", 1)), (2, created("b", "s", "c", 1)), (2, started("b")), (3, exited("b", 1)), (3, created("d", "s", "c", 2)), (3, started("d")),
]))]
#[case(37, vec![
    (0, kubelet("started")),
    (1, sandbox("s", "u", 0)), (1, created("a", "s", "c", 0)), (1, started("a")),
    (1, shown(with(up_pod(), "/spec/containers", json!([{"name": "c", "livenessProbe": {"exec": {}, "periodSeconds": 5}}])))),
    later(60),
])]
#[case(38, then(vec![(2, sandbox("t", "v", 0))]))]
fn each_rule_can_be_broken(#[case] number: u8, #[case] history: Vec<(u64, What)>) {
    assert!(NAMES.iter().any(|(known, _)| *known == number));
    let found = judged(PLAIN, history);
    assert!(found.contains(&number), "found {found:?}");
}

/// The same as for 15, where the events of containers are lost.
#[test]
fn a_lost_event_has_a_rule_of_its_own() {
    let text = "runtime: {event-faults: {drop-every: 1}}\nsteps: [wait: 1s]";
    assert!(judged(text, then(vec![(20, exited("a", 1)), later(60)])).contains(&29));
}

/// A container whose stop did not reach the runtime goes with its sandbox; one that could have been asked does not.
#[rstest]
#[case::just_after_the_runtime_came_back(41, false, vec![])]
#[case::once_it_is_dialled_again(50, false, vec![26])]
#[case::during_a_fault(50, true, vec![])]
fn a_container_that_ends_with_its_sandbox(#[case] at: u64, #[case] fault: bool, #[case] broken: Vec<u8>) {
    let faults = |in_force| What::Faults { in_force, lying: false };
    let mut history = then(vec![(20, What::Runtime("stop".to_owned())), (40, What::Runtime("start".to_owned()))]);
    if fault {
        history.push((at - 1, faults(true)));
    }
    history.push((at, event("Killing", "spec.containers{c}", "")));
    if fault {
        history.push((at + 1, faults(false)));
    }
    history.extend([(at + 9, exited("a", 137)), (at + 9, not_ready("s"))]);
    assert_eq!(judged(PLAIN, history), broken);
}

/// A clock that goes ahead does not shorten a wait, unless the end may have been heard of after that: ends are dated by the wall clock.
#[rstest]
#[case(PLAIN, "+10s", vec![34])]
#[case(LATE, "+10s", vec![])]
#[case(LATE, "+5s", vec![34])]
fn a_clock_that_goes_ahead_during_a_wait(#[case] text: &str, #[case] by: &str, #[case] broken: Vec<u8>) {
    let history = then(vec![
        (2, exited("a", 1)),
        (2, created("b", "s", "c", 1)),
        (2, started("b")),
        (3, exited("b", 1)),
        (4, What::Clock(by.parse().expect("a length"))),
        (4, created("d", "s", "c", 2)),
        (4, started("d")),
    ]);
    assert_eq!(judged(text, history), broken);
}

/// Of a pod that never restarts, what had not started when its sandbox went never does.
#[rstest]
#[case("Never", true, false)]
#[case("Never", false, true)]
#[case("OnFailure", true, true)]
fn a_container_whose_pod_is_over_need_not_start(#[case] policy: &str, #[case] lost: bool, #[case] broken: bool) {
    let mut other = waiting("ContainerCreating");
    other["name"] = json!("d");
    let both = with(pod("u", "Pending", json!([ended("a", 255), other])), "/spec/restartPolicy", json!(policy));
    let mut history = then(vec![(2, exited("a", 255)), (2, shown(both))]);
    if lost {
        history.push((2, not_ready("s")));
    }
    history.push(later(400));
    assert_eq!(judged(PLAIN, history).contains(&6), broken);
}

/// Where all are restarted, a container that was only made leaves no log behind, and an older one's may be gone, too.
#[rstest]
#[case(json!([{"action": "RestartAllContainers"}]), vec![])]
#[case(json!([]), vec![5])]
fn a_number_of_which_nothing_is_left(#[case] rules: Value, #[case] broken: Vec<u8>) {
    let removed = |id: &str| What::Fact(Fact::ContainerRemoved { id: id.to_owned() });
    let ruled = with(up_pod(), "/spec/containers", json!([{"name": "c", "restartPolicyRules": rules}]));
    let history = then(vec![
        (1, shown(ruled)),
        (2, exited("a", 1)),
        (2, created("b", "s", "c", 1)),
        (3, removed("a")),
        (3, removed("b")),
        (4, created("d", "s", "c", 0)),
    ]);
    assert_eq!(judged(PLAIN, history), broken);
}

/// Why a container did not start before hides that it was removed with all others; its last state tells.
#[rstest]
#[case("RestartingAllContainers", vec![])]
#[case("Error", vec![20])]
fn an_end_that_went_with_a_restart_of_all(#[case] last: &str, #[case] broken: Vec<u8>) {
    let mut back = waiting("RunContainerError");
    back["containerID"] = json!("cri://a");
    back["lastState"] = json!({"terminated": {"exitCode": 137, "reason": last}});
    let history = then(vec![
        (2, exited("a", 0)),
        (2, shown(pod("u", "Running", json!([ended("a", 0)])))),
        (3, shown(pod("u", "Running", json!([back])))),
    ]);
    let found = judged(PLAIN, history).into_iter().filter(|number| *number == 20);
    assert_eq!(found.collect::<Vec<_>>(), broken);
}

/// Who waits for one container to end does not see what becomes of another.
#[rstest]
#[case::while_it_waits(40, 60, vec![])]
#[case::longer_than_its_grace(40, 90, vec![15])]
#[case::after_it_ended(2, 60, vec![15])]
fn a_change_while_another_container_ends(#[case] killed: u64, #[case] until: u64, #[case] broken: Vec<u8>) {
    let mut both = with(up_pod(), "/spec/containers", json!([{"name": "c"}, {"name": "d"}]));
    both["status"]["containerStatuses"] = json!([running("a"), with(running("b"), "/name", json!("d"))]);
    let mut history = then(vec![
        (1, created("b", "s", "d", 0)),
        (1, started("b")),
        (1, shown(both)),
        (killed, event("Killing", "spec.containers{d}", "")),
        (killed, signalled("b", false)),
    ]);
    history.extend([(41, exited("a", 0)), later(until)]);
    // That the other outlives its grace is another rule's affair.
    let found = judged(PLAIN, history).into_iter().filter(|number| *number != 24);
    assert_eq!(found.collect::<Vec<_>>(), broken);
}

#[test]
fn a_pod_whose_containers_cannot_be_found_has_ended() {
    let mut lost = waiting("ContainerCreating");
    lost["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}});
    let history = vec![(0, kubelet("started")), (1, shown(pod("u", "Failed", json!([lost]))))];
    assert!(!judged(PLAIN, history).contains(&23));
}

/// Without the runtime, and once the pod has failed, nobody is asked.
#[rstest]
#[case::no_runtime("Running", true)]
#[case::a_pod_that_failed("Failed", false)]
fn a_probe_that_need_not_be_asked(#[case] phase: &str, #[case] away: bool) {
    let probe = json!([{"name": "c", "livenessProbe": {"exec": {}, "periodSeconds": 5}}]);
    let mut history = then(vec![]);
    if away {
        history.push((2, What::Runtime("stop".to_owned())));
    }
    let pod = with(with(up_pod(), "/spec/containers", probe), "/status/phase", json!(phase));
    history.extend([(3, shown(pod)), later(60)]);
    assert!(!judged(PLAIN, history).contains(&37));
}

/// What had run for a while when the kubelet came up has started: its startup probe is not asked, and its other one is.
#[rstest]
#[case::found(20, json!({}), vec![])]
#[case::found_with_another_probe(20, json!({"livenessProbe": {"exec": {}, "periodSeconds": 5}}), vec![37])]
#[case::just_started(8, json!({}), vec![37])]
fn a_startup_probe_that_no_kubelet_has_asked(#[case] again: u64, #[case] more: Value, #[case] broken: Vec<u8>) {
    let mut container = json!({"name": "c", "startupProbe": {"exec": {}, "periodSeconds": 5}});
    container.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let history = then(vec![
        (2, kubelet("killed")),
        (again, kubelet("started")),
        (again, shown(with(up_pod(), "/spec/containers", json!([container])))),
        later(again + 60),
    ]);
    assert_eq!(judged(PLAIN, history), broken);
}

/// What one kubelet promised, the next does not know.
#[rstest]
#[case::the_same(None, vec![25])]
#[case::another(Some("killed"), vec![])]
fn a_kubelet_that_gives_more_grace(#[case] ended: Option<&str>, #[case] broken: Vec<u8>) {
    let mut history = then(vec![(10, stop(1, "a", 2))]);
    history.extend(ended.into_iter().flat_map(|word| [(11, kubelet(word)), (12, kubelet("started"))]));
    history.extend([(12, shown(up_pod())), (90, stop(2, "a", 5))]);
    assert_eq!(judged(PLAIN, history), broken);
}

fn with_rules(pod: Value) -> Value {
    let rule = json!({"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}});
    with(pod, "/spec/containers", json!([{"name": "c", "restartPolicy": "Never", "restartPolicyRules": [rule]}]))
}

/// A restart of all removes containers that never ran, which have no log to count from.
#[rstest]
#[case::never_ran(true, None, vec![])]
#[case::ran(true, Some(started("b")), vec![5])]
#[case::without_a_rule(false, None, vec![5])]
fn a_number_that_is_used_again(#[case] rules: bool, #[case] ran: Option<What>, #[case] broken: Vec<u8>) {
    let pod = if rules { with_rules(up_pod()) } else { up_pod() };
    let mut history = then(vec![(2, shown(pod)), (2, created("b", "s", "d", 0))]);
    history.extend(ran.map(|what| (2, what)));
    history.push((3, What::Fact(Fact::ContainerRemoved { id: "b".to_owned() })));
    history.push((3, created("e", "s", "d", 0)));
    assert_eq!(judged(PLAIN, history), broken);
}

/// An init container of which the runtime knows nothing is taken for one that ended well where all are restarted.
#[rstest]
#[case::of_which_nothing_is_known("Unable to get init container status from container runtime and more", vec![])]
#[case::of_which_something_is("well", vec![20])]
fn an_ending_that_is_inferred(#[case] message: &str, #[case] broken: Vec<u8>) {
    let pod = |state: Value| {
        let init = with(with(ended("b", 0), "/name", json!("i")), "/state/terminated", state);
        let pod = with(with_rules(up_pod()), "/spec/initContainers", json!([{"name": "i"}]));
        shown(with(pod, "/status/initContainerStatuses", json!([init])))
    };
    let (before, after) =
        (json!({"exitCode": 0, "containerID": "cri://b"}), json!({"exitCode": 0, "message": message}));
    assert_eq!(judged(PLAIN, then(vec![(2, pod(before)), (3, pod(after))])), broken);
}

/// A container whose postStart failed runs on if it cannot be killed, and is probed again.
#[rstest]
#[case::the_kill_failed("FailedPostStartHook", "UNAVAILABLE", vec![])]
#[case::it_did_not("FailedPostStartHook", "OK", vec![24, 27])]
#[case::another_kill("Stopping container c", "UNAVAILABLE", vec![24, 27])]
fn a_container_whose_kill_failed(#[case] message: &str, #[case] code: &str, #[case] broken: Vec<u8>) {
    let What::Call(call) = stop(1, "a", 30) else { unreachable!("a call") };
    let history = then(vec![
        (11, event("Killing", "spec.containers{c}", message)),
        (11, What::Call(Call { code: code.to_owned(), ..call })),
        (60, event("Unhealthy", "spec.containers{c}", "Liveness probe failed: ")),
    ]);
    assert_eq!(judged(PLAIN, history), broken);
}

/// Every try to end a container gives it all its grace, of which its hook takes what it takes.
#[rstest]
#[case::what_a_short_hook_left(24, 9, vec![])]
#[case::more_than_there_was(24, 13, vec![25])]
#[case::at_once(23, 12, vec![])]
#[case::at_once_and_more(23, 13, vec![25])]
fn a_second_try_to_end_a_container(#[case] at: u64, #[case] timeout: i64, #[case] broken: Vec<u8>) {
    let history = then(vec![
        (11, event("Killing", "spec.containers{c}", "")),
        (21, stop(1, "a", 2)),
        (23, event("Killing", "spec.containers{c}", "")),
        (at, stop(2, "a", timeout)),
    ]);
    assert_eq!(judged(PLAIN, history), broken);
}

/// Of an init container the newest remains go first when a new sandbox is to come, and a kubelet that finds the others counts from there.
#[rstest]
#[case::with_its_sandbox(true, vec![])]
#[case::from_under_its_sandbox(false, vec![17])]
fn an_init_container_whose_newest_remains_are_gone(#[case] sandbox_ended: bool, #[case] broken: Vec<u8>) {
    let pod = |count: u64| {
        let status = with(waiting("PodInitializing"), "/restartCount", json!(count));
        let pod = with(pod("u", "Pending", json!([])), "/spec/initContainers", json!([{"name": "i"}]));
        shown(with(pod, "/status/initContainerStatuses", json!([with(status, "/name", json!("i"))])))
    };
    let mut history = vec![
        (0, kubelet("started")),
        (1, sandbox("s", "u", 0)),
        (1, created("a", "s", "i", 0)),
        (1, created("b", "s", "i", 1)),
        (1, pod(1)),
        (2, kubelet("killed")),
    ];
    if sandbox_ended {
        history.push((2, not_ready("s")));
    }
    history.extend([
        (2, What::Fact(Fact::ContainerRemoved { id: "b".to_owned() })),
        (3, kubelet("started")),
        (3, pod(0)),
    ]);
    assert_eq!(judged(PLAIN, history), broken);
}

#[test]
fn a_sidecar_that_is_told_too_early() {
    let spec = json!([{"name": "side", "restartPolicy": "Always"}]);
    let pod = with(up_pod(), "/spec/initContainers", spec);
    let history = then(vec![
        (2, created("side", "s", "side", 0)),
        (2, started("side")),
        (2, shown(pod)),
        (100, event("Killing", "spec.containers{c}", "")),
        (101, signalled("side", false)),
        (102, signalled("a", false)),
        (103, exited("side", 143)),
        (104, exited("a", 143)),
        (104, not_ready("s")),
    ]);
    assert_eq!(judged(PLAIN, history), vec![30]);
}

#[test]
fn an_old_version_that_is_started_after_the_new_one_was_seen() {
    let call = |rpc: &str| Call { rpc: rpc.to_owned(), request: json!({"container_id": "b"}).into(), ..call() };
    let history = then(vec![
        (2, exited("a", 0)),
        (2, created("b", "s", "c", 1)),
        (3, shown(pod("v", "Pending", json!([])))),
        (9, What::Call(call("StartContainer"))),
    ]);
    assert_eq!(judged(PLAIN, history), vec![7]);
}

fn call() -> Call {
    match stop(1, "b", 1) {
        What::Call(call) => call,
        _ => unreachable!("a call"),
    }
}
