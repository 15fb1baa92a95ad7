//! What differs between upstream's run and ours, one line a difference, each with its place: requests, their order, times, what was shown,
//! files. Per pod: what upstream does to several pods at once has no order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    cases::{Case, Node, PROMISES},
    normal::Names,
    run::{Run, Word},
};

/// All differences.
pub fn differences(case: &Case, recorded: &Run, replayed: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    let (theirs, ours) = (recorded.by_pod(), replayed.by_pod());
    let pods: BTreeSet<&String> =
        if theirs.is_empty() { BTreeSet::new() } else { theirs.keys().chain(ours.keys()).collect() };
    let none = Vec::new();
    for pod in pods {
        let (theirs, ours) = (theirs.get(pod).unwrap_or(&none), ours.get(pod).unwrap_or(&none));
        requests(pod, theirs, ours, &mut lines);
        order(pod, theirs, ours, &mut lines);
        times(case, pod, theirs, ours, &mut lines);
    }
    shown(recorded, replayed, &mut lines);
    if !recorded.tree.is_empty() {
        tree(recorded, replayed, &mut lines);
    }
    lines
}

/// The requests that make and stop things, field by field.
fn requests(pod: &str, theirs: &[Word], ours: &[Word], lines: &mut Vec<String>) {
    let (mut their_names, mut our_names) = (Names::default(), Names::default());
    let normal = |words: &[Word], names: &mut Names| -> Vec<(String, Value)> {
        words.iter().map(|w| (w.call.rpc.clone(), names.normal(&sorted(&w.call.request)))).collect()
    };
    let (theirs, ours) = (normal(theirs, &mut their_names), normal(ours, &mut our_names));
    for rpc in ["RunPodSandbox", "CreateContainer", "StopContainer", "PullImage"] {
        let of = |calls: &[(String, Value)]| -> Vec<Value> {
            calls.iter().filter(|(name, _)| name == rpc).map(|(_, r)| r.clone()).collect()
        };
        let (mut theirs, mut ours) = (of(&theirs), of(&ours));
        if rpc == "StopContainer" {
            // Containers of a pod are stopped side by side: no order is promised.
            theirs.sort_by_key(Value::to_string);
            ours.sort_by_key(Value::to_string);
        }
        for (i, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
            walk(&format!("{pod} {rpc}[{i}]"), theirs, ours, lines);
        }
    }
}

/// Environment variables have no order upstream; and their values are text, whatever the wire says.
fn sorted(request: &Value) -> Value {
    let mut request = request.clone();
    if let Some(envs) = request.pointer_mut("/config/envs").and_then(Value::as_array_mut) {
        for env in envs.iter_mut() {
            let pair: cri_proto::v1::KeyValue = cri_proto::from_json(env.clone()).expect("a variable");
            env["value"] = String::from_utf8(pair.value).expect("text").into();
        }
        envs.sort_by_key(|e| e["key"].as_str().unwrap_or_default().to_owned());
    }
    request
}

fn is_removal(word: &str) -> bool {
    word.starts_with("remove ")
}

/// Calls in order without removals and probes; what stops side by side is sorted.
fn sequence(words: &[Word]) -> Vec<&Word> {
    let mut list: Vec<&Word> = words.iter().filter(|w| !is_removal(&w.word) && !w.word.starts_with("probe ")).collect();
    for run in list.chunk_by_mut(|a, b| a.call.rpc == "StopContainer" && b.call.rpc == "StopContainer") {
        run.sort_by(|a, b| a.word.cmp(&b.word));
    }
    list
}

/// The order of calls. Recordings end soon after the removal of the manifest: what we do after their last call must be clean-up.
fn order(pod: &str, theirs: &[Word], ours: &[Word], lines: &mut Vec<String>) {
    let words = |list: &[&Word]| list.iter().map(|w| w.word.clone()).collect::<Vec<_>>();
    let (their_order, our_order) = (words(&sequence(theirs)), words(&sequence(ours)));
    let same = their_order.iter().zip(&our_order).take_while(|(a, b)| a == b).count();
    if same < their_order.len() {
        lines.push(format!("{pod} order: upstream {:?}, here {:?}", &their_order[same..], &our_order[same..]));
    } else if let Some(more) = our_order[same..].iter().find(|w| !w.starts_with("stop ")) {
        lines.push(format!("{pod} order: upstream nothing more, here {more}"));
    }
    let removals = |list: &[Word]| -> BTreeMap<String, f64> {
        list.iter().filter(|w| is_removal(&w.word)).map(|w| (w.word.clone(), w.call.t)).collect()
    };
    let (their_removals, our_removals) = (removals(theirs), removals(ours));
    for (word, _) in their_removals.iter().filter(|(word, _)| !our_removals.contains_key(*word)) {
        lines.push(format!("{pod} {word}: upstream once, here never"));
    }
    // A pod that has ended is cleaned up sooner here.
    let ended = ours.iter().find(|w| w.word.starts_with("stop sandbox") || w.word.starts_with("remove after stop"));
    let ended = ended.map_or(f64::MAX, |w| w.call.t);
    let early = our_removals.iter().filter(|(word, t)| **t < ended && !their_removals.contains_key(*word));
    for (word, _) in early {
        lines.push(format!("{pod} {word}: upstream never, here before the pod has ended"));
    }
}

/// Times: never later than upstream by a second, promised delays to the second, stops as long, probes as often.
fn times(case: &Case, pod: &str, theirs: &[Word], ours: &[Word], lines: &mut Vec<String>) {
    // Every call took long in the virtual machine.
    let slack = if case.node == Node::CrioVm { 1.5 } else { 1.0 };
    for (theirs, ours) in sequence(theirs).iter().zip(sequence(ours)) {
        let word = &ours.word;
        if theirs.word != *word {
            break;
        }
        if ours.call.t > theirs.call.t + 1.0 {
            lines.push(format!("{pod} {word} at: upstream {}, here {}", theirs.call.t, ours.call.t));
        }
        if word.starts_with("stop ") && (ours.call.dur - theirs.call.dur).abs() > slack {
            lines.push(format!("{pod} {word} takes: upstream {}, here {}", theirs.call.dur, ours.call.dur));
        }
    }
    for promise in PROMISES.iter().filter(|p| p.case == case.name) {
        for (who, words) in [("upstream", theirs), ("here", ours)] {
            let Some(first) = words.iter().position(|w| w.word == promise.after) else { continue };
            let second = words[first + 1..].iter().find(|w| w.word == promise.before);
            let Some(second) = second else {
                lines.push(format!("{pod} {} after {}: {who} never", promise.before, promise.after));
                continue;
            };
            let passed = second.call.t - words[first].call.t - words[first].call.dur;
            let late = who == "here" && passed > promise.seconds + 1.0;
            if passed < promise.seconds - 0.1 || late {
                let Promised { after, before, seconds } = Promised::of(promise);
                lines.push(format!("{pod} {before} {seconds} s after {after}: {who} {passed:.3} s"));
            }
        }
    }
    let probes =
        |words: &[Word]| words.iter().filter(|w| w.word.starts_with("probe ") && w.call.t < case.removed).count();
    let (their_probes, our_probes) = (probes(theirs), probes(ours));
    if their_probes.abs_diff(our_probes) > 3 {
        lines.push(format!("{pod} probes: upstream {their_probes}, here {our_probes}"));
    }
}

struct Promised<'a> {
    after: &'a str,
    before: &'a str,
    seconds: f64,
}

impl<'a> Promised<'a> {
    fn of(promise: &'a super::cases::Promise) -> Self {
        Self { after: promise.after, before: promise.before, seconds: promise.seconds }
    }
}

/// Everything that upstream showed of a pod was shown here, in that order. We may show more on the way.
fn shown(recorded: &Run, replayed: &Run, lines: &mut Vec<String>) {
    let by_pod = |run: &Run| {
        let mut by_pod: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for pod in &run.shown {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let states = by_pod.entry(name).or_default();
            let state = Names::default().normal(pod);
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        by_pod
    };
    let (theirs, ours) = (by_pod(recorded), by_pod(replayed));
    for name in ours.keys().filter(|name| !theirs.contains_key(*name)) {
        lines.push(format!("/pods {name}: upstream never, here shown"));
    }
    for (name, states) in &theirs {
        let ours = ours.get(name).map_or(&[][..], Vec::as_slice);
        let mut from = 0;
        for (i, state) in states.iter().enumerate() {
            let mut best: Option<(usize, Vec<String>)> = None;
            for (j, ours) in ours.iter().enumerate().skip(from) {
                let mut found = Vec::new();
                walk(&format!("/pods {name}[{i}]"), state, ours, &mut found);
                if best.as_ref().is_none_or(|(_, lines)| found.len() < lines.len()) {
                    best = Some((j, found));
                }
            }
            match best {
                Some((j, found)) => {
                    from = j;
                    lines.extend(found);
                }
                None => lines.push(format!("/pods {name}[{i}]: upstream shown, here never")),
            }
        }
    }
}

/// Files and directories below the kubelet's root and of the pods' logs.
fn tree(recorded: &Run, replayed: &Run, lines: &mut Vec<String>) {
    let names: BTreeSet<&str> = recorded.shown.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
    let links = recorded.tree.iter().any(|line| line.contains(" /var/log/containers"));
    let normal = |list: &[String]| -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for line in list {
            // Not looked at: logs of what was recorded before, the files of logs, whose mode is the runtime's, and a server's keys.
            let dir = line.split(" /var/log/pods/").nth(1).and_then(|rest| rest.split('/').next());
            let foreign = dir.is_some_and(|dir| !dir.split('_').nth(1).is_some_and(|name| names.contains(name)));
            let link = line.split(" /var/log/containers/").nth(1);
            let foreign = foreign || link.is_some_and(|link| !names.iter().any(|name| link.starts_with(name)));
            let log = dir.is_some() && line.starts_with('f');
            let unseen = !links && line.contains(" /var/log/containers");
            if foreign || log || unseen || line.contains("/pki") {
                continue;
            }
            *counted.entry(plain(line)).or_insert(0) += 1;
        }
        counted
    };
    let (theirs, ours) = (normal(&recorded.tree), normal(&replayed.tree));
    let all: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for line in all {
        let count = |list: &BTreeMap<String, usize>| list.get(line).copied().unwrap_or(0);
        let (theirs, ours) = (count(&theirs), count(&ours));
        // Logs of earlier versions go sooner here.
        let sooner = line.contains(" /var/log/pods/") && ours >= 1 && ours < theirs;
        if theirs != ours && !sooner {
            lines.push(format!("tree {line}: upstream {theirs}, here {ours}"));
        }
    }
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    let parts = line.split('/').map(|part| {
        let hex = |n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_hexdigit());
        let stamp = part.starts_with("..2");
        match part.rsplit_once('_') {
            _ if hex(32) => "UID".to_owned(),
            _ if hex(8) => "LOG".to_owned(),
            _ if stamp => "..STAMP".to_owned(),
            _ if part.contains(".log") => {
                // `POD_NAMESPACE_CONTAINER-ID.log -> ` and the `N.log` that it leads to.
                let (name, rest) = part.split_once(".log").unwrap_or((part, ""));
                let name = name.rsplit_once('-').map_or("N", |(container, _)| container);
                format!("{name}.log{rest}")
            }
            Some((pod, uid)) if uid.len() == 32 => format!("{pod}_UID"),
            _ if part.contains(" -> ..2") => format!("{} -> ..STAMP", part.split(' ').next().unwrap_or_default()),
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn walk(path: &str, theirs: &Value, ours: &Value, lines: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, theirs) in a {
                walk(&format!("{path}.{key}"), theirs, b.get(key).unwrap_or(&Value::Null), lines);
            }
            for (key, ours) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                walk(&format!("{path}.{key}"), &Value::Null, ours, lines);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                let at = |list: &[Value]| list.get(i).cloned().unwrap_or_default();
                walk(&format!("{path}[{i}]"), &at(a), &at(b), lines);
            }
        }
        _ if theirs != ours => lines.push(format!("{path}: upstream {theirs}, here {ours}")),
        _ => {}
    }
}
