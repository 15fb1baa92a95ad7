//! Exponential back-off per key, as upstream's flowcontrol: who is held, until when, and how the wait grows. Pure: time is a parameter.
//!
//! All times are of a clock that nobody steps; [`Backoff::moment`] translates what the runtime dates by the wall clock, so that a step of that
//! clock neither cuts a wait short nor draws it out. (Upstream takes the difference of wall times, and does both.)
//!
//! Used for restarts (counted from when a container ended) and for image pulls (counted from the last failure).

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// First wait.
pub const INITIAL: Duration = Duration::from_secs(10);
/// Longest wait.
pub const MAX: Duration = Duration::from_secs(300);
/// An entry this long without trouble is forgotten.
pub const RESET: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Entry {
    wait: Duration,
    updated: Timestamp,
}

/// Waits by key.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    reset: Duration,
    entries: BTreeMap<String, Entry>,
    /// The last event of a key: as the wall clock dated it, and when it was.
    moments: BTreeMap<String, (Timestamp, Timestamp)>,
}

/// A key that must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The whole wait, as messages show it.
    pub wait: Duration,
    /// What is left of it.
    pub left: Duration,
}

fn between(later: Timestamp, earlier: Timestamp) -> SignedDuration {
    later.duration_since(earlier)
}

fn longer(stretch: SignedDuration, limit: Duration) -> bool {
    stretch > SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(INITIAL, MAX)
    }
}

impl Backoff {
    /// Waits from `initial`, doubling up to `max`; forgotten after ten minutes.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial: initial.min(max), max, reset: RESET, entries: BTreeMap::new(), moments: BTreeMap::new() }
    }

    /// When an event of `key` was that the wall clock dated `event`. `wall` and `now` are the present by the wall clock and by the steady one;
    /// how long ago the event was is settled when it is first asked for, and it was not in the future.
    pub fn moment(&mut self, key: &str, event: Timestamp, wall: Timestamp, now: Timestamp) -> Timestamp {
        match self.moments.get(key) {
            Some((dated, at)) if *dated == event => *at,
            _ => {
                let ago = between(wall, event).max(SignedDuration::ZERO);
                let at = now.saturating_sub(ago).unwrap_or(Timestamp::MIN);
                self.moments.insert(key.to_owned(), (event, at));
                at
            }
        }
    }

    /// Whether `key` must still wait at `now`, counted from `event`.
    pub fn held_since(&self, key: &str, event: Timestamp, now: Timestamp) -> Option<Held> {
        let entry = self.entries.get(key)?;
        if longer(between(event, entry.updated), self.reset) {
            return None;
        }
        self.left(entry, between(now, event))
    }

    /// Whether `key` must still wait at `now`, counted from its last update.
    pub fn held_since_update(&self, key: &str, now: Timestamp) -> Option<Held> {
        let entry = self.entries.get(key)?;
        let passed = between(now, entry.updated);
        if longer(passed, self.reset) {
            return None;
        }
        self.left(entry, passed)
    }

    fn left(&self, entry: &Entry, passed: SignedDuration) -> Option<Held> {
        let wait = SignedDuration::try_from(entry.wait).unwrap_or(SignedDuration::MAX);
        let left = Duration::try_from(wait.saturating_sub(passed)).unwrap_or(Duration::ZERO);
        (!left.is_zero()).then_some(Held { wait: entry.wait, left })
    }

    /// Lets the wait of `key` grow: the first wait, or the last one doubled; from the first again if `event` is ten minutes past the
    /// last update.
    pub fn next(&mut self, key: &str, event: Timestamp, now: Timestamp) {
        let wait = match self.entries.get(key) {
            Some(entry) if !longer(between(event, entry.updated), self.reset) => (entry.wait * 2).min(self.max),
            _ => self.initial,
        };
        self.entries.insert(key.to_owned(), Entry { wait, updated: now });
    }

    /// Forgets what has not been touched for ten minutes.
    pub fn forget_old(&mut self, now: Timestamp) {
        let reset = self.reset;
        self.entries.retain(|_, entry| !longer(between(now, entry.updated), reset));
        let entries = &self.entries;
        self.moments.retain(|key, _| entries.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    /// A container that ends at once whenever it is started: each restart waits twice as long, counted from its end.
    #[test]
    fn a_crash_loop_waits_10_20_40_80_160_300_300() {
        let mut backoff = Backoff::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let ended = now;
            while backoff.held_since("c", at(ended), at(now)).is_some() {
                now += 1;
            }
            waits.push(now - ended);
            backoff.next("c", at(ended), at(now));
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[rstest]
    #[case::within_ten_minutes(600, 20)]
    #[case::after_ten_minutes(601, 10)]
    fn a_long_run_resets(#[case] ran: i64, #[case] wait: u64) {
        let mut backoff = Backoff::default();
        backoff.next("c", at(0), at(0));
        backoff.next("c", at(ran), at(ran));
        let held = backoff.held_since("c", at(ran), at(ran)).unwrap();
        assert_eq!(held, Held { wait: Duration::from_secs(wait), left: Duration::from_secs(wait) });
    }

    /// It ended at 100 by both clocks; then the wall clock is stepped by an hour, either way.
    #[rstest]
    #[case(3600)]
    #[case(-3600)]
    fn a_step_of_the_clock_changes_no_wait(#[case] step: i64) {
        let mut backoff = Backoff::default();
        backoff.next("c", at(100), at(100));
        assert_eq!(backoff.moment("c", at(100), at(102), at(102)), at(100));
        let event = backoff.moment("c", at(100), at(104 + step), at(104));
        assert_eq!(backoff.held_since("c", event, at(104)).map(|h| h.left.as_secs()), Some(6));
        // What ends later is dated by the clock as it is then.
        assert_eq!(backoff.moment("c", at(110 + step), at(113 + step), at(113)), at(110));
        assert_eq!(backoff.moment("c", at(200), at(190), at(115)), at(115), "nothing ends in the future");
        backoff.forget_old(at(701));
        assert!(backoff.entries.is_empty() && backoff.moments.is_empty());
    }

    #[rstest]
    #[case(0, Some(10))]
    #[case(4, Some(6))]
    #[case(10, None)]
    fn what_is_left_counts_from_the_event(#[case] passed: i64, #[case] left: Option<u64>) {
        let mut backoff = Backoff::default();
        backoff.next("c", at(0), at(0));
        assert_eq!(backoff.held_since("c", at(5), at(5 + passed)).map(|h| h.left.as_secs()), left);
        assert_eq!(backoff.held_since_update("c", at(passed)).map(|h| h.left.as_secs()), left);
    }

    #[test]
    fn the_node_wide_maximum_also_bounds_the_first_wait() {
        let mut backoff = Backoff::new(INITIAL, Duration::from_secs(3));
        backoff.next("c", at(0), at(0));
        assert_eq!(backoff.held_since("c", at(0), at(0)).unwrap().wait, Duration::from_secs(3));
    }

    #[test]
    fn old_entries_go() {
        let mut backoff = Backoff::default();
        backoff.next("c", at(0), at(0));
        backoff.forget_old(at(600));
        assert_eq!(backoff.entries.len(), 1);
        backoff.forget_old(at(601));
        assert!(backoff.entries.is_empty());
    }
}
