//! The pods that the kubelet is asked to run, by UID and by full name, and whether each may run at all. Not their state and not
//! their workers. As upstream's pod manager; there are no mirror pods.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;

use crate::api::{identity, pod};

pub mod admission;

#[derive(Debug, Default)]
struct Maps {
    by_uid: BTreeMap<String, Arc<Pod>>,
    /// Full name to the UID set last.
    by_full_name: BTreeMap<String, String>,
}

/// The desired pods. One per kubelet, shared; the sync loop writes, everybody reads.
#[derive(Debug, Default)]
pub struct PodManager(Mutex<Maps>);

impl PodManager {
    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pod or takes its newer version.
    pub fn set(&self, new: Arc<Pod>) {
        let mut maps = self.maps();
        let uid = pod::uid(&new).to_owned();
        maps.by_full_name.insert(identity::full_name(&new), uid.clone());
        maps.by_uid.insert(uid, new);
    }

    /// Forgets a pod and gives back what was known. Another pod of the same full name stays reachable by it.
    pub fn remove(&self, uid: &str) -> Option<Arc<Pod>> {
        let mut maps = self.maps();
        let old = maps.by_uid.remove(uid)?;
        let full_name = identity::full_name(&old);
        if maps.by_full_name.get(&full_name).is_some_and(|owner| owner == uid) {
            let other = maps.by_uid.iter().find(|(_, pod)| identity::full_name(pod) == full_name);
            match other.map(|(uid, _)| uid.clone()) {
                Some(other) => maps.by_full_name.insert(full_name, other),
                None => maps.by_full_name.remove(&full_name),
            };
        }
        Some(old)
    }

    /// The pod of this UID.
    pub fn by_uid(&self, uid: &str) -> Option<Arc<Pod>> {
        self.maps().by_uid.get(uid).cloned()
    }

    /// The pod of this name and namespace; of several, the one set last.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let maps = self.maps();
        maps.by_full_name.get(&format!("{name}_{namespace}")).and_then(|uid| maps.by_uid.get(uid)).cloned()
    }

    /// All pods, by namespace, then name, then UID. Upstream's order is random.
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        let mut all: Vec<Arc<Pod>> = self.maps().by_uid.values().cloned().collect();
        all.sort_by(|a, b| {
            (pod::namespace(a), pod::name(a), pod::uid(a)).cmp(&(pod::namespace(b), pod::name(b), pod::uid(b)))
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, name: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.uid = Some(uid.to_owned());
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.namespace = Some("default".to_owned());
        Arc::new(pod)
    }

    fn uids(manager: &PodManager) -> Vec<String> {
        manager.pods().iter().map(|p| super::pod::uid(p).to_owned()).collect()
    }

    #[test]
    fn names_follow_the_newest_and_fall_back() {
        let manager = PodManager::default();
        manager.set(pod("2", "web"));
        manager.set(pod("1", "web"));
        manager.set(pod("3", "api"));
        assert_eq!(uids(&manager), ["3", "1", "2"]);
        let named = || manager.by_name("default", "web").map(|p| super::pod::uid(&p).to_owned());
        assert_eq!(named().as_deref(), Some("1"));
        assert!(manager.remove("1").is_some());
        assert_eq!(named().as_deref(), Some("2"), "the other one of that name");
        assert!(manager.remove("1").is_none());
        assert!(manager.remove("2").is_some());
        assert_eq!(named(), None);
        assert_eq!(uids(&manager), ["3"]);
    }
}
