//! A rate with a burst, kept as one number.

use crate::error::{Error, Result};

/// Seconds. A caller that waits exactly as long as it was told must be served, although the sum of the times is
/// rounded.
const ROUNDING: f64 = 1e-6;

/// Grants so many tokens per second in the long run, and a burst at once.
///
/// What is kept is the moment at which the bucket will be full again (the "theoretical arrival time" of GCRA), so that
/// nothing is added up and no error grows.
#[derive(Debug)]
pub struct TokenBucket {
    interval: f64,
    ahead: f64,
    full_at: f64,
}

impl TokenBucket {
    /// A full bucket.
    ///
    /// # Errors
    /// `Invalid` unless `rate` (tokens per second) is finite and above 0 and `burst` at least 1.
    pub fn new(rate: f64, burst: u64) -> Result<Self> {
        if !(rate > 0.0 && rate.is_finite()) || burst < 1 {
            return Err(Error::Invalid(
                "a bucket needs a rate above 0 and a burst of at least 1",
            ));
        }
        let interval = 1.0 / rate;
        Ok(Self {
            interval,
            ahead: (burst - 1) as f64 * interval,
            full_at: f64::NEG_INFINITY,
        })
    }

    /// Takes one token at `now` (monotonic seconds) and returns 0. If there is none, nothing is taken, and the seconds
    /// until there is one are returned.
    pub fn take(&mut self, now: f64) -> f64 {
        let wait = self.wait(now);
        if wait == 0.0 {
            self.full_at = self.full_at.max(now) + self.interval;
        }
        wait
    }

    /// The seconds until there is a token, 0 if there is one at `now`; takes nothing.
    #[must_use]
    pub fn wait(&self, now: f64) -> f64 {
        let wait = self.full_at.max(now) - now - self.ahead;
        if wait > ROUNDING { wait } else { 0.0 }
    }
}
