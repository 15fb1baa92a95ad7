//! Which file stands for which pod: of two files with the same pod the one whose name sorts last. Kept from change to change, so that a
//! change of one file among thousands costs no walk over all of them. Pure; reads no file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Pod;

use crate::api::{identity, pod};

/// A pod and the file that stands for it.
pub type Placed = (PathBuf, Arc<Pod>);

/// What the change of one file means for the pods that are told.
#[derive(Debug, PartialEq)]
pub enum Edit {
    /// Nothing.
    Nothing,
    /// These go, those come, each in the order of the files.
    Pods {
        /// What is not told any more.
        gone: Vec<Placed>,
        /// What is told instead.
        come: Vec<Placed>,
    },
    /// Files share a UID: what it means only the whole set tells.
    Unclear,
}

/// The files of a directory and the pods in them.
#[derive(Debug, Default)]
pub struct Claims {
    pods: BTreeMap<PathBuf, Arc<Pod>>,
    /// Full name to the files that claim it.
    names: BTreeMap<String, BTreeSet<PathBuf>>,
    /// The names that several files claim.
    contested: BTreeSet<String>,
    /// How many files claim a UID.
    uids: BTreeMap<String, usize>,
}

impl Claims {
    /// What the file says, if it is known.
    pub fn get(&self, path: &Path) -> Option<&Arc<Pod>> {
        self.pods.get(path)
    }

    /// Forgets all files and takes these.
    pub fn replace(&mut self, pods: BTreeMap<PathBuf, Arc<Pod>>) {
        *self = Self::default();
        for (path, pod) in pods {
            self.insert(path, pod);
        }
    }

    /// Takes what a file says now; `None` if it is gone.
    pub fn set(&mut self, path: &Path, new: Option<Arc<Pod>>) -> Edit {
        let old = self.pods.get(path).cloned();
        let touched: BTreeSet<String> = old.iter().chain(&new).map(|pod| identity::full_name(pod)).collect();
        let before: Vec<Placed> = touched.iter().filter_map(|name| self.winner(name)).collect();
        let mut unclear = old.is_some_and(|pod| self.shared(&pod)) || before.iter().any(|(_, pod)| self.shared(pod));
        self.remove(path);
        if let Some(new) = new {
            self.insert(path.to_owned(), new);
        }
        let after: Vec<Placed> = touched.iter().filter_map(|name| self.winner(name)).collect();
        unclear |= after.iter().any(|(_, pod)| self.shared(pod));
        if unclear {
            return Edit::Unclear;
        }
        let same = |a: &Placed, b: &Placed| a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1);
        let without = |these: &[Placed], those: &[Placed]| -> Vec<Placed> {
            let left = these.iter().filter(|this| !those.iter().any(|that| same(this, that)));
            let mut left: Vec<Placed> = left.cloned().collect();
            left.sort_by(|a, b| a.0.cmp(&b.0));
            left
        };
        let (gone, come) = (without(&before, &after), without(&after, &before));
        if gone.is_empty() && come.is_empty() { Edit::Nothing } else { Edit::Pods { gone, come } }
    }

    /// All pods that are told, in the order of their files.
    pub fn told(&self) -> Vec<Placed> {
        let mut all: Vec<Placed> = self.names.keys().filter_map(|name| self.winner(name)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Files that describe a pod which another file, the second of the pair, stands for.
    pub fn twins(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.contested.iter().filter_map(|name| self.names.get(name)).flat_map(|files| {
            let last = files.last();
            files
                .iter()
                .filter_map(move |file| Some((file.as_path(), last?.as_path())))
                .filter(|(file, last)| file != last)
        })
    }

    fn winner(&self, name: &str) -> Option<Placed> {
        let path = self.names.get(name)?.last()?;
        Some((path.clone(), self.pods.get(path)?.clone()))
    }

    fn shared(&self, pod: &Pod) -> bool {
        self.uids.get(pod::uid(pod)).is_some_and(|&files| files > 1)
    }

    fn insert(&mut self, path: PathBuf, pod: Arc<Pod>) {
        let name = identity::full_name(&pod);
        let files = self.names.entry(name.clone()).or_default();
        files.insert(path.clone());
        if files.len() > 1 {
            self.contested.insert(name);
        }
        *self.uids.entry(pod::uid(&pod).to_owned()).or_default() += 1;
        self.pods.insert(path, pod);
    }

    fn remove(&mut self, path: &Path) {
        let Some(pod) = self.pods.remove(path) else { return };
        let name = identity::full_name(&pod);
        if let Some(files) = self.names.get_mut(&name) {
            files.remove(path);
            if files.len() < 2 {
                self.contested.remove(&name);
            }
            if files.is_empty() {
                self.names.remove(&name);
            }
        }
        let uid = pod::uid(&pod);
        match self.uids.get_mut(uid) {
            Some(files) if *files > 1 => *files -= 1,
            _ => drop(self.uids.remove(uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pod(name: u8, uid: u8) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(format!("p{name}"));
        pod.metadata.namespace = Some("default".to_owned());
        pod.metadata.uid = Some(format!("u{uid}"));
        Arc::new(pod)
    }

    proptest! {
        /// An edit says exactly what two whole sets would, and no more.
        #[test]
        fn an_edit_is_the_difference_of_two_sets(changes in prop::collection::vec((0_u8..5, prop::option::of((0_u8..4, 0_u8..30))), 1..30)) {
            let mut claims = Claims::default();
            for (file, what) in changes {
                let path = PathBuf::from(format!("/m/{file}"));
                let before = claims.told();
                let edit = claims.set(&path, what.map(|(name, uid)| pod(name, uid)));
                let after = claims.told();
                let without = |these: &[Placed], those: &[Placed]| -> Vec<Placed> {
                    let left = these.iter().filter(|a| !those.iter().any(|b| a.0 == b.0 && Arc::ptr_eq(&a.1, &b.1)));
                    left.cloned().collect()
                };
                let (gone, come) = (without(&before, &after), without(&after, &before));
                match edit {
                    Edit::Nothing => prop_assert!(gone.is_empty() && come.is_empty()),
                    Edit::Pods { gone: g, come: c } => prop_assert_eq!((g, c), (gone, come)),
                    Edit::Unclear => {}
                }
                let mut fresh = Claims::default();
                fresh.replace(claims.pods.clone());
                prop_assert_eq!(fresh.told(), claims.told());
                prop_assert_eq!((&fresh.uids, &fresh.contested), (&claims.uids, &claims.contested));
            }
        }
    }

    #[test]
    fn a_shared_uid_is_unclear() {
        let mut claims = Claims::default();
        let path = |file: &str| PathBuf::from(format!("/m/{file}"));
        assert!(matches!(claims.set(&path("a"), Some(pod(1, 1))), Edit::Pods { .. }));
        assert_eq!(claims.set(&path("b"), Some(pod(2, 1))), Edit::Unclear);
        assert_eq!(claims.set(&path("b"), None), Edit::Unclear, "the pod of the other file stays");
        assert!(matches!(claims.set(&path("a"), None), Edit::Pods { .. }));
    }
}
