//! Rules about control groups: what is enforced, what is reserved, and the hierarchy of the host. Part of `validate`.

use world::machine::CgroupVersion;

use super::Rules;
use crate::api::quantity::Quantity;

const FIELD: &str = "enforceNodeAllocatable (--enforce-node-allocatable)";

pub(super) fn enforcement(rules: &mut Rules<'_>) {
    let chosen = rules.document.texts("enforceNodeAllocatable");
    let per_qos = rules.document.flag("cgroupsPerQOS");
    for (n, key) in chosen.iter().enumerate() {
        if chosen[..n].contains(key) {
            rules.fault(format!("duplicated enforcements {key:?} in {FIELD}"));
            continue;
        }
        let (group, flag) = if key.starts_with("kube") {
            ("kubeReservedCgroup", "--kube-reserved-cgroup")
        } else {
            ("systemReservedCgroup", "--system-reserved-cgroup")
        };
        match key.as_str() {
            "none" => {
                if chosen.len() > 1 {
                    rules.fault(format!("{FIELD} may not contain additional enforcements when \"none\" is specified"));
                }
                continue;
            }
            "pods" => {}
            "system-reserved" | "system-reserved-compressible" | "kube-reserved" | "kube-reserved-compressible" => {
                let base = key.trim_end_matches("-compressible");
                if rules.document.text(group).is_empty() {
                    rules.fault(format!(
                        "{group} ({flag}) must be specified when \"{base}\" or \"{base}-compressible\" included in {FIELD}"
                    ));
                }
                if key == base && chosen.contains(&format!("{base}-compressible")) {
                    rules.fault(format!(
                        "both \"{base}\" and \"{base}-compressible\" cannot be specified together in {FIELD}"
                    ));
                }
            }
            _ => {
                rules.fault(format!(
                    "option {key:?} specified for {FIELD}. Valid options are \"pods\", \"system-reserved\", \
                     \"system-reserved-compressible\", \"kube-reserved\", \"kube-reserved-compressible\" or \"none\""
                ));
                continue;
            }
        }
        if !per_qos {
            rules.fault(format!(
                "cgroupsPerQOS (--cgroups-per-qos) must be set to true when {key:?} contained in {FIELD}"
            ));
        }
    }
}

pub(super) fn reservations(rules: &mut Rules<'_>) {
    let d = rules.document;
    if !d.text("reservedSystemCPUs").is_empty()
        && (!d.text("systemReservedCgroup").is_empty() || !d.text("kubeReservedCgroup").is_empty())
    {
        rules.fault(
            "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup (--system-reserved-cgroup) or kubeReservedCgroup \
             (--kube-reserved-cgroup)",
        );
    }
    let mut seen = Vec::new();
    for entry in d.objects("reservedMemory") {
        let node = entry.int("numaNode");
        for (kind, quantity) in entry.texts_by_name("limits") {
            if kind != "memory" && !kind.starts_with("hugepages-") {
                rules.fault(format!(
                    "the limit type {kind:?} for NUMA node {node} is not supported, only [memory hugepages-<HugePageSize>] is accepted"
                ));
            }
            if Quantity::parse(&quantity).is_ok_and(Quantity::is_zero) {
                rules.fault(format!("reserved memory may not be zero for NUMA node {node} and resource {kind:?}"));
            }
            if seen.contains(&(node, kind.clone())) {
                rules.fault(format!(
                    "the reserved memory has a duplicate value for NUMA node {node} and resource {kind:?}"
                ));
            }
            seen.push((node, kind));
        }
    }
}

pub(super) fn host(rules: &mut Rules<'_>, cgroups: CgroupVersion) {
    let d = rules.document;
    if cgroups == CgroupVersion::V1 {
        if d.flag("failCgroupV1") {
            // Upstream gives this one without a prefix; the way out is ours.
            rules.faults.push(
                "kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a \
                 future release (boot the host with cgroup v2, or set failCgroupV1: false in the kubelet configuration)"
                    .to_owned(),
            );
        }
        if d.get("singleProcessOOMKill").is_some() && !d.flag("singleProcessOOMKill") {
            rules.fault("singleProcessOOMKill must not be explicitly set to false when using cgroup v1");
        }
    }
    if d.get("userNamespaces.idsPerPod").is_some() {
        let ids = d.int("userNamespaces.idsPerPod");
        if ids < 65536 {
            rules.fault("userNamespaces.idsPerPod must not be less than 65536");
        } else if ids % 65536 != 0 {
            rules.fault("userNamespaces.idsPerPod must be a multiple of 65536");
        } else if ids > i64::from(u32::MAX) {
            rules.fault("userNamespaces.idsPerPod must not be more than 4294967295");
        }
    }
}
