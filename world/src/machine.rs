//! Facts about the node, read from `/proc`, `/sys` and `/etc`, or said by a scenario.

use std::{fmt, io, sync::Arc};

use crate::Files;

pub mod real;

/// A swap device or file in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Path as `/proc/swaps` shows it.
    pub name: String,
    /// Size in KiB.
    pub size_kib: u64,
}

/// Which control group hierarchy rules the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One hierarchy per controller.
    V1,
    /// The unified hierarchy at `/sys/fs/cgroup`.
    V2,
}

/// Everything about the node that does not change while a process runs (but for what an administrator does: swap, host name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Host name as the kernel has it, not lower-cased.
    pub hostname: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/sys/class/dmi/id/product_uuid`, or empty.
    pub system_uuid: String,
    /// Kernel release.
    pub kernel_version: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub os_image: String,
    /// Kubernetes' name of the processor architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// Processors online.
    pub cpus: u32,
    /// `MemTotal` in bytes.
    pub memory_bytes: u64,
    /// Swap in use.
    pub swaps: Vec<Swap>,
    /// The control group hierarchy.
    pub cgroups: CgroupVersion,
    /// Huge pages by size in KiB, smallest first: every size that the kernel knows, with how many pages are set aside.
    pub huge_pages: std::collections::BTreeMap<u64, u64>,
    /// How many processes there can be: the lesser of `pid_max` and `threads-max`.
    pub process_ids: u64,
    /// IP addresses of the node, the one of the default route first; loopback excluded.
    pub addresses: Vec<std::net::IpAddr>,
    /// Processors that have `/sys/devices/system/cpu/cpuN/thermal_throttle`.
    pub thermal_throttle_cpus: Vec<u32>,
    /// Whether the kernel enforces AppArmor profiles.
    pub apparmor: bool,
    /// Effective user id of this process.
    pub euid: u32,
}

impl Facts {
    /// The node of the simulation: 4 processors, 8 GiB, cgroup v2, no swap, address 192.0.2.10.
    pub fn simulated() -> Self {
        Self {
            hostname: "node1".to_owned(),
            boot_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            machine_id: "00000000000000000000000000000001".to_owned(),
            system_uuid: "00000000-0000-4000-8000-000000000002".to_owned(),
            kernel_version: "6.12.0-sim".to_owned(),
            os_image: "Podlab Simulated Linux".to_owned(),
            architecture: "amd64".to_owned(),
            cpus: 4,
            memory_bytes: 8 * 1024 * 1024 * 1024,
            swaps: Vec::new(),
            cgroups: CgroupVersion::V2,
            huge_pages: [(2048, 0), (1_048_576, 0)].into(),
            process_ids: 32_768,
            addresses: vec![std::net::IpAddr::from([192, 0, 2, 10])],
            thermal_throttle_cpus: Vec::new(),
            apparmor: true,
            euid: 0,
        }
    }
}

/// What an arm does.
pub trait Node: Send + Sync + fmt::Debug {
    /// The facts as they are now.
    fn facts(&self) -> io::Result<Facts>;
    /// `MemAvailable` in bytes, now.
    fn memory_available(&self) -> io::Result<u64>;
}

/// The node.
#[derive(Clone, Debug)]
pub struct Machine(Arc<dyn Node>);

impl Machine {
    /// The host, as its `/proc`, `/sys` and `/etc` below `files` tell.
    pub fn real(files: Files) -> Self {
        Self::new(real::Host::new(files))
    }

    /// Wraps an arm.
    pub fn new(node: impl Node + 'static) -> Self {
        Self(Arc::new(node))
    }

    /// The facts as they are now.
    pub fn facts(&self) -> io::Result<Facts> {
        self.0.facts()
    }

    /// `MemAvailable` in bytes, now.
    pub fn memory_available(&self) -> io::Result<u64> {
        self.0.memory_available()
    }
}
