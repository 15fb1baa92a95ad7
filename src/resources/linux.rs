//! Kernel values for amounts: CPU shares, quota, OOM score. Pure. As kubelet 1.36.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::{
    api::{pod::is_restartable_init as is_sidecar, qos::QosClass},
    resources::totals::{Side, of_container, of_pod_level},
};

/// The least `cpu.shares` there are.
pub const MIN_SHARES: i64 = 2;
/// The most `cpu.shares` there are.
pub const MAX_SHARES: i64 = 262_144;

/// CPU shares for thousandths of a CPU.
pub fn cpu_shares(milli: i64) -> i64 {
    if milli == 0 { MIN_SHARES } else { (milli.saturating_mul(1024) / 1000).clamp(MIN_SHARES, MAX_SHARES) }
}

/// CPU quota in microseconds per `period`; 0 is none. At least a millisecond.
pub fn cpu_quota(milli: i64, period: Duration) -> i64 {
    let period = i64::try_from(period.as_micros()).unwrap_or(i64::MAX);
    if milli == 0 { 0 } else { (milli.saturating_mul(period) / 1000).max(1000) }
}

/// cgroup v2's weight for shares, by the formula with which the kubelet itself writes.
pub fn cpu_weight(shares: i64) -> i64 {
    if shares >= MAX_SHARES { 10_000 } else { 1 + (shares.max(MIN_SHARES) - 2) * 9999 / 262_142 }
}

/// The shares that a weight stands for: what is read back of them.
pub fn shares_of_weight(weight: i64) -> i64 {
    (weight - 1) * 262_142 / 9999 + 2
}

/// `oom_score_adj` of a container in a node of `memory_capacity` bytes.
pub fn oom_score_adj(pod: &Pod, container: &Container, qos: QosClass, memory_capacity: i64) -> i64 {
    let spec = pod.spec.as_ref();
    if spec.and_then(|s| s.priority_class_name.as_deref()) == Some("system-node-critical") {
        return -997;
    }
    match qos {
        QosClass::Guaranteed => return -997,
        QosClass::BestEffort => return 1000,
        QosClass::Burstable => {}
    }
    let request = |c: &Container| of_container(c, Side::Requests, "memory").unwrap_or(0);
    let score = |memory: i64| 1000 - 1000_i64.saturating_mul(memory) / memory_capacity.max(1);
    let containers = || spec.into_iter().flat_map(|s| s.containers.iter());
    let inits = || spec.into_iter().flat_map(|s| s.init_containers.iter().flatten());
    let mut memory = request(container);
    if let Some(pod_level) = of_pod_level(pod, Side::Requests, "memory") {
        let sidecars = || inits().filter(|c| is_sidecar(c));
        let sum: i64 = containers().chain(sidecars()).map(request).sum();
        let count = i64::try_from(containers().chain(sidecars()).count()).unwrap_or(1).max(1);
        memory = memory.saturating_add((pod_level - sum).max(0) / count);
    }
    let mut adj = score(memory);
    let own_sidecar = is_sidecar(container) && inits().any(|c| c.name == container.name);
    if own_sidecar && let Some(least) = containers().map(request).min() {
        adj = adj.min(score(least));
    }
    // 1000 is for best effort, and what is below 3 for the system.
    if adj < 3 {
        3
    } else if adj == 1000 {
        999
    } else {
        adj
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 2)]
    #[case(1, 2)]
    #[case(100, 102)]
    #[case(500, 512)]
    #[case(600, 614)]
    #[case(1000, 1024)]
    #[case(10_000_000, 262_144)]
    fn shares(#[case] milli: i64, #[case] expected: i64) {
        assert_eq!(cpu_shares(milli), expected);
    }

    #[rstest]
    #[case(2, 1)]
    #[case(102, 4)]
    #[case(512, 20)]
    #[case(1024, 39)]
    #[case(262_144, 10_000)]
    fn weights(#[case] shares: i64, #[case] weight: i64) {
        assert_eq!(cpu_weight(shares), weight);
    }

    #[rstest]
    #[case(0, 0)]
    #[case(1, 1000)]
    #[case(500, 50_000)]
    #[case(1500, 150_000)]
    fn quotas(#[case] milli: i64, #[case] expected: i64) {
        assert_eq!(cpu_quota(milli, Duration::from_millis(100)), expected);
    }
}
