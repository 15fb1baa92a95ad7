//! The kubelet and the fake runtime under virtual time, held against recordings of the upstream kubelet: what is asked of the runtime, in
//! which order and when, what `/pods` shows on the way, field by field, and which files there are. Ids, times and addresses are replaced;
//! every other difference is told, one a line.

mod upstream {
    use std::path::{Path, PathBuf};

    use world::Files;

    pub mod cases;
    pub mod compare;
    pub mod normal;
    pub mod replay;
    pub mod run;

    /// Where the fixture of a case is.
    pub fn folder(case: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(case)
    }

    /// A file of a fixture.
    pub fn fixture(case: &str, name: &str) -> String {
        let path = folder(case).join(name);
        Files::real("/")
            .read_to_string(&path, 16 << 20)
            .unwrap_or_else(|error| panic!("the fixture {} cannot be read: {error}", path.display()))
    }
}

use rstest::rstest;

use upstream::{cases, compare, replay, run};

/// Differences that are meant, with the reason: patterns of the case and of the line, and why. A difference that is not here fails the test;
/// so does an entry for one case that no longer differs.
const ACCEPTED: &[(&str, &str, &str)] = &[
    ("*", "tree s 755 0:0 /var/lib/kubelet/*", "sockets of the device and resource services: not there yet"),
    ("vm-*", "tree d 755 0:0 /var/lib/kubelet/device-plugins:*", "as above"),
    ("http", "tree d 755 0:0 /var/log/pods/*", "logs of a pod that is gone go at once, not at the next minute"),
    ("vm-*", "* CreateContainer[*].config.image.image:*", "the runtime's: CRI-O writes ids of images without sha256:"),
    ("vm-*", "/pods *.containerStatuses[*].imageID:*", "the runtime's: CRI-O names images by repository"),
    (
        "vm-security",
        "/pods *.user.linux.supplementalGroups*",
        "the runtime's: which groups of the image it adds, and where",
    ),
];

/// Whether a text is of a pattern in which `*` is anything.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| rest.is_empty() || text.char_indices().any(|(at, _)| like(rest, &text[at..]))),
    }
}

#[rstest]
#[case::tutorial("tutorial")]
#[case::crash_loop("crashloop")]
#[case::never_complete("never-complete")]
#[case::hooks("hooks")]
#[case::update("update")]
#[case::init("init")]
#[case::init_fail("init-fail")]
#[case::sidecar("sidecar")]
#[case::guaranteed("guaranteed")]
#[case::probes("probes")]
#[case::env("env")]
#[case::security("security")]
#[case::volumes("volumes")]
#[case::volumes_projected("volumes-projected")]
#[case::images("images")]
#[case::restart("restart")]
#[case::bad("bad")]
#[case::http("http")]
#[case::endpoints("endpoints")]
#[case::vm_tutorial("vm-tutorial")]
#[case::vm_guaranteed("vm-guaranteed")]
#[case::vm_env("vm-env")]
#[case::vm_security("vm-security")]
#[case::vm_volumes("vm-volumes")]
fn asks_and_shows_what_upstream_does(#[case] name: &'static str) {
    let case = cases::case(name);
    let differences = compare::differences(&case, &run::recorded(&case), &replay::replayed(&case));
    let accepted = |line: &str| ACCEPTED.iter().any(|(c, pattern, _)| like(c, name) && like(pattern, line));
    let unexpected: Vec<&String> = differences.iter().filter(|line| !accepted(line)).collect();
    assert!(unexpected.is_empty(), "{name}:\n{}", unexpected.iter().map(|l| format!("  {l}\n")).collect::<String>());
    for (_, pattern, reason) in ACCEPTED.iter().filter(|(c, ..)| *c == name) {
        assert!(
            differences.iter().any(|line| like(pattern, line)),
            "{pattern} no longer differs ({reason}): strike it off"
        );
    }
}
