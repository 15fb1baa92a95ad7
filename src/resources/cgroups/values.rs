//! What a control group of the kubelet's holds: processor time, memory, processes, huge pages; as files of either hierarchy and as
//! properties of a systemd slice. Pure. As kubelet 1.36.

use k8s_openapi::api::core::v1::Pod;
use world::machine::{CgroupVersion, Facts};

use crate::{
    api::qos::{self, QosClass},
    node::Enforced,
    resources::{
        huge_pages,
        linux::{MIN_SHARES, cpu_quota, cpu_shares, cpu_weight},
        totals::{Side, all_limited, of_pod},
    },
    runtime::RuntimeSettings,
};

/// No bound on huge pages, in the number that upstream writes for it.
const NO_HUGE_PAGE_BOUND: i64 = 1 << 62;

/// The values of one group. What is `None` is left as the kernel made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// Its part of processor time, in cgroup v1's shares.
    pub(crate) shares: Option<i64>,
    /// Microseconds of processor time per period of so many microseconds; negative is no bound.
    pub(crate) quota: Option<(i64, u128)>,
    /// Bytes of memory.
    pub(crate) memory: Option<i64>,
    /// Processes.
    pub(crate) pids: Option<u64>,
    /// Bytes of huge pages, by size of page in KiB.
    pub(crate) huge_pages: Vec<(u64, i64)>,
}

impl Values {
    /// A pod's.
    pub(crate) fn of_pod(pod: &Pod, settings: &RuntimeSettings) -> Self {
        let class = qos::class(pod);
        let cpu = of_pod(pod, Side::Requests, "cpu").unwrap_or(0);
        let limit = |resource: &str| {
            let all = class == QosClass::Guaranteed || (class == QosClass::Burstable && all_limited(pod, resource));
            of_pod(pod, Side::Limits, resource).filter(|_| all)
        };
        let period = settings.cpu_cfs_quota_period;
        let quota = |cpu| if settings.cpu_cfs_quota { cpu_quota(cpu, period) } else { -1 };
        let pages = |&kib: &u64| (kib, of_pod(pod, Side::Limits, &huge_pages::resource(kib)).unwrap_or(0));
        Self {
            shares: Some(if class == QosClass::BestEffort { MIN_SHARES } else { cpu_shares(cpu) }),
            quota: limit("cpu").map(|cpu| (quota(cpu), period.as_micros())),
            memory: limit("memory"),
            pids: settings.pod_pids_limit,
            huge_pages: settings.facts.huge_pages.keys().map(pages).collect(),
        }
    }

    /// Those of the burstable class: what its pods ask for together.
    pub(crate) fn of_burstable<'a>(pods: impl Iterator<Item = &'a Pod>, facts: &Facts) -> Self {
        let asked = pods.filter(|pod| qos::class(pod) == QosClass::Burstable);
        let sum = asked.filter_map(|pod| of_pod(pod, Side::Requests, "cpu")).fold(0_i64, i64::saturating_add);
        Self::of_class(cpu_shares(sum), facts)
    }

    /// Those of the best-effort class, which gets what is left over.
    pub(crate) fn of_best_effort(facts: &Facts) -> Self {
        Self::of_class(MIN_SHARES, facts)
    }

    fn of_class(shares: i64, facts: &Facts) -> Self {
        let huge_pages = facts.huge_pages.keys().map(|&kib| (kib, NO_HUGE_PAGE_BOUND)).collect();
        Self { shares: Some(shares), huge_pages, ..Self::default() }
    }

    /// Those of all pods together.
    pub(crate) fn of_node(enforced: &Enforced) -> Self {
        Self {
            shares: Some(cpu_shares(enforced.milli_cpu)),
            quota: None,
            memory: Some(enforced.memory),
            pids: Some(enforced.pids),
            huge_pages: enforced.huge_pages.iter().map(|(&kib, &bytes)| (kib, bytes)).collect(),
        }
    }

    /// As systemd can have them: it counts quotas in whole hundredths of a processor, and what is written beside it must say the same.
    pub(crate) fn rounded_for_systemd(mut self) -> Self {
        self.quota = self.quota.map(|(quota, period)| match quota_per_second(quota, period) {
            Some(per_second) => {
                (i64::try_from(u128::from(per_second) * period / 1_000_000).unwrap_or(i64::MAX), period)
            }
            None => (quota, period),
        });
        self
    }

    /// Names and contents of files, for both versions of the hierarchy: those that are not there are to be skipped.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut put = |name: &str, value: String| files.push((name.to_owned(), value));
        if let Some(shares) = self.shares {
            put("cpu.weight", cpu_weight(shares).to_string());
            put("cpu.shares", shares.to_string());
        }
        if let Some((quota, period)) = self.quota {
            let text = if quota < 0 { "max".to_owned() } else { quota.to_string() };
            put("cpu.max", format!("{text} {period}"));
            put("cpu.cfs_period_us", period.to_string());
            put("cpu.cfs_quota_us", quota.to_string());
        }
        if let Some(memory) = self.memory {
            put("memory.max", memory.to_string());
            put("memory.limit_in_bytes", memory.to_string());
        }
        if let Some(pids) = self.pids {
            put("pids.max", pids.to_string());
        }
        for &(kib, bytes) in &self.huge_pages {
            let size = huge_pages::page_size(kib);
            put(&format!("hugetlb.{size}.max"), bytes.to_string());
            put(&format!("hugetlb.{size}.limit_in_bytes"), bytes.to_string());
        }
        files
    }

    /// Names, D-Bus signatures and values of a systemd slice's properties.
    pub(crate) fn properties(&self, version: CgroupVersion) -> Vec<(&'static str, &'static str, String)> {
        let v2 = version == CgroupVersion::V2;
        let mut properties = Vec::new();
        if let Some(shares) = self.shares {
            let (name, value) = if v2 { ("CPUWeight", cpu_weight(shares)) } else { ("CPUShares", shares) };
            properties.push((name, "t", value.to_string()));
        }
        if let Some((quota, period)) = self.quota {
            properties.push(("CPUQuotaPeriodUSec", "t", period.to_string()));
            let per_second = quota_per_second(quota, period).unwrap_or(u64::MAX);
            properties.push(("CPUQuotaPerSecUSec", "t", per_second.to_string()));
        }
        if let Some(memory) = self.memory {
            properties.push((if v2 { "MemoryMax" } else { "MemoryLimit" }, "t", memory.to_string()));
        }
        if let Some(pids) = self.pids {
            properties.push(("TasksMax", "t", pids.to_string()));
        }
        properties
    }
}

/// Microseconds of processor time a second, up to the next hundredth of a processor; `None` is no bound.
fn quota_per_second(quota: i64, period: u128) -> Option<u64> {
    let quota = u128::try_from(quota).ok().filter(|&quota| quota > 0)?;
    let per_second = (quota * 1_000_000 / period.max(1)).div_ceil(10_000) * 10_000;
    Some(u64::try_from(per_second).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn pod(resources: &[Value]) -> Pod {
        let containers: Vec<Value> =
            resources.iter().enumerate().map(|(i, r)| json!({"name": format!("c{i}"), "resources": r})).collect();
        serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {"containers": containers}})).unwrap()
    }

    fn file(values: &Values, name: &str) -> Option<String> {
        values.files().into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// The worked values of upstream's documents: weight, quota and memory.
    #[rstest]
    #[case(&[json!({"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "500m", "memory": "128Mi"}})], "20", Some("50000 100000"), Some("134217728"))]
    #[case(&[json!({"requests": {"cpu": "250m"}})], "10", None, None)]
    #[case(&[json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}), json!({})], "39", None, None)]
    #[case(&[json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), json!({"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "250m"}})], "30", Some("150000 100000"), Some("1610612736"))]
    #[case(&[json!({})], "1", None, None)]
    fn of_pods(
        #[case] resources: &[Value],
        #[case] weight: &str,
        #[case] cpu: Option<&str>,
        #[case] memory: Option<&str>,
    ) {
        let values = Values::of_pod(&pod(resources), &RuntimeSettings::new("n", Facts::simulated()));
        assert_eq!(
            (
                file(&values, "cpu.weight").as_deref(),
                file(&values, "cpu.max").as_deref(),
                file(&values, "memory.max").as_deref()
            ),
            (Some(weight), cpu, memory)
        );
    }

    #[test]
    fn huge_pages_are_none_but_those_asked_for() {
        let limits = json!({"limits": {"hugepages-2Mi": "6Mi", "cpu": "1", "memory": "1Gi"}});
        let values = Values::of_pod(&pod(&[limits]), &RuntimeSettings::new("n", Facts::simulated()));
        assert_eq!(file(&values, "hugetlb.2MB.max").as_deref(), Some("6291456"));
        assert_eq!(file(&values, "hugetlb.1GB.limit_in_bytes").as_deref(), Some("0"));
        assert_eq!(
            file(&Values::of_best_effort(&Facts::simulated()), "hugetlb.2MB.max").as_deref(),
            Some("4611686018427387904")
        );
    }

    #[test]
    fn the_burstable_class_has_what_its_pods_ask_for() {
        let asks = |cpu: &str| pod(&[json!({"requests": {"cpu": cpu}})]);
        let guaranteed =
            pod(&[json!({"requests": {"cpu": "4", "memory": "1"}, "limits": {"cpu": "4", "memory": "1"}})]);
        let pods = [asks("250m"), asks("1"), pod(&[json!({})]), guaranteed];
        assert_eq!(Values::of_burstable(pods.iter(), &Facts::simulated()).shares, Some(1280));
        assert_eq!(Values::of_burstable([].into_iter(), &Facts::simulated()).shares, Some(2));
    }

    /// Two processors as the host that upstream was recorded on.
    #[test]
    fn the_node_has_what_is_not_reserved() {
        let enforced =
            Enforced { milli_cpu: 2000, memory: 3_060_547_584, pids: 23_158, huge_pages: [(2048, 0)].into() };
        let values = Values::of_node(&enforced);
        assert_eq!(file(&values, "cpu.weight").as_deref(), Some("79"));
        assert_eq!(file(&values, "memory.max").as_deref(), Some("3060547584"));
        assert_eq!(file(&values, "pids.max").as_deref(), Some("23158"));
        assert_eq!(file(&values, "hugetlb.2MB.max").as_deref(), Some("0"));
    }

    #[rstest]
    #[case("1", 100, "100000", "1000000")]
    #[case("15m", 100, "2000", "20000")]
    #[case("333m", 100, "34000", "340000")]
    #[case("500m", 50, "25000", "500000")]
    fn systemd_counts_in_hundredths(
        #[case] cpu: &str,
        #[case] period: u64,
        #[case] quota: &str,
        #[case] per_second: &str,
    ) {
        let mut settings = RuntimeSettings::new("n", Facts::simulated());
        settings.cpu_cfs_quota_period = Duration::from_millis(period);
        let pod = pod(&[json!({"limits": {"cpu": cpu, "memory": "1"}})]);
        let values = Values::of_pod(&pod, &settings).rounded_for_systemd();
        assert_eq!(file(&values, "cpu.cfs_quota_us").as_deref(), Some(quota));
        let properties = values.properties(CgroupVersion::V2);
        assert!(properties.contains(&("CPUQuotaPerSecUSec", "t", per_second.to_owned())), "{properties:?}");
    }
}
