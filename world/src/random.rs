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

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(random: &Random, label: &str) -> Vec<u64> {
        let mut rng = random.fork(label);
        (0..4).map(|_| rng.next_u64()).collect()
    }

    #[test]
    fn forks_repeat_and_do_not_meet() {
        let random = Random::from_seed(7);
        assert_eq!(draws(&random, "pods"), draws(&Random::from_seed(7), "pods"));
        assert_ne!(draws(&random, "pods"), draws(&random, "probes"));
        assert_ne!(draws(&random, "pods"), draws(&Random::from_seed(8), "pods"));
        // Drawing from one fork leaves another's draws as they are.
        let (mut one, other) = (random.fork("pods"), draws(&random, "probes"));
        one.next_u64();
        assert_eq!(draws(&random, "probes"), other);
    }

    /// Recorded seeds must mean the same in later versions.
    #[test]
    fn draws_are_pinned() {
        assert_eq!(hex(&mut Random::from_seed(1).fork("pinned"), 20), "cb5105f50cd6831bb6dd");
    }

    #[test]
    fn hex_has_the_length_asked_for() {
        let mut rng = Random::from_seed(1).fork("hex");
        for n in [0, 1, 16, 17, 64] {
            let text = hex(&mut rng, n);
            assert!(
                text.len() == n && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                "{text}"
            );
        }
    }
}
