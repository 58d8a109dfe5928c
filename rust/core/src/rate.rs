//! A rate with a burst, kept as one number, and what many of them share so that all can be changed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Seconds. A caller that waits exactly as long as it was told must be served, although the sum of the times is
/// rounded.
const ROUNDING: f64 = 1e-6;

/// How many tokens a second, and how many at once, all buckets grant that were made of it, also when it changes.
///
/// Two numbers that are read one after the other: who reads between two writes grants one token too early or too late.
#[derive(Debug, Clone)]
pub struct Rate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    interval: AtomicU64,
    ahead: AtomicU64,
}

impl Rate {
    /// A rate.
    ///
    /// # Errors
    /// `Invalid` unless `rate` (tokens per second) is finite and above 0 and `burst` at least 1.
    pub fn new(rate: f64, burst: u64) -> Result<Self> {
        let (interval, ahead) = numbers(rate, burst)?;
        Ok(Self(Arc::new(Shared {
            interval: AtomicU64::new(interval.to_bits()),
            ahead: AtomicU64::new(ahead.to_bits()),
        })))
    }

    /// Changes it for all its buckets: who was granted more than the new burst waits for one token at most.
    ///
    /// # Errors
    /// As `new`; nothing has changed then.
    pub fn configure(&self, rate: f64, burst: u64) -> Result<()> {
        let (interval, ahead) = numbers(rate, burst)?;
        self.0.interval.store(interval.to_bits(), Ordering::Relaxed);
        self.0.ahead.store(ahead.to_bits(), Ordering::Relaxed);
        Ok(())
    }

    /// A bucket that is full from that time on, in monotonic seconds.
    #[must_use]
    pub fn bucket(&self, full_at: f64) -> TokenBucket {
        TokenBucket {
            rate: self.clone(),
            full_at,
        }
    }

    fn interval(&self) -> f64 {
        f64::from_bits(self.0.interval.load(Ordering::Relaxed))
    }

    fn ahead(&self) -> f64 {
        f64::from_bits(self.0.ahead.load(Ordering::Relaxed))
    }
}

fn numbers(rate: f64, burst: u64) -> Result<(f64, f64)> {
    if !(rate > 0.0 && rate.is_finite()) || burst < 1 {
        return Err(Error::Invalid(
            "a bucket needs a rate above 0 and a burst of at least 1",
        ));
    }
    let interval = 1.0 / rate;
    Ok((interval, (burst - 1) as f64 * interval))
}

/// Grants so many tokens per second in the long run, and a burst at once.
///
/// What is kept is the moment at which the bucket will be full again (the "theoretical arrival time" of GCRA), so that
/// nothing is added up and no error grows.
#[derive(Debug)]
pub struct TokenBucket {
    rate: Rate,
    full_at: f64,
}

impl TokenBucket {
    /// A full bucket with a rate of its own.
    ///
    /// # Errors
    /// `Invalid` unless `rate` (tokens per second) is finite and above 0 and `burst` at least 1.
    pub fn new(rate: f64, burst: u64) -> Result<Self> {
        Ok(Rate::new(rate, burst)?.bucket(f64::NEG_INFINITY))
    }

    /// From when on it is full, if nothing is taken meanwhile.
    #[must_use]
    pub fn full_at(&self) -> f64 {
        self.full_at
    }

    /// Takes one token at `now` (monotonic seconds) and returns 0. If there is none, nothing is taken, and the seconds
    /// until there is one are returned.
    pub fn take(&mut self, now: f64) -> f64 {
        let wait = self.wait(now);
        if wait == 0.0 {
            self.full_at = self.full_at.max(now) + self.rate.interval();
        }
        wait
    }

    /// The seconds until there is a token, 0 if there is one at `now`; takes nothing.
    #[must_use]
    pub fn wait(&mut self, now: f64) -> f64 {
        // Nothing is emptier than empty: what an old rate has left to wait for does not outlast a higher new one.
        let empty = now + self.rate.ahead() + self.rate.interval();
        self.full_at = self.full_at.min(empty);
        let wait = self.full_at.max(now) - now - self.rate.ahead();
        if wait > ROUNDING { wait } else { 0.0 }
    }
}
