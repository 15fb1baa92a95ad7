//! The quality-of-service class of a pod, as upstream's `ComputePodQOS` computes it. Cgroup values are not here.

use k8s_openapi::api::core::v1::Pod;

use crate::api::pod;
use crate::api::quantity::Quantity;
use crate::api::totals::{self, Amounts, Side};

/// A pod's quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QosClass {
    /// Every container has cpu and memory limits equal to its requests.
    Guaranteed,
    /// Some request or limit is set.
    Burstable,
    /// No request and no limit.
    BestEffort,
}

impl QosClass {
    /// The word in `status.qosClass`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The class of a pod; one already in `status.qosClass` is kept, as upstream does.
pub fn class(pod: &Pod) -> QosClass {
    match pod.status.as_ref().and_then(|status| status.qos_class.as_deref()) {
        Some("Guaranteed") => QosClass::Guaranteed,
        Some("Burstable") => QosClass::Burstable,
        Some("BestEffort") => QosClass::BestEffort,
        _ => compute(pod),
    }
}

/// The class by the spec alone. Only positive cpu and memory count. A `spec.resources`, even an empty one, hides the
/// containers; otherwise all containers count, init containers too, and the sums of requests and limits are compared.
pub fn compute(pod: &Pod) -> QosClass {
    let mut requests = Amounts::new();
    let mut limits = Amounts::new();
    let mut all_limited = true;
    if let Some(resources) = &pod::spec(pod).resources {
        requests = counted(totals::amounts(resources.requests.as_ref()));
        limits = counted(totals::amounts(resources.limits.as_ref()));
        all_limited = limits.len() == 2;
    } else {
        for each in pod::containers(pod) {
            add(&mut requests, counted(totals::of_container(each.container, Side::Requests)));
            let own = counted(totals::of_container(each.container, Side::Limits));
            all_limited &= own.len() == 2;
            add(&mut limits, own);
        }
    }
    if requests.is_empty() && limits.is_empty() {
        QosClass::BestEffort
    } else if all_limited
        && requests.len() == limits.len()
        && requests.iter().all(|(name, each)| limits.get(name) == Some(each))
    {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

fn counted(amounts: Amounts) -> Amounts {
    amounts
        .into_iter()
        .filter(|(name, quantity)| matches!(name.as_str(), "cpu" | "memory") && quantity.sign() > 0)
        .collect()
}

fn add(sum: &mut Amounts, more: Amounts) {
    for (name, quantity) in more {
        let entry = sum.entry(name).or_insert(Quantity::ZERO);
        *entry = entry.plus(quantity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    const BOTH: &str = r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Gi"}}"#;

    #[rstest]
    #[case(&["{}"], None, QosClass::BestEffort)]
    #[case(&[BOTH], None, QosClass::Guaranteed)]
    #[case(&[BOTH, "{}"], None, QosClass::Burstable)]
    #[case(&[r#"{"requests":{"cpu":"1m"}}"#], None, QosClass::Burstable)]
    #[case(&[r#"{"requests":{"cpu":"0"}}"#], None, QosClass::BestEffort)]
    #[case(&[r#"{"requests":{"a.b/c":"1"},"limits":{"a.b/c":"1"}}"#], None, QosClass::BestEffort)]
    #[case(&[BOTH], Some("{}"), QosClass::BestEffort)]
    #[case(&["{}"], Some(BOTH), QosClass::Guaranteed)]
    #[case(&["{}"], Some(r#"{"limits":{"cpu":"1"}}"#), QosClass::Burstable)]
    fn classes_follow_requests_and_limits(
        #[case] containers: &[&str],
        #[case] own: Option<&str>,
        #[case] want: QosClass,
    ) {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let containers: Vec<Value> =
            containers.iter().map(|each| json!({"name": "c", "resources": read(each)})).collect();
        let mut spec = json!({"containers": containers});
        if let Some(own) = own {
            spec["resources"] = read(own);
        }
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).expect("pod");
        assert_eq!(class(&pod), want);
    }

    #[test]
    fn a_class_in_the_status_is_kept() {
        let pod: Pod = serde_json::from_value(json!({"status": {"qosClass": "Guaranteed"}})).expect("pod");
        assert_eq!(class(&pod), QosClass::Guaranteed);
    }
}
