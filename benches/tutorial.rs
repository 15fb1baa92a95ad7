//! How long does the tutorial take in virtual time?
#![allow(missing_docs)]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use podlab::corpus;

#[path = "scenario/play.rs"]
mod play;

fn bench(criterion: &mut Criterion) {
    let corpus = corpus::embedded().expect("the corpus is checked by its own tests");
    let tutorial = corpus.into_iter().find(|s| s.id == "tutorial/tutorial").expect("the tutorial is in the corpus");
    let tutorial = Arc::new(tutorial);
    criterion.bench_function("tutorial", |b| b.iter_custom(|n| (0..n).map(|_| play::play(&tutorial)).sum()));
}

criterion_group!(benches, bench);
criterion_main!(benches);
