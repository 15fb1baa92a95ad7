//! The only door to the outside: wall clock, randomness, files, network, helper programs, machine facts and tasks.
//!
//! Everything that a kubelet or a fake runtime learns from or does to its surroundings goes through a [`World`].
//! [`World::real`] talks to the host; [`sim::SimWorld`] holds the same things in memory, under virtual time, and lets a
//! test break them. Waiting is not here: both arms use `tokio::time`, whose clock the simulation pauses.

pub mod clock;
pub mod files;
pub mod machine;
pub mod mounts;
pub mod net;
pub mod programs;
pub mod random;
pub mod sim;
pub mod tasks;

pub use clock::{SteadyClock, WallClock};
pub use files::Files;
pub use machine::Machine;
pub use mounts::Mounts;
pub use net::Net;
pub use programs::Programs;
pub use random::{Random, Rng};
pub use tasks::Tasks;

/// Handles to everything outside the process. Cheap to clone; clones share one outside.
#[derive(Clone, Debug)]
pub struct World {
    /// Wall-clock time. For waiting and for measuring stretches use `tokio::time`.
    pub clock: WallClock,
    /// Seeded randomness, forked by label.
    pub random: Random,
    /// The file system.
    pub files: Files,
    /// Mounts on that file system.
    pub mounts: Mounts,
    /// Unix and TCP sockets.
    pub net: Net,
    /// Helper programs: credential providers, CNI plugins.
    pub programs: Programs,
    /// Facts about the node.
    pub machine: Machine,
}

impl World {
    /// The host's own outside, with randomness drawn from `seed`.
    pub fn real(seed: u64) -> Self {
        let files = Files::real("/");
        Self {
            clock: WallClock::system(),
            random: Random::from_seed(seed),
            machine: Machine::real(files.clone()),
            files,
            mounts: Mounts::real("/"),
            net: Net::real(),
            programs: Programs::real(),
        }
    }
}
