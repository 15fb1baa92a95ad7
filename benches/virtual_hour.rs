//! How long does a virtual hour with 100 pods take on the wall clock?
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "scenario/play.rs"]
mod play;

fn bench(criterion: &mut Criterion) {
    let hour = play::sleepers(100, "1h");
    let mut group = criterion.benchmark_group("virtual_hour");
    group.sample_size(10);
    group.bench_function("100 pods", |b| b.iter_custom(|n| (0..n).map(|_| play::play(&hour)).sum()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
