//! How far the resizes of pods have come: the conditions `PodResizePending` and `PodResizeInProgress`, kept beside the statuses. As the
//! part of kubelet 1.36's status manager that is about resizes. Not whether a resize may be.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodCondition;

use super::containers::seconds;

/// The type of the condition of a pod that waits for amounts it cannot have now.
pub const PENDING: &str = "PodResizePending";
/// The type of the condition of a pod whose containers do not have what was granted yet.
pub const IN_PROGRESS: &str = "PodResizeInProgress";
/// Why a resize waits: there is no room now.
const DEFERRED: &str = "Deferred";

#[derive(Debug, Default)]
struct Held {
    pending: Option<PodCondition>,
    in_progress: Option<PodCondition>,
}

/// The conditions by pod UID.
#[derive(Debug, Default)]
pub struct Resizes(Mutex<BTreeMap<String, Held>>);

impl Resizes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resize cannot be granted now. Whether that is news.
    pub fn defer(&self, uid: &str, message: &str, generation: i64, now: Timestamp) -> bool {
        let mut all = self.lock();
        let held = &mut all.entry(uid.to_owned()).or_default().pending;
        let before = held.take();
        let news = before.as_ref().is_none_or(|c| c.observed_generation.unwrap_or(0) != generation);
        *held = Some(condition(PENDING, before.as_ref(), (DEFERRED, message), generation, now));
        news
    }

    /// Nothing waits to be granted.
    pub fn not_pending(&self, uid: &str) {
        if let Some(held) = self.lock().get_mut(uid) {
            held.pending = None;
        }
    }

    /// A resize was granted; what is said of an earlier one is over.
    pub fn granted(&self, uid: &str, generation: i64, now: Timestamp) {
        let mut all = self.lock();
        let held = all.entry(uid.to_owned()).or_default();
        held.pending = None;
        held.in_progress = Some(condition(IN_PROGRESS, None, ("", ""), generation, now));
    }

    /// Some container does not have what was granted. An error that was told of stays until the resize is done.
    pub fn in_progress(&self, uid: &str, generation: i64, now: Timestamp) {
        let mut all = self.lock();
        let held = &mut all.entry(uid.to_owned()).or_default().in_progress;
        let before = held.take();
        let generation = before.as_ref().map_or(generation, |c| c.observed_generation.unwrap_or(0));
        let told = |text: Option<&String>| text.cloned().unwrap_or_default();
        let reason = told(before.as_ref().and_then(|c| c.reason.as_ref()));
        let message = told(before.as_ref().and_then(|c| c.message.as_ref()));
        *held = Some(condition(IN_PROGRESS, before.as_ref(), (&reason, &message), generation, now));
    }

    /// A resize under way has failed. The generation it is of, if that is news.
    pub fn failed(&self, uid: &str, message: &str, generation: i64, now: Timestamp) -> Option<i64> {
        let mut all = self.lock();
        let held = &mut all.entry(uid.to_owned()).or_default().in_progress;
        let before = held.take();
        let generation = before.as_ref().map_or(generation, |c| c.observed_generation.unwrap_or(0));
        let new = condition(IN_PROGRESS, before.as_ref(), ("Error", message), generation, now);
        let news = before.is_none_or(|c| (&c.reason, &c.message) != (&new.reason, &new.message));
        *held = Some(new);
        news.then_some(generation)
    }

    /// Every container has what was granted. The generation of the resize that is done with it, if there was one.
    pub fn done(&self, uid: &str) -> Option<i64> {
        let condition = self.lock().get_mut(uid)?.in_progress.take()?;
        Some(condition.observed_generation.unwrap_or(0))
    }

    /// The conditions of a pod.
    pub fn conditions(&self, uid: &str) -> Vec<PodCondition> {
        let all = self.lock();
        let held = all.get(uid);
        held.into_iter().flat_map(|held| held.pending.iter().chain(&held.in_progress)).cloned().collect()
    }

    /// Forgets a pod, or what was said of one that has ended.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// Forgets every pod but those that `keep` holds on to.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| keep(uid));
    }
}

/// The time of a condition changes with its reason.
fn condition(
    kind: &str,
    before: Option<&PodCondition>,
    (reason, message): (&str, &str),
    generation: i64,
    now: Timestamp,
) -> PodCondition {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let now = seconds(now);
    let since = before.filter(|c| c.reason == some(reason)).and_then(|c| c.last_transition_time.clone());
    PodCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: some(reason),
        message: some(message),
        observed_generation: Some(generation).filter(|g| *g != 0),
        last_probe_time: Some(now.clone()),
        last_transition_time: Some(since.unwrap_or(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn times(condition: &PodCondition) -> (i64, i64) {
        let second =
            |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| time.as_ref().unwrap().0.as_second();
        (second(&condition.last_probe_time), second(&condition.last_transition_time))
    }

    #[test]
    fn a_resize_waits_is_granted_fails_and_is_done() {
        let resizes = Resizes::default();
        assert!(resizes.defer("u", "no room", 0, at(1)));
        assert!(!resizes.defer("u", "still no room", 0, at(2)), "no news");
        assert!(resizes.defer("u", "no room", 3, at(3)), "of another version");
        let waiting = &resizes.conditions("u")[0];
        assert_eq!((waiting.type_.as_str(), waiting.reason.as_deref()), (PENDING, Some("Deferred")));
        assert_eq!(times(waiting), (3, 1));
        resizes.granted("u", 3, at(4));
        assert_eq!(resizes.conditions("u").len(), 1);
        assert_eq!(resizes.failed("u", "why", 9, at(5)), Some(3));
        assert_eq!(resizes.failed("u", "why", 9, at(6)), None, "no news");
        resizes.in_progress("u", 9, at(7));
        let failed = &resizes.conditions("u")[0];
        assert_eq!((failed.reason.as_deref(), failed.message.as_deref()), (Some("Error"), Some("why")));
        assert_eq!(times(failed), (7, 5));
        assert_eq!((resizes.done("u"), resizes.done("u")), (Some(3), None));
        assert!(resizes.conditions("u").is_empty());
    }
}
