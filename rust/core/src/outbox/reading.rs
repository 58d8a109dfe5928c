//! What can be read of an outbox.

use super::Outbox;
use crate::sequence::SequenceAllocator;
use crate::tally::Tally;
use crate::window::Counts;

impl Outbox {
    /// How many requests are accepted and not replied to.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.open.len() as u64
    }

    /// How many notifies wait for the reply to their request.
    #[must_use]
    pub fn bound(&self) -> u64 {
        self.binds.len()
    }

    /// How many notifies wait for `release`.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.len()
    }

    /// Whether `release` left something behind, which goes before anything new.
    #[must_use]
    pub fn releasing(&self) -> bool {
        self.releasing
    }

    /// The numbers of the session.
    #[must_use]
    pub fn numbers(&self) -> &SequenceAllocator {
        &self.line.numbers
    }

    /// How many messages are kept for a resume.
    #[must_use]
    pub fn retained(&self) -> u64 {
        self.line.window.len()
    }

    /// Bytes of the frames that are kept for a resume.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.line.window.bytes()
    }

    /// Bytes taken from the budget: of what is retained, bound and held, and `MESSAGE_COST` for each message.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.line.share.taken()
    }

    /// How full the window is, by messages or bytes, whichever is more: 1.0 is full, more the reserve.
    #[must_use]
    pub fn fill(&self) -> f64 {
        self.line.window.fill()
    }

    /// Whether the session overflowed.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// What never took a number because the session overflowed.
    #[must_use]
    pub fn dropped(&self) -> Counts {
        self.dropped
    }

    /// The accounts of the session; after an overflow what took a number stays open until it is acknowledged or the
    /// session ends.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed
    }
}
