//! One seed, one history: the whole corpus run twice, in two processes under different load, gives the same traces byte for byte.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test starts real processes and reads what they wrote"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

/// Runs the corpus and gives each trace by name.
fn traces(folder: &Path, jobs: &str, seed: &str) -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_podlab"))
        .args(["run", "--jobs", jobs, "--seed", seed, "--trace"])
        .arg(folder)
        .output()
        .expect("podlab starts");
    // Whether scenarios pass is another test's business, but they must run.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    let entries = std::fs::read_dir(folder).expect("traces were written");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("a trace is text"))
    };
    entries.map(read).collect()
}

/// The first line in which two texts differ.
fn first_difference<'a>(one: &'a str, two: &'a str) -> (usize, &'a str, &'a str) {
    let (mut a, mut b) = (one.lines(), two.lines());
    let mut number = 1;
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => number += 1,
            (x, y) => return (number, x.unwrap_or("(the end)"), y.unwrap_or("(the end)")),
        }
    }
}

#[test]
fn the_corpus_runs_the_same_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = "20260101";
    let calm = traces(&folder.path().join(format!("calm-{seed}")), "1", seed);
    let stop = AtomicBool::new(false);
    let loaded = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut n = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
                }
            });
        }
        let traces = traces(&folder.path().join(format!("loaded-{seed}")), "4", seed);
        stop.store(true, Ordering::Relaxed);
        traces
    });
    assert!(calm.len() > 10, "only {} traces", calm.len());
    assert_eq!(calm.keys().collect::<Vec<_>>(), loaded.keys().collect::<Vec<_>>());
    for (name, one) in &calm {
        let two = &loaded[name];
        if one != two {
            let (line, one, two) = first_difference(one, two);
            panic!("{name}, seed {seed}: line {line} differs\n  calm:   {one}\n  loaded: {two}");
        }
        assert!(one.lines().count() > 2, "{name} is empty");
    }
}
