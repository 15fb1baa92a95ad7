//! Random pods: every kind of container, init container, sidecar, probe and hook, and what becomes of such a pod in the end.

use rand::RngExt as _;
use serde_json::{Map, Value, json};
use world::Rng;

/// What a container does, by the beginning of its name; the behaviours are the runtime's set-up in [`behaviours`].
const RUNS: [&str; 4] = ["run", "slow", "deaf", "web"];

/// What is to be seen of a pod in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// One of these phases.
    pub phases: Vec<&'static str>,
    /// Containers that are ready.
    pub ready: Vec<String>,
}

/// A pod and its end.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomPod {
    /// The manifest.
    pub manifest: Value,
    /// What becomes of it; `None` of its parts is sure if the runtime takes its processes away.
    pub end: End,
    /// Whether a lost process changes its end.
    pub fragile: bool,
}

/// Rules by which containers behave as their names say.
pub fn behaviours() -> Value {
    json!([
        {"container": "run-*", "run": {}},
        {"container": "side-*", "run": {}},
        {"container": "slow-*", "run": {"term-after": "3s", "term-exit": 0}},
        {"container": "deaf-*", "run": {"ignore-term": true}},
        {"container": "web-*", "run": {"http": [{"port": 80}]}},
        {"container": "crash-*", "run": {"exit": 1, "after": "2s"}},
        {"container": "fast-*", "run": {"exit": 1}},
        {"container": "oom-*", "run": {"out-of-memory": "4s"}},
        {"container": "done-*", "run": {"exit": 0, "after": "3s"}},
        {"container": "flaky-*", "run": {}, "attempts": [{"exit": 1, "after": "1s"}, {"exit": 3}, {}]},
        {"container": "again-*", "run": {}, "attempts": [{"exit": 42, "after": "1s"}, {"exit": 42}, {}]},
        {"container": "all-*", "run": {}, "attempts": [{"exit": 43, "after": "2s"}, {}]},
        {"container": "init-*", "run": {"exit": 0, "after": "1s"}},
        {"container": "retry-*", "run": {"exit": 0}, "attempts": [{"exit": 1, "after": "1s"}, {"exit": 0}]},
        {"container": "never-*", "run": {"exit": 1}},
        {"container": "unable-*", "run": {}, "attempts": [{"start-error": "no such program"}, {}]}
    ])
}

fn pick<'a, T: ?Sized>(rng: &mut Rng, list: &[&'a T]) -> &'a T {
    list[rng.random_range(0..list.len())]
}

fn chance(rng: &mut Rng, share: f64) -> bool {
    rng.random::<f64>() < share
}

/// A pod of that name.
pub fn pod(rng: &mut Rng, name: &str) -> RandomPod {
    let policy = pick(rng, &["Always", "Always", "Always", "OnFailure", "Never"]);
    let grace = [0, 1, 2, 5, 10][rng.random_range(0..5)];
    // Each name has a port of the node.
    let port = 8000 + u16::from(name.bytes().last().unwrap_or_default());
    let mut shape = Shape { policy, grace, port, ..Shape::default() };
    let mut containers = Vec::new();
    for number in 0..rng.random_range(1..=4) {
        containers.push(regular(rng, number, &mut shape));
    }
    let mut inits = Vec::new();
    if chance(rng, 0.4) {
        for number in 0..rng.random_range(1..=3) {
            inits.push(init(rng, number, &mut shape));
        }
    }
    let volumes = chance(rng, 0.25).then(|| pick(rng, &["", "Memory"]));
    if volumes.is_some() {
        for container in inits.iter_mut().chain(&mut containers) {
            container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
        }
    }
    let mut spec = json!({
        "restartPolicy": policy,
        "terminationGracePeriodSeconds": grace,
        "containers": containers,
    });
    if !inits.is_empty() {
        spec["initContainers"] = inits.into();
    }
    if let Some(medium) = volumes {
        spec["volumes"] = json!([{"name": "data", "emptyDir": {"medium": medium}}]);
    }
    if chance(rng, 0.1) {
        spec["hostNetwork"] = true.into();
        // The node has each port once, and is to have room for every pod.
        for container in spec["containers"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("ports");
        }
    }
    if chance(rng, 0.1) {
        spec["activeDeadlineSeconds"] = rng.random_range(5..120).into();
        shape.deadline = true;
    }
    let mut metadata = json!({"name": name});
    if chance(rng, 0.2) {
        metadata["uid"] = format!("{name}-{:08x}", rng.random::<u32>()).into();
    }
    let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    // What ends well when it is stopped is done, where only failures are tried again.
    let fragile = shape.fragile
        || policy == "Never"
        || (policy == "OnFailure" && shape.ready.iter().any(|name| name.starts_with("slow")));
    RandomPod { manifest, end: shape.end(), fragile }
}

/// What the containers so far mean for the end.
#[derive(Debug, Default)]
struct Shape {
    policy: &'static str,
    grace: i64,
    ready: Vec<String>,
    runs: bool,
    fails: bool,
    init_fails: bool,
    deadline: bool,
    /// Of the node, if it takes one.
    port: u16,
    /// A container does not come back when its processes are taken away.
    fragile: bool,
}

impl Shape {
    fn end(self) -> End {
        let phases = match self.policy {
            _ if self.deadline => vec!["Failed", "Succeeded"],
            "Never" if self.init_fails => vec!["Failed"],
            _ if self.init_fails => vec!["Pending"],
            "Always" => vec!["Running"],
            _ if self.runs => vec!["Running"],
            _ if self.fails => vec!["Failed"],
            _ => vec!["Succeeded"],
        };
        let ready = if phases == ["Running"] { self.ready } else { Vec::new() };
        End { phases, ready }
    }
}

fn regular(rng: &mut Rng, number: usize, shape: &mut Shape) -> Value {
    let always = shape.policy == "Always";
    let never = shape.policy == "Never";
    let mut kinds = vec!["run", "run", "slow", "deaf", "done", "crash"];
    if number == 0 {
        kinds.extend(["web", "web"]);
    }
    if !never {
        kinds.extend(["flaky", "fast", "oom", "unable"]);
    }
    kinds.extend(["again", "all"]);
    let kind = pick(rng, &kinds);
    let name = format!("{kind}-{number}");
    let ill = always && kind == "run" && chance(rng, 0.15);
    match kind {
        "run" | "slow" | "deaf" | "web" => {
            shape.runs = true;
            if !ill {
                shape.ready.push(name.clone());
            }
        }
        "flaky" | "unable" => {
            shape.runs = true;
            shape.ready.push(name.clone());
        }
        "again" | "all" => {
            shape.runs = true;
            shape.ready.push(name.clone());
        }
        "crash" | "fast" | "oom" => {
            // Tried again for ever, or failed.
            shape.runs |= !never;
            shape.fails = true;
        }
        _ => {}
    }
    let mut container = base(&name);
    if kind == "web" {
        container["ports"] = json!([{"containerPort": 80}]);
        if chance(rng, 0.3) {
            container["ports"][0]["hostPort"] = shape.port.into();
        }
    }
    if let Some((action, code)) = match kind {
        "again" => Some(("Restart", 42)),
        "all" => Some(("RestartAllContainers", 43)),
        _ => None,
    } {
        let own = pick(rng, &["Always", "OnFailure", "Never"]);
        container["restartPolicy"] = own.into();
        container["restartPolicyRules"] =
            json!([{"action": action, "exitCodes": {"operator": "In", "values": [code]}}]);
        // Whose processes are taken away does not come back by its rule.
        shape.fragile |= own == "Never";
    }
    probes(rng, kind, ill, &mut container);
    if RUNS.contains(&kind) {
        hooks(rng, shape, &mut container);
    }
    container
}

fn base(name: &str) -> Value {
    json!({"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "1000000"]})
}

fn handler(rng: &mut Rng, kind: &str) -> Map<String, Value> {
    let handler = match rng.random_range(0..3) {
        0 if kind == "web" => json!({"httpGet": {"port": 80, "path": "/"}}),
        1 if kind == "web" => json!({"tcpSocket": {"port": 80}}),
        _ => json!({"exec": {"command": ["true"]}}),
    };
    handler.as_object().cloned().unwrap_or_default()
}

fn probes(rng: &mut Rng, kind: &str, ill: bool, container: &mut Value) {
    let probe = |rng: &mut Rng, kind: &str| {
        let mut probe = handler(rng, kind);
        probe.insert("periodSeconds".to_owned(), rng.random_range(3..12).into());
        probe.insert("initialDelaySeconds".to_owned(), rng.random_range(0..4).into());
        Value::Object(probe)
    };
    let lives = RUNS.contains(&kind) || kind == "side";
    if lives && chance(rng, 0.3) {
        container["readinessProbe"] = probe(rng, kind);
    }
    if lives && chance(rng, 0.3) {
        container["livenessProbe"] = probe(rng, kind);
    }
    if lives && chance(rng, 0.2) {
        container["startupProbe"] = probe(rng, kind);
    }
    if ill {
        container["livenessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 5, "failureThreshold": 2});
    }
}

fn hooks(rng: &mut Rng, shape: &Shape, container: &mut Value) {
    let mut lifecycle = Map::new();
    // A container whose hook is cut off is killed: elsewhere it may not come back.
    if chance(rng, 0.15) && shape.policy == "Always" {
        lifecycle.insert("postStart".to_owned(), json!({"exec": {"command": ["sleep", "1"]}}));
    }
    if chance(rng, 0.25) {
        let hook = match rng.random_range(0..3) {
            // It must be shorter than the grace period.
            0 if shape.grace > 1 => json!({"sleep": {"seconds": 1}}),
            1 => json!({"exec": {"command": ["sleep", "20"]}}),
            _ => json!({"exec": {"command": ["sleep", "2"]}}),
        };
        lifecycle.insert("preStop".to_owned(), hook);
    }
    if !lifecycle.is_empty() {
        container["lifecycle"] = Value::Object(lifecycle);
    }
}

fn init(rng: &mut Rng, number: usize, shape: &mut Shape) -> Value {
    let kind = pick(rng, &["init", "init", "retry", "side", "side", "never"]);
    let name = format!("{kind}-i{number}");
    let mut container = base(&name);
    match kind {
        "side" => {
            container["restartPolicy"] = "Always".into();
            probes(rng, kind, false, &mut container);
            if !shape.init_fails {
                shape.ready.push(name);
            }
        }
        "never" => shape.init_fails = true,
        "retry" if shape.policy == "Never" => shape.init_fails = true,
        _ => {}
    }
    container
}
