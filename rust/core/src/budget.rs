//! The memory that all sessions may take together for what they keep, and the share of one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Bytes that a message counts on top of its own.
///
/// A frame of 40 bytes takes 44 to 77 more: the allocator's, its place in a queue that grows by doubling, and its kind.
/// A notify that is bound alone takes some 190 more.
pub const MESSAGE_COST: u64 = 96;

/// What so many messages of `bytes` together count in the budget.
pub(crate) fn cost(messages: u64, bytes: u64) -> u64 {
    bytes + messages * MESSAGE_COST
}

/// Bytes that many outboxes may take together for what they keep: retained, bound and held messages.
///
/// Each message takes `MESSAGE_COST` on top of its own.
/// Replies may go a quarter beyond the limit, and nothing beyond that.
#[derive(Debug)]
pub struct ByteBudget {
    limit: u64,
    used: AtomicU64,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    /// The bound in bytes, without the reserve for replies.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        // The counter orders nothing else, so all its operations are relaxed.
        self.used.load(Ordering::Relaxed)
    }

    fn fits(&self, used: u64, bytes: u64, reserve: bool) -> Option<u64> {
        let bound = with_reserve(self.limit, reserve);
        used.checked_add(bytes).filter(|sum| *sum <= bound)
    }

    fn try_take(&self, bytes: u64, reserve: bool) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                self.fits(used, bytes, reserve)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A bound, or with `reserve` a quarter more.
pub(crate) fn with_reserve(limit: u64, reserve: bool) -> u64 {
    if reserve {
        limit.saturating_add(limit / 4)
    } else {
        limit
    }
}

/// What one outbox takes from a budget, or from nothing; given back at the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Option<Arc<ByteBudget>>,
    taken: u64,
}

impl Share {
    pub(crate) fn new(budget: Option<Arc<ByteBudget>>) -> Self {
        Self { budget, taken: 0 }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether so many bytes more could be taken now.
    pub(crate) fn has_room(&self, bytes: u64, reserve: bool) -> bool {
        let budget = self.budget.as_ref();
        bytes == 0 || budget.is_none_or(|budget| budget.fits(budget.used(), bytes, reserve).is_some())
    }

    /// Takes bytes; none can always be taken.
    pub(crate) fn take(&mut self, bytes: u64, reserve: bool) -> Result<()> {
        if bytes > 0
            && let Some(budget) = &self.budget
            && !budget.try_take(bytes, reserve)
        {
            return Err(Error::BudgetFull { needed: bytes });
        }
        self.taken += bytes;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.taken -= bytes;
        if let Some(budget) = &self.budget {
            budget.give_back(bytes);
        }
    }

    pub(crate) fn give_back_all(&mut self) {
        self.give_back(self.taken);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back_all();
    }
}
