//! A whole outside in memory, under virtual time, and the handles by which a test breaks it.

use crate::{Files, Machine, Mounts, Net, Programs, Random, Tasks, WallClock, World};

pub mod files;
pub mod machine;
pub mod net;
pub mod programs;
#[cfg(feature = "simulation")]
mod run;
#[cfg(all(test, feature = "simulation"))]
mod tests;

pub use files::MemoryFiles;
pub use machine::SimulatedMachine;
pub use net::SimulatedNetwork;
pub use programs::RegisteredPrograms;
#[cfg(feature = "simulation")]
pub use run::{Limits, SimError, run};

/// A simulated outside: the [`World`] to hand out, and one control per part.
#[derive(Clone, Debug)]
pub struct SimWorld {
    /// What the code under test gets.
    pub world: World,
    /// Faults on files.
    pub files: MemoryFiles,
    /// Delays, cuts and refusals on connections.
    pub net: SimulatedNetwork,
    /// Programs that exist.
    pub programs: RegisteredPrograms,
    /// The node's facts.
    pub machine: SimulatedMachine,
}

impl SimWorld {
    /// A fresh outside that runs what it needs itself (relays of connections) in `tasks`. Call it inside a `current_thread` runtime
    /// whose time is paused; `run` of this module does (feature `simulation`).
    pub fn new(seed: u64, tasks: &Tasks) -> Self {
        let clock = WallClock::simulated();
        let files = MemoryFiles::new(clock.clone());
        let net = SimulatedNetwork::new(files.clone(), tasks.child("net"));
        let programs = RegisteredPrograms::new();
        let machine = SimulatedMachine::new();
        let world = World {
            clock,
            random: Random::from_seed(seed),
            files: Files::new(files.clone()),
            mounts: Mounts::new(files.clone()),
            net: Net::new(net.clone()),
            programs: Programs::new(programs.clone()),
            machine: Machine::new(machine.clone()),
        };
        Self { world, files, net, programs, machine }
    }
}
