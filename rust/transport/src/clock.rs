//! Seconds of the owner's clock, as the instants that the state machine wants.

use std::time::{Duration, Instant};

/// Maps between the two; the owner's clock may stand still in a test, and never goes back.
pub(crate) struct Clock {
    base: Instant,
    started: f64,
}

impl Clock {
    pub(crate) fn new(now: f64) -> Self {
        Self {
            base: Instant::now(),
            started: now,
        }
    }

    pub(crate) fn instant(&self, now: f64) -> Instant {
        self.base + Duration::try_from_secs_f64(now - self.started).unwrap_or_default()
    }

    pub(crate) fn seconds(&self, instant: Instant) -> f64 {
        self.started + instant.saturating_duration_since(self.base).as_secs_f64()
    }
}
