//! One value per rule that breaks it, with upstream's words.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn faults(settings: &[(&str, Value)], cgroups: CgroupVersion) -> Vec<String> {
    let mut document = Document::flags_only();
    for (path, value) in settings {
        document.set(path, value.clone());
    }
    all(&document, &FeatureGates::default(), cgroups)
}

#[test]
fn the_defaults_keep_every_rule() {
    assert_eq!(faults(&[], CgroupVersion::V2), Vec::<String>::new());
}

#[rstest]
#[case("nodeLeaseDurationSeconds", json!(-1), "nodeLeaseDurationSeconds must be greater than 0")]
#[case("systemCgroups", json!("/system"), "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified")]
#[case("eventBurst", json!(-1), "eventBurst (--event-burst) -1 must not be a negative number")]
#[case("eventRecordQPS", json!(-1), "eventRecordQPS (--event-qps) -1 must not be a negative number")]
#[case("healthzPort", json!(65536), "healthzPort (--healthz-port) 65536 must be between 1 and 65535, inclusive")]
#[case("cpuCFSQuotaPeriod", json!("2s"), "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {2s} must be between 1ms and 1sec, inclusive")]
#[case("imageGCHighThresholdPercent", json!(101), "imageGCHighThresholdPercent (--image-gc-high-threshold) 101 must be between 0 and 100, inclusive")]
#[case("imageGCLowThresholdPercent", json!(85), "imageGCLowThresholdPercent (--image-gc-low-threshold) 85 must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) 85")]
#[case("imageMinimumGCAge", json!("-1s"), "imageMinimumGCAge -1s must not be negative")]
#[case("imageMaximumGCAge", json!("1m0s"), "imageMaximumGCAge 1m0s must be greater than imageMinimumGCAge 2m0s")]
#[case("nodeStatusMaxImages", json!(-2), "nodeStatusMaxImages (--node-status-max-images) -2 must be -1 or greater")]
#[case("oomScoreAdj", json!(1001), "oomScoreAdj (--oom-score-adj) 1001 must be between -1000 and 1000, inclusive")]
#[case("port", json!(0), "port (--port) 0 must be between 1 and 65535, inclusive")]
#[case("readOnlyPort", json!(-1), "readOnlyPort (--read-only-port) -1 must be between 0 and 65535, inclusive")]
#[case("registryPullQPS", json!(-1), "registryPullQPS (--registry-qps) -1 must not be a negative number")]
#[case("maxParallelImagePulls", json!(0), "maxParallelImagePulls 0 must be a positive number")]
#[case("maxParallelImagePulls", json!(2), "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is set to false")]
#[case("runOnce", json!(true), "runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set")]
#[case("topologyManagerPolicy", json!("x"), "topologyManagerPolicy (--topology-manager-policy) \"x\" must be one of: [\"none\" \"best-effort\" \"restricted\" \"single-numa-node\"]")]
#[case("topologyManagerScope", json!("x"), "topologyManagerScope (--topology-manager-scope) \"x\" must be one of: \"container\", or \"pod\"")]
#[case("shutdownGracePeriod", json!("500ms"), "shutdownGracePeriod {500ms} must be either zero or otherwise >= 1 sec")]
#[case("memorySwap.swapBehavior", json!("x"), "memorySwap.swapBehavior \"x\" must be one of: \"\", \"LimitedSwap\" or \"NoSwap\"")]
#[case("crashLoopBackOff.maxContainerRestartPeriod", json!("301s"), "CrashLoopBackOff.MaxContainerRestartPeriod (got: 301 seconds) must be set between 1s and 300s")]
#[case("hairpinMode", json!("x"), "option \"x\" specified for hairpinMode (--hairpin-mode). Valid options are \"none\", \"hairpin-veth\" or \"promiscuous-bridge\"")]
#[case("cgroupsPerQOS", json!(false), "cgroupsPerQOS (--cgroups-per-qos) must be set to true when \"pods\" contained in enforceNodeAllocatable (--enforce-node-allocatable)")]
#[case("enforceNodeAllocatable", json!(["pods", "pods"]), "duplicated enforcements \"pods\" in enforceNodeAllocatable (--enforce-node-allocatable)")]
#[case("enforceNodeAllocatable", json!(["none", "pods"]), "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional enforcements when \"none\" is specified")]
#[case("showHiddenMetricsForVersion", json!("1.30"), "invalid showHiddenMetricsForVersion: showHiddenMetricsForVersion: Invalid value: \"1.30\": must be omitted or have the value '1.35'; only the previous minor version is allowed")]
#[case("memoryThrottlingFactor", json!(1.5), "memoryThrottlingFactor 1.5 must be greater than 0 and less than or equal to 1.0")]
#[case("memoryReservationPolicy", json!("TieredReservation"), "memoryReservationPolicy \"TieredReservation\" requires MemoryQoS feature gate to be enabled")]
#[case("containerLogMaxWorkers", json!(0), "containerLogMaxWorkers must be greater than or equal to 1")]
#[case("containerLogMonitorInterval", json!("2s"), "containerLogMonitorInterval must be a positive time duration greater than or equal to 3s")]
#[case("containerLogMaxFiles", json!(1), "containerLogMaxFiles must be greater than 1")]
#[case("podLogsDir", json!("logs"), "pod logs path \"logs\" must be absolute path")]
#[case("podLogsDir", json!("/lögs"), "pod logs path \"/lögs\" mut contains ASCII characters only")]
#[case("userNamespaces.idsPerPod", json!(65537), "userNamespaces.idsPerPod must be a multiple of 65536")]
fn a_broken_rule_is_told_in_upstreams_words(#[case] path: &str, #[case] value: Value, #[case] text: &str) {
    assert_eq!(faults(&[(path, value)], CgroupVersion::V2), [format!("invalid configuration: {text}")]);
}

#[test]
fn all_broken_rules_are_told_in_upstreams_order() {
    let found = faults(
        &[("podLogsDir", json!("x")), ("maxPods", json!(-1)), ("nodeLeaseDurationSeconds", json!(0))],
        CgroupVersion::V2,
    );
    let fields: Vec<&str> = found.iter().map(|f| f.split(' ').nth(2).unwrap()).collect();
    assert_eq!(fields, ["nodeLeaseDurationSeconds", "maxPods", "pod"]);
}

#[rstest]
#[case(&[("failCgroupV1", json!(false))], 0)]
#[case(&[], 1)]
#[case(&[("singleProcessOOMKill", json!(false))], 2)]
#[case(&[("singleProcessOOMKill", json!(true)), ("failCgroupV1", json!(false))], 0)]
fn cgroup_v1_has_rules_of_its_own(#[case] settings: &[(&str, Value)], #[case] count: usize) {
    assert_eq!(faults(settings, CgroupVersion::V1).len(), count);
}

#[rstest]
#[case(&["node.kubernetes.io/x", "kubernetes.io/os", "example.com/role"], true)]
#[case(&["kubernetes.io/x"], false)]
#[case(&["sub.k8s.io/x"], false)]
#[case(&["-bad-"], false)]
fn labels_of_reserved_domains_are_limited(#[case] keys: &[&str], #[case] fine: bool) {
    let labels = keys.iter().map(|k| ((*k).to_owned(), "v".to_owned())).collect();
    assert_eq!(node_labels(&labels).is_ok(), fine);
}
