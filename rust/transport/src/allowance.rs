//! How many packets a second are answered that anybody can forge.

use std::time::Instant;

/// A token bucket that holds one second's worth.
pub(crate) struct Allowance {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = per_second.into();
        Self {
            per_second,
            left: per_second,
            at: now,
        }
    }

    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.at, self.left) = (now, self.per_second.min(self.left + passed * self.per_second));
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }
}
