//! How many pulls at once and how many per second. Upstream's serial and parallel pullers and its token bucket.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::runtime::ImageSettings;

/// Lets pulls through. Waiters are served in the order in which they came.
#[derive(Debug)]
pub struct PullGate {
    slots: Option<Arc<Semaphore>>,
    bucket: Option<Mutex<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl PullGate {
    /// A gate as configured.
    pub fn new(settings: &ImageSettings) -> Self {
        let slots = match (settings.serialize_pulls, settings.max_parallel) {
            (true, _) => Some(1),
            (false, Some(most)) if most >= 1 => Some(most),
            (false, _) => None,
        };
        let bucket = (settings.registry_qps > 0).then(|| {
            let burst = f64::from(settings.registry_burst.max(1));
            Mutex::new(Bucket { rate: f64::from(settings.registry_qps), burst, tokens: burst, at: Instant::now() })
        });
        Self { slots: slots.map(|n| Arc::new(Semaphore::new(n))), bucket }
    }

    /// Waits for a slot. Keep what is returned for as long as the pull runs.
    pub async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        match &self.slots {
            Some(slots) => Some(slots.clone().acquire_owned().await.expect("the semaphore is never closed")),
            None => None,
        }
    }

    /// Whether the rate allows another pull now; never waits.
    pub fn allow(&self) -> bool {
        let Some(bucket) = &self.bucket else { return true };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(bucket.at).as_secs_f64() * bucket.rate;
        bucket.tokens = (bucket.tokens + gained).min(bucket.burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_bucket_fills_again() {
        let gate = PullGate::new(&ImageSettings { registry_qps: 5, registry_burst: 10, ..ImageSettings::default() });
        assert_eq!((0..20).filter(|_| gate.allow()).count(), 10);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!((0..20).filter(|_| gate.allow()).count(), 2);
    }
}
