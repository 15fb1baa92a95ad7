//! The recorded cases: on which node each was recorded, what was done to it and when. The recordings themselves are fixtures.

/// The kind of node that upstream was recorded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A host with containerd 1.6, cgroup v1 and cgroupfs.
    Containerd16,
    /// A virtual machine with CRI-O 1.37, cgroup v2 and systemd.
    CrioVm,
}

impl Node {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd16 => "node1",
            Self::CrioVm => "crio-vm",
        }
    }
}

/// Something that was done to the node.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A fixture is put under this name into the directory of manifests.
    Put(&'static str, &'static str),
    /// All of the fixture's directory `manifests` is put there.
    PutAll,
    /// All manifests are removed.
    RemoveAll,
    /// The kubelet is killed and started again a second later.
    Restart,
    /// What the web server says from now on; `None`: nothing answers.
    Serve(Option<&'static str>),
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Folder of the fixture.
    pub name: &'static str,
    /// Where it was recorded.
    pub node: Node,
    /// What was done, by seconds after the manifest appeared.
    pub steps: Vec<(f64, Step)>,
    /// When the manifest was removed, in seconds.
    pub removed: f64,
}

/// A case by its name.
pub fn case(name: &'static str) -> Case {
    let node = if name.starts_with("vm-") { Node::CrioVm } else { Node::Containerd16 };
    let timeline = super::fixture(name, "timeline.txt");
    let at = |word: &str| {
        let line = timeline.lines().find_map(|line| line.strip_prefix(word));
        line.map(|seconds| seconds.trim().parse::<f64>().expect("seconds"))
    };
    let removed = match name {
        // Each run of `flappy` begins a little sooner here: its back-off would be over before the recorded moment.
        "restart" => 22.5,
        // Upstream comes by too late for a third pull.
        "images" => 29.0,
        _ => at("remove ").expect("a moment of removal"),
    };
    let file = if name == "bad" { "bad.yaml" } else { "pod.yaml" };
    let mut steps = vec![(0.0, Step::Put(file, "manifest.yaml"))];
    match name {
        // The recording does not say when; the calls do.
        "update" => steps.push((5.09, Step::Put(file, "manifest-2.yaml"))),
        "bad" => steps.push((4.10, Step::PutAll)),
        "http" => steps.extend([
            (5.0, Step::Serve(Some("pods.json"))),
            (13.5, Step::Serve(Some("pods-none.json"))),
            (20.0, Step::Serve(None)),
        ]),
        "endpoints" => steps.push((0.0, Step::Put("second.yaml", "manifest-2.yaml"))),
        _ => {}
    }
    steps.extend(at("restart ").map(|at| (at, Step::Restart)));
    steps.push((removed, Step::RemoveAll));
    Case { name, node, steps, removed }
}

/// A delay that upstream promises: between the end of one call and the beginning of another of the same pod there are at least so many
/// seconds. Upstream stretches it by up to a half and by its polling; here it is kept to the second.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// The case.
    pub case: &'static str,
    /// The first call, as [`super::compare`] words it.
    pub after: &'static str,
    /// The second.
    pub before: &'static str,
    /// Seconds.
    pub seconds: f64,
}

const fn promise(case: &'static str, after: &'static str, before: &'static str, seconds: f64) -> Promise {
    Promise { case, after, before, seconds }
}

/// All of them.
pub const PROMISES: &[Promise] = &[
    // `crash` runs for no time at all: restarts after 0, 10 and 20 s.
    promise("crashloop", "start main#1", "create main#2", 10.0),
    promise("crashloop", "start main#2", "create main#3", 20.0),
    promise("volumes", "start main#0", "create main#1", 0.0),
    promise("vm-volumes", "start main#1", "create main#2", 10.0),
    // A pull that failed is not tried again before 10 s.
    promise("images", "pull 127.0.0.1:1/none:1", "pull 127.0.0.1:1/none:1", 10.0),
    promise("bad", "pull busybox:latest", "pull busybox:latest", 10.0),
];
