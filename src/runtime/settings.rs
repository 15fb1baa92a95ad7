//! The values of the configuration that the runtime half reads, as plain data. Not where they come from: that is `config`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use world::machine::Facts;

use crate::{
    images::{credentials::Provider, verification::Verification},
    runtime::{backoff, naming},
};

/// Who makes control groups, as far as their names go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// Paths.
    Cgroupfs,
    /// systemd slices.
    Systemd,
}

/// How many dead containers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerGcPolicy {
    /// A container is left alone until it is this old.
    pub min_age: Duration,
    /// Dead ones kept per container name of a pod; `None` keeps all.
    pub max_per_container: Option<usize>,
    /// Dead ones kept in all; `None` keeps all.
    pub max_containers: Option<usize>,
}

impl Default for ContainerGcPolicy {
    fn default() -> Self {
        Self { min_age: Duration::ZERO, max_per_container: Some(1), max_containers: None }
    }
}

/// How images are pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// One at a time over all pods.
    pub serialize_pulls: bool,
    /// Bound on parallel pulls when they are not one at a time.
    pub max_parallel: Option<usize>,
    /// Pulls per second; 0 is unlimited.
    pub registry_qps: u32,
    /// Pulls at once above that rate.
    pub registry_burst: u32,
    /// Gate KubeletEnsureSecretPulledImages: records on disk and the longer text of `Pulled`.
    pub ensure_secret_pulled: bool,
    /// Which images that are there may be used without asking their registry.
    pub verification: Verification,
    /// Credential provider plugins.
    pub providers: Vec<Provider>,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            serialize_pulls: true,
            max_parallel: None,
            registry_qps: 5,
            registry_burst: 10,
            ensure_secret_pulled: true,
            verification: Verification::default(),
            providers: Vec::new(),
        }
    }
}

/// Everything the runtime half is configured by. [`RuntimeSettings::new`] has upstream's defaults.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// The node's name, for `spec.nodeName`.
    pub node_name: String,
    /// `--root-dir`.
    pub root_dir: PathBuf,
    /// `podLogsDir`.
    pub pod_logs_dir: PathBuf,
    /// Where the flat links to container logs go.
    pub container_log_links_dir: PathBuf,
    /// `resolvConf`; empty for none.
    pub resolv_conf: String,
    /// `clusterDNS`.
    pub cluster_dns: Vec<String>,
    /// `clusterDomain`.
    pub cluster_domain: String,
    /// `cgroupsPerQOS`.
    pub cgroups_per_qos: bool,
    /// `cgroupRoot`; `/` or empty for the root.
    pub cgroup_root: String,
    /// The driver that the runtime said, or else the configuration.
    pub cgroup_driver: CgroupDriver,
    /// `podPidsLimit`; `None` is unlimited.
    pub pod_pids_limit: Option<u64>,
    /// `cpuCFSQuota`.
    pub cpu_cfs_quota: bool,
    /// `cpuCFSQuotaPeriod`.
    pub cpu_cfs_quota_period: Duration,
    /// `seccompDefault`.
    pub seccomp_default: bool,
    /// `singleProcessOOMKill`; `None` is false on cgroup v2 and true on v1.
    pub single_process_oom_kill: Option<bool>,
    /// Whether the kernel has a swap controller for the kubelet's own group.
    pub swap_controller: bool,
    /// First crash-loop back-off.
    pub crash_loop_initial: Duration,
    /// Longest crash-loop back-off.
    pub crash_loop_max: Duration,
    /// The feature gate `ContainerStopSignals`: manifests say how containers are stopped.
    pub stop_signals: bool,
    /// `--*-dead-containers*` and the minimum age.
    pub gc: ContainerGcPolicy,
    /// Pulls.
    pub images: ImageSettings,
    /// `userNamespaces.idsPerPod`: ids of a pod that has its own, a multiple of 65536.
    pub user_namespace_ids: u32,
    /// Facts about the node.
    pub facts: Facts,
    /// `--node-ip`: what it names, for name servers and the family that comes first.
    pub node_ips: Vec<IpAddr>,
    /// The node's own addresses, as pods are told them; none if it has none that counts.
    pub node_addresses: Vec<IpAddr>,
    /// Node allocatable CPU in thousandths, for limits that a pod does not set. 0 takes the machine's.
    pub allocatable_milli_cpu: i64,
    /// Node allocatable memory in bytes. 0 takes the machine's.
    pub allocatable_memory: i64,
    /// `--local-objects`: where ConfigMaps and Secrets lie; without it pods that name some are refused.
    pub local_objects: Option<PathBuf>,
}

impl RuntimeSettings {
    /// Upstream's defaults on a node with these facts.
    pub fn new(node_name: &str, facts: Facts) -> Self {
        Self {
            node_name: node_name.to_owned(),
            root_dir: "/var/lib/kubelet".into(),
            pod_logs_dir: "/var/log/pods".into(),
            container_log_links_dir: "/var/log/containers".into(),
            resolv_conf: "/etc/resolv.conf".to_owned(),
            cluster_dns: Vec::new(),
            cluster_domain: String::new(),
            cgroups_per_qos: true,
            cgroup_root: String::new(),
            cgroup_driver: CgroupDriver::Cgroupfs,
            pod_pids_limit: None,
            cpu_cfs_quota: true,
            cpu_cfs_quota_period: Duration::from_millis(100),
            seccomp_default: false,
            single_process_oom_kill: None,
            swap_controller: false,
            crash_loop_initial: backoff::INITIAL,
            crash_loop_max: backoff::MAX,
            stop_signals: false,
            gc: ContainerGcPolicy::default(),
            images: ImageSettings::default(),
            user_namespace_ids: crate::runtime::userns::STEP,
            node_ips: Vec::new(),
            node_addresses: facts.addresses.first().copied().into_iter().collect(),
            facts,
            allocatable_milli_cpu: 0,
            allocatable_memory: 0,
            local_objects: None,
        }
    }

    /// Whether the IPv6 address of a pod comes before that of IPv4.
    pub fn ipv6_first(&self) -> bool {
        self.node_ips.first().is_some_and(IpAddr::is_ipv6)
    }

    /// Node allocatable CPU in thousandths.
    pub fn milli_cpu(&self) -> i64 {
        if self.allocatable_milli_cpu > 0 { self.allocatable_milli_cpu } else { i64::from(self.facts.cpus) * 1000 }
    }

    /// Node allocatable memory in bytes.
    pub fn memory(&self) -> i64 {
        if self.allocatable_memory > 0 {
            self.allocatable_memory
        } else {
            i64::try_from(self.facts.memory_bytes).unwrap_or(i64::MAX)
        }
    }

    /// `<root>/pods/<uid>`. A UID that is no name of a directory, from a runtime's labels, leads nowhere else.
    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.root_dir.join("pods").join(&*naming::component(uid))
    }
}
