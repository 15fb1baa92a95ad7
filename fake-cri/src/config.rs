//! How a fake runtime is set up.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;
use world::net::Address;

use crate::{behaviours::Behaviour, catalogue::Catalogue, faults::Fault};

/// Whose habits the fake has where real runtimes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Personality {
    /// containerd 2.
    #[default]
    Containerd,
    /// containerd 1.6: no RuntimeConfig, no events, no user in container statuses; stopping what is unknown is an error.
    #[serde(rename = "containerd-1.6")]
    Containerd16,
    /// CRI-O 1.37.
    Crio,
}

impl Personality {
    /// `VersionResponse.runtime_name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd | Self::Containerd16 => "containerd",
            Self::Crio => "cri-o",
        }
    }

    /// `VersionResponse.runtime_version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Containerd => "2.2.0",
            Self::Containerd16 => "1.6.20",
            Self::Crio => "1.37.0",
        }
    }
}

/// Everything about one fake runtime.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Address,
    /// Where clients of Exec, Attach and PortForward are sent; port 0 lets the system choose.
    pub streaming: Address,
    /// Whose habits it has.
    pub personality: Personality,
    /// Pod addresses come from here.
    pub pod_cidr: IpNet,
    /// Images there are.
    pub images: Catalogue,
    /// What it answers to RuntimeConfig.
    pub cgroup_driver: cri_proto::v1::CgroupDriver,
    /// How long a pull takes. At least 5 ms: a pull that is faster than its caller's deadline hides that deadlines work.
    pub pull_latency: Duration,
    /// Mount point that ImageFsInfo names.
    pub image_mountpoint: String,
    /// What processes do instead of what they would.
    pub behaviours: Vec<Behaviour>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Directory of network configurations, the first of which is the pods'; without one, one is built in.
    pub cni_conf_dir: Option<PathBuf>,
    /// Directory of network plugins to be run; without one, they are played in process.
    pub cni_bin_dir: Option<PathBuf>,
    /// Whether GetContainerEvents works; otherwise it is unimplemented.
    pub events: bool,
    /// Journal entries kept in memory.
    pub journal_limit: usize,
}

impl Config {
    /// The defaults of a personality.
    pub fn of(personality: Personality) -> Self {
        let mut config = Self { personality, ..Self::default() };
        match personality {
            Personality::Containerd => {}
            Personality::Containerd16 => config.events = false,
            Personality::Crio => config.cgroup_driver = cri_proto::v1::CgroupDriver::Systemd,
        }
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Address::unix("/run/podlab/cri.sock"),
            streaming: Address::tcp("127.0.0.1", 0),
            personality: Personality::Containerd,
            pod_cidr: IpNet::new(std::net::IpAddr::from([10, 85, 0, 0]), 16).expect("16 bits fit an IPv4 address"),
            images: Catalogue::standard(),
            cgroup_driver: cri_proto::v1::CgroupDriver::Cgroupfs,
            pull_latency: Duration::from_millis(20),
            image_mountpoint: "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs".to_owned(),
            behaviours: Vec::new(),
            faults: Vec::new(),
            cni_conf_dir: None,
            cni_bin_dir: None,
            events: true,
            journal_limit: 200_000,
        }
    }
}
