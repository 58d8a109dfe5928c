//! How much processor time one peer's packets may use, so that who only keeps us busy cannot take it from the others.

use std::time::{Duration, Instant};

/// Seconds of processor time, and what earns them.
#[derive(Clone, Copy, Debug)]
pub struct CpuLimits {
    /// Part of a processor that a peer may use without moving any data.
    pub share: f64,
    /// Seconds that it may save up; what it does not earn fills half of it.
    pub burst: f64,
    /// Part of a processor that all peers without reserve may use together.
    pub common_share: f64,
    /// Seconds of that at once.
    pub common_burst: f64,
    /// Seconds of reserve at the end of a handshake.
    pub login: f64,
    /// Seconds that are counted for one datagram at most: what takes longer is not the peer's doing.
    pub per_datagram: f64,
    /// Seconds earned by each stream byte that came in order or was acknowledged.
    pub per_byte: f64,
    /// Seconds earned at least by a step that moved any.
    pub per_step: f64,
}

/// What all peers of an endpoint together may use without moving any data. Each has a share of its own, but whoever has
/// many connections has many shares: who has used up its reserve is looked at only while something of this is left.
pub(crate) struct CommonBudget {
    balance: f64,
    at: Option<Instant>,
}

impl CommonBudget {
    pub(crate) fn new(limits: &CpuLimits) -> Self {
        Self {
            balance: limits.common_burst,
            at: None,
        }
    }

    fn allows(&mut self, limits: &CpuLimits, now: Instant) -> bool {
        let passed = self
            .at
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.balance = limits
            .common_burst
            .min(self.balance + passed * limits.common_share);
        self.at = Some(now);
        self.balance > 0.0
    }

    fn charge(&mut self, limits: &CpuLimits, used: f64) {
        self.balance = (self.balance - used).max(-limits.common_burst);
    }
}

/// One peer's account in seconds. The balance may go below zero by one datagram. Time fills half of it; the other half, the
/// reserve, has to be earned.
pub(crate) struct CpuBudget {
    balance: f64,
    /// What was used since the last step forward was looked for.
    unpaid: f64,
    at: Option<Instant>,
}

impl CpuBudget {
    pub(crate) fn new(limits: &CpuLimits) -> Self {
        Self {
            balance: limits.burst,
            unpaid: 0.0,
            at: None,
        }
    }

    /// Whether another datagram may be looked at.
    pub(crate) fn allows(&mut self, limits: &CpuLimits, common: &mut CommonBudget, now: Instant) -> bool {
        let reserve = limits.burst / 2.0;
        if let Some(at) = self.at
            && self.balance < reserve
        {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            self.balance = reserve.min(self.balance + passed * limits.share);
        }
        self.at = Some(now);
        self.balance > reserve || (self.balance > 0.0 && common.allows(limits, now))
    }

    /// Take what a datagram used.
    pub(crate) fn charge(&mut self, limits: &CpuLimits, used: Duration) {
        let used = used.as_secs_f64().min(limits.per_datagram);
        self.balance -= used;
        self.unpaid += used;
    }

    /// Give back for `moved` bytes, in both directions; what else was used is taken from everybody's.
    pub(crate) fn earn(&mut self, limits: &CpuLimits, common: &mut CommonBudget, moved: u64) {
        let mut earned = 0.0;
        if moved > 0 {
            earned = limits.per_step.max(moved as f64 * limits.per_byte);
            self.balance = limits.burst.min(self.balance + earned);
        }
        let unpaid = std::mem::take(&mut self.unpaid);
        if unpaid > earned {
            common.charge(limits, unpaid - earned);
        }
    }

    /// Take back what the handshake has left of the reserve, but for what a login costs: it would be a gift to whoever
    /// connects again and again.
    pub(crate) fn end_handshake(&mut self, limits: &CpuLimits) {
        self.balance = self.balance.min(limits.burst / 2.0 + limits.login);
    }
}

#[cfg(test)]
mod tests {
    use super::{CommonBudget, CpuBudget, CpuLimits};
    use std::time::{Duration, Instant};

    const LIMITS: CpuLimits = CpuLimits {
        share: 0.1,
        burst: 0.01,
        common_share: 1.0,
        common_burst: 1.0,
        login: 0.001,
        per_datagram: 0.001,
        per_byte: 1e-6,
        per_step: 1e-3,
    };

    #[test]
    fn who_has_no_reserve_shares_what_is_left_for_all() {
        let limits = CpuLimits {
            common_burst: 0.003,
            ..LIMITS
        };
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut common = CommonBudget::new(&limits);
        let mut many: Vec<_> = (0..4).map(|_| CpuBudget::new(&limits)).collect();
        for budget in &mut many {
            budget.end_handshake(&limits);
            assert!(budget.allows(&limits, &mut common, start), "its login");
            budget.charge(&limits, second);
            budget.earn(&limits, &mut common, 0);
        }
        assert!(
            !many[0].allows(&limits, &mut common, start),
            "it has a share, and all nothing"
        );
        let mut mover = CpuBudget::new(&limits);
        mover.end_handshake(&limits);
        mover.charge(&limits, second);
        mover.earn(&limits, &mut common, 1);
        assert!(
            mover.allows(&limits, &mut common, start),
            "it has earned what it used"
        );
        assert!(many[0].allows(&limits, &mut common, start + second));
    }

    #[test]
    fn who_moves_nothing_is_stopped_and_who_moves_data_is_not() {
        let limits = LIMITS;
        let mut common = CommonBudget::new(&limits);
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut budget = CpuBudget::new(&limits);
        let looked_at = (0..100)
            .filter(|_| {
                let allowed = budget.allows(&limits, &mut common, start);
                budget.charge(&limits, second);
                allowed
            })
            .count();
        assert_eq!(looked_at, 10);
        assert!(!budget.allows(&limits, &mut common, start));
        assert!(
            budget.allows(&limits, &mut common, start + second),
            "it fills again"
        );
        let mut mover = CpuBudget::new(&limits);
        assert!((0..100).all(|_| {
            let allowed = mover.allows(&limits, &mut common, start);
            mover.charge(&limits, second);
            mover.earn(&limits, &mut common, 1);
            allowed
        }));
    }
}
