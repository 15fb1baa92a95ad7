//! The kubelet and the fake runtime under virtual time, held against recordings of the upstream kubelet: what is asked of the runtime, and
//! what `/pods` shows in the end, field by field. Ids, times and addresses are replaced; every other difference is told, one a line.

mod upstream {
    pub mod compare;
    pub mod normal;
    pub mod replay;
}

use rstest::rstest;

use upstream::{compare, replay};

/// Differences that are meant, with the reason. A difference that is not here fails the test; so does an entry that no longer differs.
const ACCEPTED: &[(&str, &str, &str)] = &[];

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
fn asks_and_shows_what_upstream_does(#[case] case: &str) {
    let recorded = replay::recorded(case);
    let replayed = replay::replayed(case);
    let differences = compare::differences(&recorded, &replayed);
    let accepted = |line: &str| ACCEPTED.iter().any(|(c, start, _)| *c == case && line.starts_with(start));
    let unexpected: Vec<&String> = differences.iter().filter(|line| !accepted(line)).collect();
    assert!(unexpected.is_empty(), "{case}:\n{}", unexpected.iter().map(|l| format!("  {l}\n")).collect::<String>());
    for (_, start, reason) in ACCEPTED.iter().filter(|(c, ..)| *c == case) {
        assert!(
            differences.iter().any(|line| line.starts_with(start)),
            "{start} no longer differs ({reason}): strike it off"
        );
    }
}
