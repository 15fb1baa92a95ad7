//! Wall-clock time: the host's, or a fixed start plus virtual time. Not for waiting: that is `tokio::time`.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where simulated time starts: 2026-01-01T00:00:00Z, in seconds since the Unix epoch.
pub const SIMULATED_EPOCH_SECONDS: i64 = 1_767_225_600;

/// A source of wall-clock time.
#[derive(Clone, Debug)]
pub struct WallClock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated(Arc<Simulated>),
}

#[derive(Debug)]
struct Simulated {
    start: Instant,
    epoch: Timestamp,
    stepped: Mutex<SignedDuration>,
}

impl WallClock {
    /// The host's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows 2026-01-01T00:00:00Z now and then follows virtual time.
    ///
    /// Must be called inside the runtime whose time it follows.
    pub fn simulated() -> Self {
        let epoch = Timestamp::from_second(SIMULATED_EPOCH_SECONDS).expect("the epoch is in range");
        Self(Source::Simulated(Arc::new(Simulated {
            start: Instant::now(),
            epoch,
            stepped: Mutex::new(SignedDuration::ZERO),
        })))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the host's clock")]
            Source::System => Timestamp::now(),
            Source::Simulated(s) => {
                let elapsed = SignedDuration::try_from(s.start.elapsed()).unwrap_or(SignedDuration::MAX);
                let stepped = *s.stepped.lock().unwrap_or_else(PoisonError::into_inner);
                s.epoch.saturating_add(elapsed.saturating_add(stepped)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// A clock that shows the same now, and that is never stepped.
    pub fn steady(&self) -> SteadyClock {
        SteadyClock { start: Instant::now(), epoch: self.now() }
    }

    /// Whether it is a simulated clock that has been stepped: times that it told may be out of order.
    pub fn was_stepped(&self) -> bool {
        match &self.0 {
            Source::System => false,
            Source::Simulated(s) => !s.stepped.lock().unwrap_or_else(PoisonError::into_inner).is_zero(),
        }
    }

    /// Moves a simulated clock by `by`, as an administrator or NTP would; timers are not affected.
    ///
    /// Does nothing to the host's clock.
    pub fn step(&self, by: SignedDuration) {
        if let Source::Simulated(s) = &self.0 {
            let mut stepped = s.stepped.lock().unwrap_or_else(PoisonError::into_inner);
            *stepped = stepped.saturating_add(by);
        }
    }
}

/// A clock that nobody moves: it shows the wall time of its making and what has passed since. For ages and waits within one process, which
/// must not change when an administrator or NTP steps the wall clock.
#[derive(Clone, Debug)]
pub struct SteadyClock {
    start: Instant,
    epoch: Timestamp,
}

impl SteadyClock {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.start.elapsed()).unwrap_or(SignedDuration::MAX);
        self.epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_virtual_time_and_steps() {
        let clock = WallClock::simulated();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:01.5Z");
        let start = Instant::now();
        let (same, steady) = (clock.clone(), clock.steady());
        assert!(!clock.was_stepped());
        same.step(SignedDuration::from_hours(-24));
        assert_eq!(clock.now().to_string(), "2025-12-31T00:00:01.5Z", "clones are one clock");
        assert_eq!(start.elapsed(), Duration::ZERO, "stretches are not stepped");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((steady.now().to_string().as_str(), clock.was_stepped()), ("2026-01-01T00:00:02.5Z", true));
        clock.step(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn the_hosts_clock_is_not_stepped() {
        let clock = WallClock::system();
        let before = clock.now();
        clock.step(SignedDuration::from_hours(1));
        assert!(clock.now().duration_since(before) < SignedDuration::from_mins(30));
    }
}
