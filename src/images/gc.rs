//! Which images may go, in which order, and how much must go. Pure: times and sizes are parameters. As kubelet 1.36's image collection.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// When images are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Percent of the file system in use at which collection starts.
    pub high: u8,
    /// Percent down to which it collects.
    pub low: u8,
    /// An image known for less is left alone.
    pub minimum_age: Duration,
    /// An image unused for longer goes whatever the room.
    pub maximum_age: Option<Duration>,
}

impl Policy {
    /// Whether nothing is ever collected.
    pub fn is_off(&self) -> bool {
        self.high >= 100 && self.maximum_age.is_none()
    }
}

/// What is remembered of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was first seen.
    pub detected: Timestamp,
    /// When a container or a volume last had it; `None` if never.
    pub used: Option<Timestamp>,
    /// Bytes.
    pub size: u64,
    /// The runtime says that it must stay.
    pub pinned: bool,
}

/// What is remembered of all images, by id.
pub type Records = BTreeMap<String, Record>;

/// An image as the runtime lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Bytes.
    pub size: u64,
    /// Whether it must stay.
    pub pinned: bool,
}

/// Brings the records up to date with a listing. `used` are the ids in use.
pub fn detect(records: &mut Records, seen: &[Seen], used: &BTreeSet<String>, now: Timestamp) {
    let present: BTreeSet<&str> = seen.iter().map(|image| image.id.as_str()).collect();
    records.retain(|id, _| present.contains(id.as_str()));
    for image in seen {
        let record =
            records.entry(image.id.clone()).or_insert(Record { detected: now, used: None, size: 0, pinned: false });
        record.size = image.size;
        record.pinned = image.pinned;
        if used.contains(&image.id) {
            record.used = Some(now);
        }
    }
}

/// Ids of images that may go, the longest unused first.
pub fn candidates(records: &Records, used: &BTreeSet<String>) -> Vec<String> {
    let mut free: Vec<(&String, &Record)> =
        records.iter().filter(|(id, record)| !record.pinned && !used.contains(*id)).collect();
    free.sort_by_key(|(id, record)| (record.used, record.detected, (*id).clone()));
    free.into_iter().map(|(id, _)| id.clone()).collect()
}

fn since(now: Timestamp, then: Timestamp) -> SignedDuration {
    now.duration_since(then)
}

fn longer(stretch: SignedDuration, limit: Duration) -> bool {
    stretch > SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

/// Whether an image is too old, once the kubelet has run (since `started`) for longer than that age. One that was never used is.
pub fn is_old(record: &Record, policy: &Policy, started: Timestamp, now: Timestamp) -> bool {
    let Some(age) = policy.maximum_age else { return false };
    longer(since(now, started), age) && record.used.is_none_or(|used| longer(since(now, used), age))
}

/// Whether an image is known for long enough to go for the sake of room, and not in use since `now`.
pub fn may_make_room(record: &Record, policy: &Policy, now: Timestamp) -> bool {
    let young =
        since(now, record.detected) < SignedDuration::try_from(policy.minimum_age).unwrap_or(SignedDuration::MAX);
    !young && record.used.is_none_or(|used| used < now)
}

/// Percent of the file system in use.
pub fn percent_used(capacity: u64, available: u64) -> u64 {
    100_u64.saturating_sub(available.min(capacity).saturating_mul(100) / capacity.max(1))
}

/// Bytes that must go, if the file system is too full.
pub fn bytes_to_free(capacity: u64, available: u64, policy: &Policy) -> Option<u64> {
    if percent_used(capacity, available) < u64::from(policy.high) {
        return None;
    }
    let wanted = u128::from(capacity) * u128::from(100 - policy.low.min(100)) / 100;
    Some(u64::try_from(wanted).unwrap_or(u64::MAX).saturating_sub(available))
}

/// A size for people: `95.0 GiB`.
pub fn human(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} PiB")
}

/// What is said when collecting did not free enough.
pub fn shortfall(capacity: u64, available: u64, freed: u64) -> String {
    format!(
        "Insufficient free disk space on the node's image filesystem ({}% of {} used). Failed to free sufficient space by deleting \
         unused images (freed {freed} bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other \
         data.",
        percent_used(capacity, available),
        human(capacity)
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const POLICY: Policy = Policy {
        high: 85,
        low: 80,
        minimum_age: Duration::from_secs(120),
        maximum_age: Some(Duration::from_secs(600)),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    fn seen(id: &str, pinned: bool) -> Seen {
        Seen { id: id.to_owned(), size: 10, pinned }
    }

    #[test]
    fn the_longest_unused_goes_first_and_what_is_needed_stays() {
        let mut records = Records::new();
        let used = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let all = ["a", "b", "c", "d", "e"].map(|id| seen(id, id == "e"));
        detect(&mut records, &all, &used(&["a", "c"]), at(0));
        detect(&mut records, &all, &used(&["b", "d"]), at(10));
        detect(&mut records, &all, &used(&["d"]), at(20));
        assert_eq!(candidates(&records, &used(&["d"])), ["a", "c", "b"]);
        detect(&mut records, &[seen("a", false)], &used(&[]), at(30));
        assert_eq!(records.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[rstest]
    #[case::never_used(None, 601, true)]
    #[case::used_lately(Some(590), 601, false)]
    #[case::used_long_ago(Some(10), 611, true)]
    #[case::the_kubelet_is_young(None, 600, false)]
    fn ages(#[case] used: Option<i64>, #[case] now: i64, #[case] old: bool) {
        let record = Record { detected: at(0), used: used.map(at), size: 1, pinned: false };
        assert_eq!(is_old(&record, &POLICY, at(0), at(now)), old);
    }

    #[rstest]
    #[case(0, 119, None, false)]
    #[case(0, 120, None, true)]
    #[case::in_use_now(0, 500, Some(500), false)]
    fn young_images_stay(#[case] detected: i64, #[case] now: i64, #[case] used: Option<i64>, #[case] may: bool) {
        let record = Record { detected: at(detected), used: used.map(at), size: 1, pinned: false };
        assert_eq!(may_make_room(&record, &POLICY, at(now)), may);
    }

    #[rstest]
    #[case::enough(1000, 160, None)]
    #[case::at_the_threshold(1000, 150, Some(50))]
    #[case::full(1000, 0, Some(200))]
    fn thresholds(#[case] capacity: u64, #[case] available: u64, #[case] free: Option<u64>) {
        assert_eq!(bytes_to_free(capacity, available, &POLICY), free);
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!([human(1), human(1536), human(100 << 30)], ["1 B", "1.5 KiB", "100.0 GiB"]);
    }
}
