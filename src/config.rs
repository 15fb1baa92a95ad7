//! The kubelet's configuration: flags, the KubeletConfiguration file, drop-ins and feature gates become one validated value. Not the
//! checks of the host (`node`), and nothing here is read again while the kubelet runs. As kubelet 1.36 in standalone mode.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use serde_json::Value;
use world::net::Address;

pub use gates::FeatureGates;
pub use load::{ConfigError, FileError, Invocation, Loaded, Note, load};

mod build;
pub mod decode;
pub mod document;
pub mod fields;
pub mod flags;
pub mod gates;
pub mod load;
pub mod validate;
pub mod yaml;

#[cfg(test)]
mod tests;

/// Who keeps the control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// The kubelet and the runtime write to the hierarchy themselves.
    Cgroupfs,
    /// systemd does, by slices and scopes.
    Systemd,
}

impl CgroupDriver {
    /// The name in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }
}

/// Whether containers may swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapBehavior {
    /// No container may.
    NoSwap,
    /// Burstable pods may, in proportion to their memory request.
    LimitedSwap,
}

/// When pulled images need their credentials checked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePullCredentialsVerificationPolicy {
    /// Whoever asks gets an image that is there.
    NeverVerify,
    /// As above for images that the kubelet did not pull.
    NeverVerifyPreloadedImages,
    /// As above for the images on the allow list.
    NeverVerifyAllowlistedImages,
    /// Every pod needs credentials of its own.
    AlwaysVerify,
}

/// One step of graceful node shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownGracePeriod {
    /// Pods of this priority and above, up to the next entry.
    pub priority: i32,
    /// How long they get.
    pub grace_period: Duration,
}

/// The whole configuration, validated, with defaults filled in. Times are lengths unless said otherwise.
///
/// Field by field as KubeletConfiguration v1beta1, and the few settings that only flags have. Where upstream means "off" by a zero,
/// a negative number or an empty string, the field is an `Option`.
#[derive(Clone, Debug)]
pub struct KubeletConfig {
    /// The node's name: `--hostname-override`, else the host's name; lower case.
    pub node_name: String,
    /// `--root-dir`: the kubelet's own state, `/var/lib/kubelet`.
    pub root_dir: PathBuf,
    /// `--cert-dir`: where generated certificates go.
    pub cert_dir: PathBuf,
    /// `--node-ip`: at most one address of each family; empty to let the kubelet find out.
    pub node_ips: Vec<IpAddr>,
    /// `--node-labels`.
    pub node_labels: BTreeMap<String, String>,
    /// `--local-objects`, ours: a directory with ConfigMaps and Secrets as manifests, for pods that name them.
    pub local_objects: Option<PathBuf>,
    /// Where links to container logs go. Upstream's is always `/var/log/containers`; `--container-log-links-dir` is ours, for tests.
    pub container_log_links_dir: PathBuf,
    /// `--maximum-dead-containers-per-container`.
    pub max_dead_containers_per_container: Option<usize>,
    /// `--maximum-dead-containers`.
    pub max_dead_containers: Option<usize>,
    /// `--minimum-container-ttl-duration`.
    pub minimum_container_ttl: Duration,
    /// `--image-credential-provider-config`.
    pub image_credential_provider_config: Option<PathBuf>,
    /// `--image-credential-provider-bin-dir`.
    pub image_credential_provider_bin_dir: Option<PathBuf>,

    /// The main server on `port`.
    pub enable_server: bool,
    /// Directory, or single file, of manifests.
    pub static_pod_path: Option<PathBuf>,
    /// URL of manifests.
    pub static_pod_url: Option<String>,
    /// Headers sent to `static_pod_url`.
    pub static_pod_url_header: BTreeMap<String, Vec<String>>,
    /// Where the runtime writes container logs.
    pub pod_logs_dir: PathBuf,
    /// How long a pod may go without being looked at.
    pub sync_frequency: Duration,
    /// Period of the full listing of `static_pod_path`.
    pub file_check_frequency: Duration,
    /// Period of asking `static_pod_url`.
    pub http_check_frequency: Duration,
    /// Address of the main and the read-only server.
    pub address: String,
    /// Port of the main server.
    pub port: u16,
    /// Port of the read-only server.
    pub read_only_port: Option<u16>,
    /// Address of the healthz server.
    pub healthz_bind_address: String,
    /// Port of the healthz server.
    pub healthz_port: Option<u16>,
    /// Certificate of the main server; generated if not given.
    pub tls_cert_file: Option<PathBuf>,
    /// Key of the main server.
    pub tls_private_key_file: Option<PathBuf>,
    /// CA of client certificates.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients without credentials are let in.
    pub anonymous_auth: bool,
    /// `/exec`, `/logs` and the like on the main server.
    pub enable_debugging_handlers: bool,
    /// `/debug/pprof` on the main server.
    pub enable_profiling_handler: bool,
    /// `/debug/flags/v` on the main server.
    pub enable_debug_flags_handler: bool,
    /// `/logs` on the main server.
    pub enable_system_log_handler: bool,

    /// Socket of the runtime service.
    pub container_runtime_endpoint: Address,
    /// Socket of the image service.
    pub image_service_endpoint: Address,
    /// Deadline of runtime calls that have none of their own.
    pub runtime_request_timeout: Duration,
    /// Pulls one image at a time.
    pub serialize_image_pulls: bool,
    /// How many pulls at a time when not one by one; `None` is no bound.
    pub max_parallel_image_pulls: Option<u32>,
    /// Pulls per second; `None` is no bound.
    pub registry_pull_qps: Option<u32>,
    /// Pulls at once above the rate.
    pub registry_burst: u32,
    /// Who may use an image that is there.
    pub image_pull_credentials_verification_policy: ImagePullCredentialsVerificationPolicy,
    /// Images excused by `NeverVerifyAllowlistedImages`.
    pub preloaded_images_verification_allowlist: Vec<String>,
    /// An image unused for less is not collected.
    pub image_minimum_gc_age: Duration,
    /// An image unused for longer is collected whatever the room.
    pub image_maximum_gc_age: Option<Duration>,
    /// Percent of the file system at which collection starts.
    pub image_gc_high_threshold_percent: u8,
    /// Percent down to which it collects.
    pub image_gc_low_threshold_percent: u8,

    /// Who keeps control groups, unless the runtime says otherwise.
    pub cgroup_driver: CgroupDriver,
    /// Control groups per quality of service, and per pod.
    pub cgroups_per_qos: bool,
    /// The group below which pods live: `/` by default.
    pub cgroup_root: String,
    /// Group of the kubelet itself.
    pub kubelet_cgroups: String,
    /// Group of system processes.
    pub system_cgroups: String,
    /// Container CPU limits become quotas.
    pub cpu_cfs_quota: bool,
    /// Period of CPU quotas.
    pub cpu_cfs_quota_period: Duration,
    /// Most processes per pod.
    pub pod_pids_limit: Option<u64>,
    /// A container's processes die one by one when memory runs out; `None` follows the cgroup version.
    pub single_process_oom_kill: Option<bool>,
    /// What swap containers get.
    pub swap_behavior: SwapBehavior,
    /// Refuse to start when swap is on.
    pub fail_swap_on: bool,
    /// Refuse to start on cgroup v1.
    pub fail_cgroup_v1: bool,
    /// `oom_score_adj` of the kubelet.
    pub oom_score_adj: i32,
    /// Most open files of the kubelet.
    pub max_open_files: u64,
    /// What is kept from pods for the system, by resource name.
    pub system_reserved: BTreeMap<String, String>,
    /// What is kept from pods for the kubelet and the runtime.
    pub kube_reserved: BTreeMap<String, String>,
    /// What is enforced by control groups.
    pub enforce_node_allocatable: Vec<String>,
    /// CPU manager policy: `none` or `static`.
    pub cpu_manager_policy: String,
    /// Memory manager policy: `None` or `Static`.
    pub memory_manager_policy: String,
    /// Topology manager policy.
    pub topology_manager_policy: String,
    /// Ephemeral storage of pods is counted and limited.
    pub local_storage_capacity_isolation: bool,
    /// `RuntimeDefault` is the seccomp profile of containers that name none.
    pub seccomp_default: bool,
    /// Unsafe sysctls that pods may set.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// Host user ids per pod of user namespaces.
    pub user_namespace_ids_per_pod: u32,

    /// DNS servers of pods.
    pub cluster_dns: Vec<IpAddr>,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
    /// File that pods' DNS settings are made from; `None` for no DNS.
    pub resolv_conf: Option<PathBuf>,
    /// Address range of pods, told to the runtime.
    pub pod_cidr: String,
    /// Most pods on the node.
    pub max_pods: u32,
    /// Most pods per processor; `None` is no bound.
    pub pods_per_core: Option<u32>,
    /// Longest wait between restarts of a failing container.
    pub max_container_restart_period: Duration,

    /// A container log is rotated above this many bytes; `None` never.
    pub container_log_max_size: Option<u64>,
    /// Files kept per container, the current one included.
    pub container_log_max_files: u32,
    /// Rotations at a time.
    pub container_log_max_workers: u32,
    /// Period of looking at log sizes.
    pub container_log_monitor_interval: Duration,

    /// Hard eviction thresholds, signal to quantity or percentage.
    pub eviction_hard: BTreeMap<String, String>,
    /// Soft eviction thresholds.
    pub eviction_soft: BTreeMap<String, String>,
    /// How long a soft threshold must be met, by signal.
    pub eviction_soft_grace_period: BTreeMap<String, String>,
    /// What an eviction must win, by signal.
    pub eviction_minimum_reclaim: BTreeMap<String, String>,
    /// How long a pressure condition stays after its cause has gone.
    pub eviction_pressure_transition_period: Duration,
    /// Most grace for a pod evicted by a soft threshold, in seconds.
    pub eviction_max_pod_grace_period: i32,

    /// Grace of node shutdown, lowest priority first; empty if it is off.
    pub shutdown_grace_periods: Vec<ShutdownGracePeriod>,
    /// Period of measuring volumes; `None` never.
    pub volume_stats_agg_period: Option<Duration>,
    /// Directory of volume plugins.
    pub volume_plugin_dir: PathBuf,

    /// Features on and off.
    pub feature_gates: FeatureGates,
    /// How to log.
    pub logging: Logging,
    /// The same as `/configz` shows it: KubeletConfiguration v1beta1 with defaults filled in, in upstream's field order.
    pub document: Value,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// klog's lines.
    Text,
    /// One JSON object per line.
    Json,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The form of lines.
    pub format: LogFormat,
    /// How much: 0 is only what matters always, 10 is everything.
    pub verbosity: u32,
}
