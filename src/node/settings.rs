//! The values of the configuration and of the node that the runtime half works with. Decides nothing: each value has one source.

use std::time::Duration;

use world::machine::Facts;

use super::{Allocatable, ReservationError, addresses};
use crate::{
    config::{CgroupDriver, KubeletConfig},
    images::verification::Verification,
    runtime::{self, ContainerGcPolicy, ImageSettings, RuntimeSettings, backoff},
};

/// Settings for the runtime half. `driver` is what the runtime says about control groups, or else the configuration.
///
/// # Errors
/// What is reserved for the system is more than the node has, or cannot be read.
pub fn runtime_settings(
    config: &KubeletConfig,
    facts: Facts,
    driver: CgroupDriver,
) -> Result<RuntimeSettings, ReservationError> {
    let allocatable = Allocatable::of(config, &facts, None)?;
    let (crash_loop_initial, crash_loop_max) = crash_loop(config);
    let node_addresses = addresses(config, &facts).unwrap_or_else(|error| {
        tracing::error!(err = %error, "Failed to set some node status fields");
        Vec::new()
    });
    Ok(RuntimeSettings {
        root_dir: config.root_dir.clone(),
        pod_logs_dir: config.pod_logs_dir.clone(),
        container_log_links_dir: config.container_log_links_dir.clone(),
        resolv_conf: config.resolv_conf.as_ref().map(|p| p.display().to_string()).unwrap_or_default(),
        cluster_dns: config.cluster_dns.iter().map(ToString::to_string).collect(),
        cluster_domain: config.cluster_domain.clone(),
        cgroups_per_qos: config.cgroups_per_qos,
        cgroup_root: config.cgroup_root.clone(),
        cgroup_driver: match driver {
            CgroupDriver::Cgroupfs => runtime::CgroupDriver::Cgroupfs,
            CgroupDriver::Systemd => runtime::CgroupDriver::Systemd,
        },
        pod_pids_limit: config.pod_pids_limit,
        cpu_cfs_quota: config.cpu_cfs_quota,
        cpu_cfs_quota_period: config.cpu_cfs_quota_period,
        seccomp_default: config.seccomp_default,
        single_process_oom_kill: config.single_process_oom_kill,
        crash_loop_initial,
        crash_loop_max,
        gc: ContainerGcPolicy {
            min_age: config.minimum_container_ttl,
            max_per_container: config.max_dead_containers_per_container,
            max_containers: config.max_dead_containers,
        },
        images: ImageSettings {
            serialize_pulls: config.serialize_image_pulls,
            max_parallel: config.max_parallel_image_pulls.and_then(|n| usize::try_from(n).ok()),
            registry_qps: config.registry_pull_qps.unwrap_or(0),
            registry_burst: config.registry_burst,
            verification: Verification {
                policy: config.image_pull_credentials_verification_policy,
                allowlist: config.preloaded_images_verification_allowlist.clone(),
            },
            providers: Vec::new(),
            ensure_secret_pulled: config.feature_gates.enabled("KubeletEnsureSecretPulledImages"),
        },
        user_namespace_ids: config.user_namespace_ids_per_pod,
        stop_signals: config.feature_gates.enabled("ContainerStopSignals"),
        allocatable_milli_cpu: allocatable.milli_cpu,
        allocatable_memory: allocatable.memory,
        local_objects: config.local_objects.clone(),
        node_ips: config.node_ips.clone(),
        node_addresses,
        ..RuntimeSettings::new(&config.node_name, facts)
    })
}

/// First and longest wait of crash loops: a gate makes both shorter, and what the operator wrote has the last word on the longest.
fn crash_loop(config: &KubeletConfig) -> (Duration, Duration) {
    let written = config.max_container_restart_period;
    let (initial, default) = match config.feature_gates.enabled("ReduceDefaultCrashLoopBackOffDecay") {
        true => (Duration::from_secs(1), Duration::from_secs(60)),
        false => (backoff::INITIAL, backoff::MAX),
    };
    let longest = match config.feature_gates.enabled("KubeletCrashLoopBackOffMax") {
        true if written != backoff::MAX => written,
        _ => default,
    };
    (initial.min(longest), longest)
}

#[cfg(test)]
mod tests {
    use world::sim::{self, Limits};

    use super::*;
    use crate::config::{Invocation, load};

    #[test]
    fn without_a_configuration_they_are_the_runtime_halfs_own_defaults() {
        sim::run(1, Limits::default(), |sim, _| async move {
            let Invocation::Run(loaded) = load(&sim.world, &[]).unwrap() else { panic!("printed") };
            let facts = sim.world.machine.facts().unwrap();
            let mut own = RuntimeSettings::new("node1", facts.clone());
            own.cgroup_root = "/".to_owned();
            own.allocatable_milli_cpu = own.milli_cpu();
            own.allocatable_memory = own.memory();
            let ours = runtime_settings(&loaded.config, facts, CgroupDriver::Cgroupfs).unwrap();
            assert_eq!(format!("{ours:?}"), format!("{own:?}"));
        })
        .unwrap();
    }
}
