//! `/dev/urandom`: bytes from the world's seed, another row for each process that opens it.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use super::{Errno, OpenFile, Process};

/// An open `/dev/urandom`.
#[derive(Debug)]
pub(super) struct Random {
    reader: Option<Process>,
    reads: AtomicU64,
}

impl Random {
    /// Opened by a process.
    pub fn of(reader: Option<Process>) -> Self {
        Self { reader, reads: AtomicU64::new(0) }
    }
}

impl OpenFile for Random {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        let turn = self.reads.fetch_add(1, Ordering::Relaxed);
        let bytes = self.reader.as_ref().map(|process| {
            let random = &process.kernel().surroundings().world.random;
            let mut rng = random.fork(&format!("/dev/urandom {} {turn}", process.node_pid()));
            let digits = world::random::hex(&mut rng, max.min(64 * 1024) * 2);
            let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
            digits.as_bytes().chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
        });
        Box::pin(async move { Ok(bytes.unwrap_or_default()) })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Ok(()) })
    }
}
