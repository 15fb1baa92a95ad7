//! Seeded randomness, forked by label so that one user's draws never shift another's.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// The generator every fork hands out.
pub type Rng = ChaCha8Rng;

/// The root of all randomness of one world.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// Randomness that repeats for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed, for reports.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator of its own for `label`; the same seed and label give the same draws.
    pub fn fork(&self, label: &str) -> Rng {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(label.as_bytes());
        Rng::from_seed(hash.finalize().into())
    }
}

/// A seed from the host, for real runs; print it so that a run can be told apart.
pub fn seed_from_host() -> u64 {
    let mut seed = [0u8; 8];
    #[expect(clippy::disallowed_methods, reason = "the one place that draws the host's randomness")]
    let drawn = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    match drawn {
        Ok(_) => u64::from_le_bytes(seed),
        Err(_) => u64::from(std::process::id()),
    }
}

/// `n` random lower-case hex digits.
pub fn hex(rng: &mut Rng, n: usize) -> String {
    let mut text = String::with_capacity(n + 16);
    while text.len() < n {
        text.push_str(&format!("{:016x}", rng.next_u64()));
    }
    text.truncate(n);
    text
}
