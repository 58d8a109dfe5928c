//! How much processor time one peer's packets may use, so that who only keeps us busy cannot take it from the others.

use std::time::{Duration, Instant};

/// Seconds of processor time, and what earns them.
#[derive(Clone, Copy, Debug)]
pub struct CpuLimits {
    /// Part of a processor that a peer may use without moving any data.
    pub share: f64,
    /// Seconds that it may save up.
    pub burst: f64,
    /// Seconds that are counted for one datagram at most: what takes longer is not the peer's doing.
    pub per_datagram: f64,
    /// Seconds earned by each stream byte that came in order or was acknowledged.
    pub per_byte: f64,
    /// Seconds earned at least by a step that moved any.
    pub per_step: f64,
}

/// An account in seconds. The balance may go below zero by one datagram.
pub(crate) struct CpuBudget {
    balance: f64,
    at: Option<Instant>,
}

impl CpuBudget {
    pub(crate) fn new(limits: &CpuLimits) -> Self {
        Self {
            balance: limits.burst,
            at: None,
        }
    }

    /// Whether another datagram may be looked at.
    pub(crate) fn allows(&mut self, limits: &CpuLimits, now: Instant) -> bool {
        if let Some(at) = self.at
            && self.balance < limits.burst
        {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            self.balance = limits.burst.min(self.balance + passed * limits.share);
        }
        self.at = Some(now);
        self.balance > 0.0
    }

    /// Take what a datagram used.
    pub(crate) fn charge(&mut self, limits: &CpuLimits, used: Duration) {
        self.balance -= used.as_secs_f64().min(limits.per_datagram);
    }

    /// Give back for `moved` bytes, in both directions.
    pub(crate) fn earn(&mut self, limits: &CpuLimits, moved: u64) {
        if moved > 0 {
            let earned = limits.per_step.max(moved as f64 * limits.per_byte);
            self.balance = limits.burst.min(self.balance + earned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CpuBudget, CpuLimits};
    use std::time::{Duration, Instant};

    #[test]
    fn who_moves_nothing_is_stopped_and_who_moves_data_is_not() {
        let limits = CpuLimits {
            share: 0.1,
            burst: 0.01,
            per_datagram: 0.001,
            per_byte: 1e-6,
            per_step: 1e-3,
        };
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut budget = CpuBudget::new(&limits);
        let looked_at = (0..100)
            .filter(|_| {
                let allowed = budget.allows(&limits, start);
                budget.charge(&limits, second);
                allowed
            })
            .count();
        assert_eq!(looked_at, 10);
        assert!(!budget.allows(&limits, start));
        assert!(budget.allows(&limits, start + second), "it fills again");
        let mut mover = CpuBudget::new(&limits);
        assert!((0..100).all(|_| {
            let allowed = mover.allows(&limits, start);
            mover.charge(&limits, second);
            mover.earn(&limits, 1);
            allowed
        }));
    }
}
