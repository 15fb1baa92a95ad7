//! What a pod asks for in sum: requests and limits over its containers, sidecars and overhead counted as upstream's
//! `resource` helpers do. Cgroup values are made of these elsewhere.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::api::pod;
use crate::api::quantity::Quantity;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// Which side of `resources`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `requests`.
    Requests,
    /// `limits`.
    Limits,
}

/// Reads an API resource list.
pub fn amounts(list: Option<&BTreeMap<String, ApiQuantity>>) -> Amounts {
    list.into_iter().flatten().map(|(name, quantity)| (name.clone(), Quantity::of(quantity))).collect()
}

/// One container's side.
pub fn of_container(container: &Container, side: Side) -> Amounts {
    let resources = container.resources.as_ref();
    amounts(match side {
        Side::Requests => resources.and_then(|each| each.requests.as_ref()),
        Side::Limits => resources.and_then(|each| each.limits.as_ref()),
    })
}

/// The sum over containers: app containers and sidecars run together; each plain init container runs with the sidecars
/// declared before it; the larger of the two counts. No overhead, no pod-level values.
pub fn of_containers(pod: &Pod, side: Side) -> Amounts {
    let mut together = Amounts::new();
    for each in pod::app_containers(pod) {
        add(&mut together, &of_container(each.container, side));
    }
    let mut sidecars = Amounts::new();
    let mut init = Amounts::new();
    for each in pod::init_containers(pod) {
        let mut now = of_container(each.container, side);
        if pod::is_restartable_init(each.container) {
            add(&mut together, &now);
            add(&mut sidecars, &now);
            now = sidecars.clone();
        } else {
            add(&mut now, &sidecars);
        }
        raise(&mut init, &now);
    }
    raise(&mut together, &init);
    together
}

/// The pod's side: [`of_containers`], overridden by pod-level cpu, memory and huge pages, plus overhead (on limits only
/// where a limit is set).
pub fn of_pod(pod: &Pod, side: Side) -> Amounts {
    let mut total = of_containers(pod, side);
    let spec = pod::spec(pod);
    if let Some(resources) = &spec.resources {
        let own = match side {
            Side::Requests => &resources.requests,
            Side::Limits => &resources.limits,
        };
        for (name, quantity) in amounts(own.as_ref()) {
            if is_pod_level(&name) {
                total.insert(name, quantity);
            }
        }
    }
    for (name, quantity) in amounts(spec.overhead.as_ref()) {
        match total.get_mut(&name) {
            Some(sum) if side == Side::Requests || !sum.is_zero() => *sum = sum.plus(quantity),
            None if side == Side::Requests => {
                total.insert(name, quantity);
            }
            _ => {}
        }
    }
    total
}

/// Whether a resource may be set for the pod as a whole: cpu, memory, huge pages.
pub fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, quantity) in more {
        let entry = sum.entry(name.clone()).or_insert(Quantity::ZERO);
        *entry = entry.plus(*quantity);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, quantity) in other {
        let entry = most.entry(name.clone()).or_insert(*quantity);
        *entry = entry.larger(*quantity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_count_with_the_sidecars_before_them() {
        let cpu = |name: &str, cpu: &str, policy: Option<&str>| json!({"name": name, "restartPolicy": policy, "resources": {"requests": {"cpu": cpu}}});
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "overhead": {"cpu": "10m", "memory": "1Mi"},
            "initContainers": [cpu("a", "500m", None), cpu("s", "200m", Some("Always")), cpu("b", "1", None)],
            "containers": [cpu("c", "300m", None), cpu("d", "300m", None)],
        }}))
        .expect("pod");
        let show =
            |amounts: Amounts| amounts.into_iter().map(|(name, each)| format!("{name}={each}")).collect::<Vec<_>>();
        assert_eq!(show(of_containers(&pod, Side::Requests)), ["cpu=1200m"]);
        assert_eq!(show(of_pod(&pod, Side::Requests)), ["cpu=1210m", "memory=1Mi"]);
        assert!(of_pod(&pod, Side::Limits).is_empty());
    }
}
