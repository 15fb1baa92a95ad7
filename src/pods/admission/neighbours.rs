//! The pods that are to run, or still run, beside one that comes, and what they ask for together. Counted as they come and go, so that of
//! many that come at once each costs the same.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;

use crate::api::{
    pod,
    totals::{self, Side},
};

/// Address, protocol and number of a port of the node.
type Port<'a> = (&'a str, &'a str, i32);

/// A pod, and what it asks for by resource: `cpu` in thousandths, all others in whole units.
#[derive(Debug)]
struct Neighbour {
    pod: Arc<Pod>,
    requests: BTreeMap<String, i64>,
}

/// The pods, with sums.
#[derive(Debug, Default)]
pub struct Neighbours {
    by_uid: BTreeMap<String, Neighbour>,
    /// Wider than what is summed up, so that what was added can be taken off again.
    requests: BTreeMap<String, i128>,
    /// Addresses by protocol and number.
    ports: BTreeMap<(String, i32), Vec<String>>,
}

impl FromIterator<Arc<Pod>> for Neighbours {
    fn from_iter<I: IntoIterator<Item = Arc<Pod>>>(pods: I) -> Self {
        let mut all = Self::default();
        for pod in pods {
            all.insert(pod);
        }
        all
    }
}

impl Neighbours {
    /// Counts a pod, in place of another one of its UID.
    pub fn insert(&mut self, pod: Arc<Pod>) {
        self.remove(pod::uid(&pod));
        let requests = requests(&pod);
        for (name, amount) in &requests {
            *self.requests.entry(name.clone()).or_default() += i128::from(*amount);
        }
        for (ip, protocol, port) in host_ports(&pod) {
            self.ports.entry((protocol.to_owned(), port)).or_default().push(ip.to_owned());
        }
        self.by_uid.insert(pod::uid(&pod).to_owned(), Neighbour { pod, requests });
    }

    /// Counts a pod no more.
    pub fn remove(&mut self, uid: &str) {
        let Some(Neighbour { pod, requests }) = self.by_uid.remove(uid) else { return };
        for (name, amount) in &requests {
            if let Some(sum) = self.requests.get_mut(name) {
                *sum -= i128::from(*amount);
            }
        }
        for (ip, protocol, port) in host_ports(&pod) {
            if let Some(addresses) = self.ports.get_mut(&(protocol.to_owned(), port))
                && let Some(index) = addresses.iter().position(|address| address == ip)
            {
                addresses.swap_remove(index);
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        i64::try_from(self.by_uid.len()).unwrap_or(i64::MAX)
    }

    /// What they ask for together of a resource; no more than can be told.
    pub fn requested(&self, resource: &str) -> i64 {
        i64::try_from(self.requests.get(resource).copied().unwrap_or_default()).unwrap_or(i64::MAX)
    }

    /// Whether one of them has a port of the node that the pod wants.
    pub fn conflict(&self, pod: &Pod) -> bool {
        host_ports(pod).any(|(ip, protocol, port)| {
            let addresses = self.ports.get(&(protocol.to_owned(), port));
            addresses.into_iter().flatten().any(|address| overlap(address, ip))
        })
    }

    /// The pods, by namespace, name and UID.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let mut pods: Vec<Arc<Pod>> = self.by_uid.values().map(|each| each.pod.clone()).collect();
        pods.sort_by(|a, b| (pod::namespace(a), pod::name(a)).cmp(&(pod::namespace(b), pod::name(b))));
        pods
    }
}

/// What a pod asks for, by resource.
pub(super) fn requests(pod: &Pod) -> BTreeMap<String, i64> {
    let amounts = totals::of_pod(pod, Side::Requests).into_iter();
    let whole = amounts.map(|(name, amount)| {
        let amount = if name == "cpu" { amount.milli_value() } else { amount.value() };
        (name, amount)
    });
    whole.collect()
}

/// Every port of the node that a container has for the pod's whole life.
fn host_ports(pod: &Pod) -> impl Iterator<Item = Port<'_>> {
    let sidecars = pod::init_containers(pod).filter(|each| pod::is_restartable_init(each.container));
    sidecars.chain(pod::app_containers(pod)).flat_map(|each| each.container.ports.iter().flatten()).filter_map(|port| {
        let number = port.host_port.filter(|&number| number > 0)?;
        let ip = port.host_ip.as_deref().filter(|ip| !ip.is_empty()).unwrap_or(EVERYWHERE);
        Some((ip, port.protocol.as_deref().unwrap_or("TCP"), number))
    })
}

const EVERYWHERE: &str = "0.0.0.0";

fn overlap(one: &str, other: &str) -> bool {
    one == other || one == EVERYWHERE || other == EVERYWHERE
}

/// Whether a pod wants any port of the node.
pub fn wants_ports(pod: &Pod) -> bool {
    host_ports(pod).next().is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asking(uid: &str, name: &str, cpu: &str, port: i32) -> Arc<Pod> {
        let container = json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Ki"}},
            "ports": [{"containerPort": 1, "hostPort": port, "hostIP": "127.0.0.1"}]});
        let pod =
            json!({"metadata": {"namespace": "n", "name": name, "uid": uid}, "spec": {"containers": [container]}});
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn what_goes_is_taken_off_again() {
        let mut all: Neighbours = [asking("2", "a", "1500m", 80), asking("1", "b", "1", 81)].into_iter().collect();
        assert_eq!((all.count(), all.requested("cpu"), all.requested("memory")), (2, 2500, 2048));
        assert!(all.conflict(&asking("3", "c", "1", 80)));
        let names = |all: &Neighbours| all.pods().iter().map(|pod| pod::name(pod).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&all), ["a", "b"]);
        all.insert(asking("2", "z", "1", 82));
        assert_eq!((all.count(), all.requested("cpu")), (2, 2000));
        assert!(!all.conflict(&asking("3", "c", "1", 80)) && all.conflict(&asking("3", "c", "1", 82)));
        assert_eq!(names(&all), ["b", "z"]);
        all.remove("1");
        all.remove("1");
        all.remove("2");
        assert_eq!((all.count(), all.requested("cpu"), all.requested("memory")), (0, 0, 0));
        assert!(!all.conflict(&asking("3", "c", "1", 82)));
    }

    #[test]
    fn more_than_can_be_told_is_the_most_that_can() {
        let most = "9223372036854775807m";
        let mut all: Neighbours = [asking("1", "a", most, 1), asking("2", "b", most, 2)].into_iter().collect();
        assert_eq!(all.requested("cpu"), i64::MAX);
        all.remove("1");
        all.remove("2");
        assert_eq!(all.requested("cpu"), 0);
    }
}
