//! Answers that are not what the runtime holds: lists of another moment, in another order, or with something missing.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prost_reflect::{ReflectMessage, Value};
use rand::RngExt as _;

/// Answers kept for faults that give them again.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<&'static str, Box<dyn Any + Send>>>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// Keeps the answer of a list.
    pub(super) fn keep<T: Clone + Send + 'static>(&self, rpc: &'static str, answer: &T) {
        if rpc.starts_with("List") {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(rpc, Box::new(answer.clone()));
        }
    }

    /// The last answer of a list.
    pub(super) fn last<T: Clone + 'static>(&self, rpc: &str) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(rpc).and_then(|answer| answer.downcast_ref::<T>()).cloned()
    }
}

/// How the items of an answer are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Their order is drawn anew.
    Shuffle,
    /// One, drawn, is left out.
    Omit,
}

/// The answer with its lists changed. One without lists is left as it is.
pub(super) fn changed<T>(answer: T, change: Change, rng: &mut world::Rng) -> T
where
    T: ReflectMessage + prost::Message + Default,
{
    let mut dynamic = answer.transcode_to_dynamic();
    let lists: Vec<_> = answer.descriptor().fields().filter(|field| field.is_list()).collect();
    for field in lists {
        let Value::List(items) = dynamic.get_field_mut(&field) else { continue };
        match change {
            Change::Shuffle => {
                for last in (1..items.len()).rev() {
                    items.swap(last, rng.random_range(0..=last));
                }
            }
            Change::Omit if items.is_empty() => {}
            Change::Omit => drop(items.remove(rng.random_range(0..items.len()))),
        }
    }
    dynamic.transcode_to().unwrap_or(answer)
}

#[cfg(test)]
mod tests {
    use cri_proto::v1;
    use world::Random;

    use super::*;

    fn list(ids: &[&str]) -> v1::ListContainersResponse {
        let container = |id: &&str| v1::Container { id: (*id).to_owned(), ..Default::default() };
        v1::ListContainersResponse { containers: ids.iter().map(container).collect() }
    }

    fn ids(list: &v1::ListContainersResponse) -> Vec<&str> {
        list.containers.iter().map(|c| c.id.as_str()).collect()
    }

    #[test]
    fn items_change_places_or_go_missing_and_nothing_else_changes() {
        let mut rng = Random::from_seed(1).fork("x");
        let whole = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let shuffled = changed(list(&whole), Change::Shuffle, &mut rng);
        assert_ne!(ids(&shuffled), whole);
        let mut sorted = ids(&shuffled);
        sorted.sort_unstable();
        assert_eq!(sorted, whole);
        assert_eq!(changed(list(&whole), Change::Omit, &mut rng).containers.len(), 7);
        assert!(changed(list(&[]), Change::Omit, &mut rng).containers.is_empty());
        let version = v1::VersionResponse { version: "1".to_owned(), ..Default::default() };
        assert_eq!(changed(version.clone(), Change::Omit, &mut rng), version);
    }

    #[test]
    fn the_last_list_is_kept_and_nothing_but_lists() {
        let kept = Kept::default();
        kept.keep("ListContainers", &list(&["a"]));
        kept.keep("Version", &v1::VersionResponse::default());
        assert_eq!(kept.last("ListContainers"), Some(list(&["a"])));
        assert_eq!(kept.last::<v1::VersionResponse>("Version"), None);
    }
}
