//! Metrics of pods and containers under cAdvisor's names. The values are those of [`super::stats`] where there are any, else zero.

use cri_proto::v1::{self, ContainerState, MetricType};

use super::Runtime;

/// Name, help, whether it counts up, extra labels.
type Descriptor = (&'static str, &'static str, bool, &'static [&'static str]);

/// What a container has.
const DESCRIPTORS: &[Descriptor] = &[
    (
        "container_blkio_device_usage_total",
        "Bytes of block devices used",
        true,
        &["device", "major", "minor", "operation"],
    ),
    ("container_cpu_cfs_periods_total", "Enforcement periods elapsed", true, &[]),
    ("container_cpu_cfs_throttled_periods_total", "Throttled periods", true, &[]),
    ("container_cpu_cfs_throttled_seconds_total", "Time throttled", true, &[]),
    ("container_cpu_load_average_10s", "Load average over ten seconds", false, &[]),
    ("container_cpu_system_seconds_total", "Processor time in the kernel", true, &[]),
    ("container_cpu_usage_seconds_total", "Processor time", true, &["cpu"]),
    ("container_cpu_user_seconds_total", "Processor time in user space", true, &[]),
    ("container_file_descriptors", "Open file descriptors", false, &[]),
    ("container_fs_inodes_free", "Inodes free", false, &["device"]),
    ("container_fs_inodes_total", "Inodes", false, &["device"]),
    ("container_fs_io_current", "Operations in progress", false, &["device"]),
    ("container_fs_io_time_seconds_total", "Time of input and output", true, &["device"]),
    ("container_fs_io_time_weighted_seconds_total", "Weighted time of input and output", true, &["device"]),
    ("container_fs_limit_bytes", "Bytes that can be used", false, &["device"]),
    ("container_fs_read_seconds_total", "Time of reading", true, &["device"]),
    ("container_fs_reads_bytes_total", "Bytes read", true, &["device"]),
    ("container_fs_reads_merged_total", "Reads merged", true, &["device"]),
    ("container_fs_reads_total", "Reads", true, &["device"]),
    ("container_fs_sector_reads_total", "Sectors read", true, &["device"]),
    ("container_fs_sector_writes_total", "Sectors written", true, &["device"]),
    ("container_fs_usage_bytes", "Bytes used", false, &["device"]),
    ("container_fs_write_seconds_total", "Time of writing", true, &["device"]),
    ("container_fs_writes_bytes_total", "Bytes written", true, &["device"]),
    ("container_fs_writes_merged_total", "Writes merged", true, &["device"]),
    ("container_fs_writes_total", "Writes", true, &["device"]),
    ("container_hugetlb_failcnt", "Huge page limit hits", true, &["pagesize"]),
    ("container_hugetlb_max_usage_bytes", "Most huge page bytes used", false, &["pagesize"]),
    ("container_hugetlb_usage_bytes", "Huge page bytes used", false, &["pagesize"]),
    ("container_last_seen", "When the container was last seen", false, &[]),
    ("container_llc_occupancy_bytes", "Last level cache held", false, &[]),
    ("container_memory_bandwidth_bytes", "Memory bandwidth", false, &[]),
    ("container_memory_bandwidth_local_bytes", "Local memory bandwidth", false, &[]),
    ("container_memory_cache", "Page cache", false, &[]),
    ("container_memory_failcnt", "Memory limit hits", true, &[]),
    ("container_memory_failures_total", "Page faults", true, &["failure_type", "scope"]),
    ("container_memory_kernel_usage", "Kernel memory", false, &[]),
    ("container_memory_mapped_file", "Mapped files", false, &[]),
    ("container_memory_max_usage_bytes", "Most memory used", false, &[]),
    ("container_memory_migrate", "Memory migration", false, &[]),
    ("container_memory_numa_pages", "Pages by node", false, &["type", "scope", "node"]),
    ("container_memory_rss", "Resident memory", false, &[]),
    ("container_memory_swap", "Swap used", false, &[]),
    ("container_memory_usage_bytes", "Memory used", false, &[]),
    ("container_memory_working_set_bytes", "Working set", false, &[]),
    ("container_network_advance_tcp_stats_total", "Advanced TCP counters", true, &["tcp_state"]),
    ("container_network_receive_bytes_total", "Bytes received", true, &["interface"]),
    ("container_network_receive_errors_total", "Errors receiving", true, &["interface"]),
    ("container_network_receive_packets_dropped_total", "Packets dropped receiving", true, &["interface"]),
    ("container_network_receive_packets_total", "Packets received", true, &["interface"]),
    ("container_network_tcp6_usage_total", "TCP over IPv6", false, &["tcp_state"]),
    ("container_network_tcp_usage_total", "TCP connections", false, &["tcp_state"]),
    ("container_network_transmit_bytes_total", "Bytes sent", true, &["interface"]),
    ("container_network_transmit_errors_total", "Errors sending", true, &["interface"]),
    ("container_network_transmit_packets_dropped_total", "Packets dropped sending", true, &["interface"]),
    ("container_network_transmit_packets_total", "Packets sent", true, &["interface"]),
    ("container_network_udp6_usage_total", "UDP over IPv6", false, &["udp_state"]),
    ("container_network_udp_usage_total", "UDP sockets", false, &["udp_state"]),
    ("container_oom_events_total", "Out-of-memory events", true, &[]),
    ("container_perf_events_scaling_ratio", "Scaling of perf events", false, &["cpu", "event"]),
    ("container_perf_events_total", "Perf events", true, &["cpu", "event"]),
    ("container_perf_uncore_events_scaling_ratio", "Scaling of uncore perf events", false, &["socket", "event", "pmu"]),
    ("container_perf_uncore_events_total", "Uncore perf events", true, &["socket", "event", "pmu"]),
    ("container_processes", "Processes", false, &[]),
    ("container_referenced_bytes", "Bytes referenced", false, &[]),
    ("container_sockets", "Open sockets", false, &[]),
    ("container_spec_cpu_period", "CFS period", false, &[]),
    ("container_spec_cpu_shares", "CPU shares", false, &[]),
    ("container_spec_memory_limit_bytes", "Memory limit", false, &[]),
    ("container_spec_memory_reservation_limit_bytes", "Memory reservation", false, &[]),
    ("container_spec_memory_swap_limit_bytes", "Swap limit", false, &[]),
    ("container_start_time_seconds", "When it started", false, &[]),
    ("container_tasks_state", "Tasks by state", false, &["state"]),
    ("container_threads", "Threads", false, &[]),
    ("container_threads_max", "Most threads", false, &[]),
    ("container_ulimits_soft", "Soft limits", false, &["ulimit"]),
];

/// Labels that every metric has.
const COMMON: [&str; 5] = ["id", "name", "image", "namespace", "pod"];

impl Runtime {
    /// ListMetricDescriptors.
    pub(crate) fn list_metric_descriptors(&self) -> Vec<v1::MetricDescriptor> {
        let describe = |(name, help, _, extra): &Descriptor| v1::MetricDescriptor {
            name: (*name).to_owned(),
            help: (*help).to_owned(),
            label_keys: COMMON.iter().chain(extra.iter()).map(|k| (*k).to_owned()).collect(),
        };
        DESCRIPTORS.iter().map(describe).collect()
    }

    /// ListPodSandboxMetrics.
    pub(crate) fn list_pod_sandbox_metrics(&self) -> Vec<v1::PodSandboxMetrics> {
        let now = self.now();
        let sandboxes = self.list_pod_sandbox(None);
        let mut all = Vec::new();
        for sandbox in sandboxes.into_iter().filter(|s| s.state == v1::PodSandboxState::SandboxReady as i32) {
            let metadata = sandbox.metadata.unwrap_or_default();
            let containers: Vec<_> = {
                let state = self.lock();
                let of = state.containers_of(&sandbox.id);
                of.into_iter().filter(|c| c.state == ContainerState::ContainerRunning).cloned().collect()
            };
            let metrics = |id: &str, name: &str, image: &str, stats: Option<&v1::ContainerStats>| -> Vec<v1::Metric> {
                DESCRIPTORS
                    .iter()
                    .map(|(metric, _, counter, extra)| {
                        let common = [id, name, image, metadata.namespace.as_str(), metadata.name.as_str()];
                        let memory = stats
                            .and_then(|s| s.memory.as_ref())
                            .and_then(|m| m.working_set_bytes)
                            .map_or(0, |v| v.value);
                        let cpu = stats
                            .and_then(|s| s.cpu.as_ref())
                            .and_then(|c| c.usage_core_nano_seconds)
                            .map_or(0, |v| v.value);
                        let value = match *metric {
                            "container_memory_working_set_bytes"
                            | "container_memory_usage_bytes"
                            | "container_memory_rss" => memory,
                            "container_cpu_usage_seconds_total" => cpu / 1_000_000_000,
                            "container_last_seen" => u64::try_from(now / 1_000_000_000).unwrap_or(0),
                            "container_start_time_seconds" => {
                                u64::try_from(sandbox.created_at / 1_000_000_000).unwrap_or(0)
                            }
                            _ => 0,
                        };
                        v1::Metric {
                            name: (*metric).to_owned(),
                            timestamp: now,
                            metric_type: if *counter { MetricType::Counter } else { MetricType::Gauge } as i32,
                            label_values: common.iter().chain(extra.iter()).map(|v| (*v).to_owned()).collect(),
                            value: Some(v1::UInt64Value { value }),
                        }
                    })
                    .collect()
            };
            all.push(v1::PodSandboxMetrics {
                pod_sandbox_id: sandbox.id.clone(),
                metrics: metrics(&sandbox.id, "POD", "", None),
                container_metrics: containers
                    .iter()
                    .map(|c| v1::ContainerMetrics {
                        container_id: c.id.clone(),
                        metrics: metrics(
                            &c.id,
                            &c.metadata().name,
                            &c.image_name,
                            self.container_stats(&c.id).ok().as_ref(),
                        ),
                    })
                    .collect(),
            });
        }
        all
    }
}
