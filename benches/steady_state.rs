//! What does a pod that just runs cost per virtual minute, on a node with 10, 100 and 1000 of them?
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "scenario/play.rs"]
mod play;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("steady_state_minute");
    group.sample_size(10);
    for pods in [10_usize, 100, 1000] {
        let (short, long) = (play::sleepers(pods, "1m"), play::sleepers(pods, "11m"));
        group.throughput(Throughput::Elements(pods as u64));
        group.bench_function(format!("{pods} pods"), |b| {
            // The same node twice: what ten more minutes of it cost, a tenth of that.
            b.iter_custom(|n| (0..n).map(|_| play::play(&long).saturating_sub(play::play(&short)) / 10).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
