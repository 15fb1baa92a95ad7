//! Numbers that move: processor and memory of containers and pods. Plausible, monotone, and the same for the same time.

use cri_proto::v1::{self, ContainerState};
use tonic::Status;

use super::Runtime;
use crate::model::{Container, Sandbox, find};

/// Share of a processor that a running container uses, in nanoseconds a second.
const NANO_CORES: u64 = 1_000_000;
/// Memory that a process holds besides what it asks for, in bytes.
const PROCESS_BYTES: u64 = 512 * 1024;

fn value(value: u64) -> Option<v1::UInt64Value> {
    Some(v1::UInt64Value { value })
}

impl Runtime {
    fn cpu(&self, container: &Container) -> v1::CpuUsage {
        let ran = container.started.map(|s| s.elapsed()).unwrap_or_default();
        let used = u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX) / 1_000_000_000 * NANO_CORES
            + u64::from(ran.subsec_millis()) * NANO_CORES / 1000;
        v1::CpuUsage {
            timestamp: self.now(),
            usage_core_nano_seconds: value(used),
            // A rate needs two samples.
            usage_nano_cores: if ran.as_secs() > 0 { value(NANO_CORES) } else { None },
            psi: None,
        }
    }

    fn memory(&self, container: &Container) -> v1::MemoryUsage {
        let processes = container.kernel.as_ref().map(|k| k.processes()).unwrap_or_default();
        let used = processes.iter().map(|p| p.memory() + PROCESS_BYTES).sum();
        let limit = container.resources.as_ref().map_or(0, |r| r.memory_limit_in_bytes);
        v1::MemoryUsage {
            timestamp: self.now(),
            working_set_bytes: value(used),
            available_bytes: u64::try_from(limit).ok().filter(|l| *l > 0).and_then(|l| value(l.saturating_sub(used))),
            usage_bytes: value(used),
            rss_bytes: value(used),
            page_faults: value(processes.len() as u64 * 100),
            major_page_faults: value(0),
            psi: None,
        }
    }

    fn stats_of(&self, container: &Container) -> v1::ContainerStats {
        v1::ContainerStats {
            attributes: Some(v1::ContainerAttributes {
                id: container.id.clone(),
                metadata: Some(container.metadata()),
                labels: container.config.labels.clone(),
                annotations: container.config.annotations.clone(),
            }),
            cpu: Some(self.cpu(container)),
            memory: Some(self.memory(container)),
            writable_layer: Some(v1::FilesystemUsage {
                timestamp: self.now(),
                fs_id: Some(v1::FilesystemIdentifier { mountpoint: self.config.image_mountpoint.clone() }),
                used_bytes: value(8192),
                inodes_used: value(4),
            }),
            swap: Some(v1::SwapUsage {
                timestamp: self.now(),
                swap_available_bytes: value(0),
                swap_usage_bytes: value(0),
            }),
            io: None,
        }
    }

    /// ContainerStats.
    pub(crate) fn container_stats(&self, id: &str) -> Result<v1::ContainerStats, Status> {
        Ok(self.stats_of(&self.container(id)?))
    }

    /// ListContainerStats: of running containers.
    pub(crate) fn list_container_stats(&self, filter: Option<&v1::ContainerStatsFilter>) -> Vec<v1::ContainerStats> {
        let filter = filter.cloned().unwrap_or_default();
        let running = v1::ContainerFilter {
            id: filter.id,
            pod_sandbox_id: filter.pod_sandbox_id,
            label_selector: filter.label_selector,
            state: Some(v1::ContainerStateValue { state: ContainerState::ContainerRunning as i32 }),
        };
        let ids: Vec<String> = self.list_containers(Some(&running)).into_iter().map(|c| c.id).collect();
        ids.iter().filter_map(|id| self.container(id).ok()).map(|c| self.stats_of(&c)).collect()
    }

    fn pod_stats_of(&self, sandbox: &Sandbox) -> v1::PodSandboxStats {
        let containers: Vec<Container> = {
            let state = self.lock();
            let of = state.containers_of(&sandbox.id);
            of.into_iter().filter(|c| c.state == ContainerState::ContainerRunning).cloned().collect()
        };
        let now = self.now();
        let sum = |pick: &dyn Fn(&Container) -> u64| value(containers.iter().map(pick).sum());
        let working = |c: &Container| self.memory(c).working_set_bytes.map_or(0, |v| v.value);
        let seconds = u64::try_from(now.saturating_sub(sandbox.created_at) / 1_000_000_000).unwrap_or(0);
        let interface = v1::NetworkInterfaceUsage {
            name: "eth0".to_owned(),
            rx_bytes: value(1000 + seconds * 10),
            rx_errors: value(0),
            tx_bytes: value(500 + seconds * 5),
            tx_errors: value(0),
        };
        v1::PodSandboxStats {
            attributes: Some(v1::PodSandboxAttributes {
                id: sandbox.id.clone(),
                metadata: Some(sandbox.metadata()),
                labels: sandbox.config.labels.clone(),
                annotations: sandbox.config.annotations.clone(),
            }),
            linux: Some(v1::LinuxPodSandboxStats {
                cpu: Some(v1::CpuUsage {
                    timestamp: now,
                    usage_core_nano_seconds: sum(&|c| self.cpu(c).usage_core_nano_seconds.map_or(0, |v| v.value)),
                    usage_nano_cores: value(NANO_CORES * containers.len() as u64),
                    psi: None,
                }),
                memory: Some(v1::MemoryUsage {
                    timestamp: now,
                    working_set_bytes: sum(&working),
                    usage_bytes: sum(&working),
                    rss_bytes: sum(&working),
                    ..Default::default()
                }),
                network: Some(v1::NetworkUsage {
                    timestamp: now,
                    default_interface: Some(interface),
                    interfaces: Vec::new(),
                }),
                process: Some(v1::ProcessUsage {
                    timestamp: now,
                    process_count: sum(&|c| c.kernel.as_ref().map_or(0, |k| k.processes().len() as u64)),
                }),
                containers: containers.iter().map(|c| self.stats_of(c)).collect(),
                io: None,
            }),
            windows: None,
        }
    }

    /// PodSandboxStats.
    pub(crate) fn pod_sandbox_stats(&self, id: &str) -> Result<v1::PodSandboxStats, Status> {
        Ok(self.pod_stats_of(&self.sandbox(id)?))
    }

    /// ListPodSandboxStats: of ready sandboxes.
    pub(crate) fn list_pod_sandbox_stats(
        &self,
        filter: Option<&v1::PodSandboxStatsFilter>,
    ) -> Vec<v1::PodSandboxStats> {
        let filter = filter.cloned().unwrap_or_default();
        let sandboxes: Vec<Sandbox> = {
            let state = self.lock();
            let wanted = find(&state.sandboxes, &filter.id).map(|s| s.id.clone());
            let held = |s: &&Sandbox| {
                s.ready
                    && (filter.id.is_empty() || wanted.as_ref() == Some(&s.id))
                    && filter.label_selector.iter().all(|(k, v)| s.config.labels.get(k) == Some(v))
            };
            state.sandboxes.values().filter(held).cloned().collect()
        };
        sandboxes.iter().map(|s| self.pod_stats_of(s)).collect()
    }
}
