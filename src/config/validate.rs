//! The rules that a configuration must keep, in upstream's order and words. Pure: values in, texts out. Upstream's
//! ValidateKubeletConfiguration, its flag validation and its logging validation.

use std::collections::BTreeMap;

use world::machine::CgroupVersion;

use super::{document::Document, gates::FeatureGates};
use crate::api::duration::GoDuration;

mod cgroups;
mod labels;

pub use labels::node_labels;

/// Every rule that is broken, in upstream's order.
pub fn all(document: &Document, gates: &FeatureGates, cgroups: CgroupVersion) -> Vec<String> {
    let mut rules = Rules { document, faults: Vec::new() };
    rules.numbers();
    rules.images();
    rules.managers();
    rules.shutdown();
    rules.containers(gates);
    cgroups::enforcement(&mut rules);
    rules.choices();
    cgroups::reservations(&mut rules);
    cgroups::host(&mut rules, cgroups);
    rules.late(gates);
    rules.faults
}

/// The rules in the making.
struct Rules<'a> {
    document: &'a Document,
    faults: Vec<String>,
}

impl Rules<'_> {
    fn fault(&mut self, text: impl std::fmt::Display) {
        self.faults.push(format!("invalid configuration: {text}"));
    }

    fn not_negative(&mut self, field: &str, flag: &str) {
        let n = self.document.int(field);
        if n < 0 {
            self.fault(format!("{field} (--{flag}) {n} must not be a negative number"));
        }
    }

    fn between(&mut self, field: &str, flag: &str, low: i64, high: i64) {
        self.between_as(field, flag, low..=high, (low, high));
    }

    /// `allowed` decides, `shown` is printed: for healthzPort upstream allows 0 and does not say so.
    fn between_as(&mut self, field: &str, flag: &str, allowed: std::ops::RangeInclusive<i64>, shown: (i64, i64)) {
        let n = self.document.int(field);
        if !allowed.contains(&n) {
            self.fault(format!("{field} (--{flag}) {n} must be between {} and {}, inclusive", shown.0, shown.1));
        }
    }

    fn duration(&self, field: &str) -> GoDuration {
        self.document.duration(field)
    }

    fn numbers(&mut self) {
        let d = self.document;
        if d.int("nodeLeaseDurationSeconds") <= 0 {
            self.fault("nodeLeaseDurationSeconds must be greater than 0");
        }
        if !d.text("systemCgroups").is_empty() && d.text("cgroupRoot").is_empty() {
            self.fault(
                "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified",
            );
        }
        self.not_negative("eventBurst", "event-burst");
        self.not_negative("eventRecordQPS", "event-qps");
        self.between_as("healthzPort", "healthz-port", 0..=65535, (1, 65535));
        let period = self.duration("cpuCFSQuotaPeriod");
        if !(1_000_000..=1_000_000_000).contains(&period.0) {
            self.fault(format!(
                "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) {{{period}}} must be between 1ms and 1sec, inclusive"
            ));
        }
    }

    fn images(&mut self) {
        let d = self.document;
        self.between("imageGCHighThresholdPercent", "image-gc-high-threshold", 0, 100);
        self.between("imageGCLowThresholdPercent", "image-gc-low-threshold", 0, 100);
        let (low, high) = (d.int("imageGCLowThresholdPercent"), d.int("imageGCHighThresholdPercent"));
        if low >= high {
            self.fault(format!(
                "imageGCLowThresholdPercent (--image-gc-low-threshold) {low} must be less than imageGCHighThresholdPercent \
                 (--image-gc-high-threshold) {high}"
            ));
        }
        let (least, most) = (self.duration("imageMinimumGCAge"), self.duration("imageMaximumGCAge"));
        if least.0 < 0 {
            self.fault(format!("imageMinimumGCAge {least} must not be negative"));
        }
        if most.0 < 0 {
            self.fault(format!("imageMaximumGCAge {most} must not be negative"));
        }
        if most.0 > 0 && most <= least {
            self.fault(format!("imageMaximumGCAge {most} must be greater than imageMinimumGCAge {least}"));
        }
        self.between("iptablesDropBit", "iptables-drop-bit", 0, 31);
        self.between("iptablesMasqueradeBit", "iptables-masquerade-bit", 0, 31);
        self.not_negative("kubeAPIBurst", "kube-api-burst");
        self.not_negative("kubeAPIQPS", "kube-api-qps");
        if d.int("nodeStatusMaxImages") < -1 {
            let n = d.int("nodeStatusMaxImages");
            self.fault(format!("nodeStatusMaxImages (--node-status-max-images) {n} must be -1 or greater"));
        }
        self.not_negative("maxOpenFiles", "max-open-files");
        self.not_negative("maxPods", "max-pods");
        self.between("oomScoreAdj", "oom-score-adj", -1000, 1000);
        self.not_negative("podsPerCore", "pods-per-core");
        self.between("port", "port", 1, 65535);
        self.between("readOnlyPort", "read-only-port", 0, 65535);
        self.not_negative("registryBurst", "registry-burst");
        self.not_negative("registryPullQPS", "registry-qps");
        if d.get("maxParallelImagePulls").is_some() {
            let n = d.int("maxParallelImagePulls");
            if n < 1 {
                self.fault(format!("maxParallelImagePulls {n} must be a positive number"));
            }
            if n > 1 && d.flag("serializeImagePulls") {
                self.fault(
                    "maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is set to false",
                );
            }
        }
    }

    fn managers(&mut self) {
        let d = self.document;
        if d.flag("runOnce") {
            self.fault("runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set");
        }
        for taint in d.objects("registerWithTaints") {
            let (key, value, effect) = (taint.text("key"), taint.text("value"), taint.text("effect"));
            if key.is_empty() || !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
                self.faults.push(format!("invalid taint: {{{key} {value} {effect} <nil>}}"));
            }
        }
        let policy = d.text("topologyManagerPolicy");
        if !matches!(policy, "none" | "best-effort" | "restricted" | "single-numa-node") {
            self.fault(format!(
                "topologyManagerPolicy (--topology-manager-policy) {policy:?} must be one of: [\"none\" \"best-effort\" \"restricted\" \
                 \"single-numa-node\"]"
            ));
        }
        let scope = d.text("topologyManagerScope");
        if !matches!(scope, "container" | "pod") {
            self.fault(format!(
                "topologyManagerScope (--topology-manager-scope) {scope:?} must be one of: \"container\", or \"pod\""
            ));
        }
    }

    fn shutdown(&mut self) {
        let (all, critical) = (self.duration("shutdownGracePeriod"), self.duration("shutdownGracePeriodCriticalPods"));
        if critical > all {
            self.fault(format!(
                "shutdownGracePeriodCriticalPods {{{critical}}} must be <= shutdownGracePeriod {{{all}}}"
            ));
        }
        for (name, period) in [("shutdownGracePeriod", all), ("shutdownGracePeriodCriticalPods", critical)] {
            if period.0 < 0 || (1..1_000_000_000).contains(&period.0) {
                self.fault(format!("{name} {{{period}}} must be either zero or otherwise >= 1 sec"));
            }
        }
        if !self.document.objects("shutdownGracePeriodByPodPriority").is_empty() && (all.0 > 0 || critical.0 > 0) {
            self.fault("Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time");
        }
    }

    fn containers(&mut self, _gates: &FeatureGates) {
        let behavior = self.document.text("memorySwap.swapBehavior");
        if !matches!(behavior, "" | "LimitedSwap" | "NoSwap") {
            self.fault(format!(
                "memorySwap.swapBehavior {behavior:?} must be one of: \"\", \"LimitedSwap\" or \"NoSwap\""
            ));
        }
        let longest = self.duration("crashLoopBackOff.maxContainerRestartPeriod");
        if !(1_000_000_000..=300_000_000_000).contains(&longest.0) {
            self.fault(format!(
                "CrashLoopBackOff.MaxContainerRestartPeriod (got: {} seconds) must be set between 1s and 300s",
                longest.0 as f64 / 1e9
            ));
        }
    }

    fn choices(&mut self) {
        let mode = self.document.text("hairpinMode");
        if !matches!(mode, "none" | "hairpin-veth" | "promiscuous-bridge") {
            self.fault(format!(
                "option {mode:?} specified for hairpinMode (--hairpin-mode). Valid options are \"none\", \"hairpin-veth\" or \
                 \"promiscuous-bridge\""
            ));
        }
        let policy = self.document.text("imagePullCredentialsVerificationPolicy");
        if !matches!(
            policy,
            "NeverVerify" | "NeverVerifyPreloadedImages" | "NeverVerifyAllowlistedImages" | "AlwaysVerify"
        ) {
            self.fault(format!(
                "option {policy:?} specified for imagePullCredentialsVerificationPolicy. Valid options are \"NeverVerify\", \
                 \"NeverVerifyPreloadedImages\", \"NeverVerifyAllowlistedImages\" or \"AlwaysVerify\""
            ));
        }
    }

    fn late(&mut self, gates: &FeatureGates) {
        let d = self.document;
        let version = d.text("showHiddenMetricsForVersion");
        if !matches!(version, "" | "1.35") {
            self.fault(format!(
                "invalid showHiddenMetricsForVersion: showHiddenMetricsForVersion: Invalid value: {version:?}: must be omitted or have \
                 the value '1.35'; only the previous minor version is allowed"
            ));
        }
        let factor = d.float("memoryThrottlingFactor");
        if !(factor > 0.0 && factor <= 1.0) {
            self.fault(format!("memoryThrottlingFactor {factor} must be greater than 0 and less than or equal to 1.0"));
        }
        match d.text("memoryReservationPolicy") {
            "None" => {}
            "TieredReservation" if gates.enabled("MemoryQoS") => {}
            "TieredReservation" => {
                self.fault("memoryReservationPolicy \"TieredReservation\" requires MemoryQoS feature gate to be enabled");
            }
            other => self.fault(format!(
                "option {other:?} specified for memoryReservationPolicy. Valid options are \"None\" or \"TieredReservation\""
            )),
        }
        if d.text("containerRuntimeEndpoint").is_empty() {
            self.fault("the containerRuntimeEndpoint was not specified or empty");
        }
        if d.flag("enableSystemLogQuery") && !d.flag("enableSystemLogHandler") {
            self.fault("enableSystemLogHandler is required for enableSystemLogQuery");
        }
        if d.int("containerLogMaxWorkers") < 1 {
            self.fault("containerLogMaxWorkers must be greater than or equal to 1");
        }
        if self.duration("containerLogMonitorInterval") < GoDuration::from_secs(3) {
            self.fault("containerLogMonitorInterval must be a positive time duration greater than or equal to 3s");
        }
        if d.int("containerLogMaxFiles") <= 1 {
            self.fault("containerLogMaxFiles must be greater than 1");
        }
        self.pod_logs_dir();
    }

    fn pod_logs_dir(&mut self) {
        let path = self.document.text("podLogsDir");
        if path.is_empty() {
            self.fault("podLogsDir was not specified");
            return;
        }
        if !path.starts_with('/') {
            self.fault(format!("pod logs path {path:?} must be absolute path"));
        }
        if super::document::clean(std::path::Path::new(path)).as_os_str() != path {
            self.fault(format!("pod logs path {path:?} must be normalized"));
        }
        if !path.is_ascii() {
            // The slip of the pen is upstream's.
            self.fault(format!("pod logs path {path:?} mut contains ASCII characters only"));
        }
    }
}

/// The rules for `logging`.
///
/// # Errors
/// All that are broken, as upstream prints them.
pub fn logging(document: &Document) -> Result<(), String> {
    let mut faults = Vec::new();
    let format = document.text("logging.format");
    if !matches!(format, "text" | "json") {
        faults.push(format!("logging.format: Invalid value: {format:?}: Unsupported log format (use text or json)"));
    }
    if document.duration("logging.flushFrequency").0 <= 0 {
        let frequency = document.duration("logging.flushFrequency");
        faults.push(format!(
            "logging.flushFrequency: Invalid value: {:?}: Must be greater than zero",
            frequency.to_string()
        ));
    }
    let verbosity = document.int("logging.verbosity");
    if !(0..=i64::from(i32::MAX)).contains(&verbosity) {
        faults.push(format!("logging.verbosity: Invalid value: {verbosity}: Must be <= {}", i32::MAX));
    }
    if format != "text" && !document.objects("logging.vmodule").is_empty() {
        faults.push("logging.vmodule: Forbidden: Only supported for text log format".to_owned());
    }
    match faults.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

/// Quantities and names that have no rule of their own are kept as text: their owners parse them.
pub(super) type Named = BTreeMap<String, String>;

#[cfg(test)]
mod tests;
