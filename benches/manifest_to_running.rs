//! How long does one pod take from its manifest to Running, the start of the simulated node included?
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "scenario/play.rs"]
mod play;

fn bench(criterion: &mut Criterion) {
    let (none, one) = (play::sleepers(0, "1s"), play::sleepers(1, "1s"));
    let mut group = criterion.benchmark_group("manifest_to_running");
    group.bench_function("node without pods", |b| b.iter_custom(|n| (0..n).map(|_| play::play(&none)).sum()));
    group.bench_function("node with one pod", |b| b.iter_custom(|n| (0..n).map(|_| play::play(&one)).sum()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
