//! Which notifies somebody asks about that had to wait for their number, and what became of them.

use crate::error::{Error, Result};

/// Names a notify to whoever asks about it; 0 for one that nobody asks about.
pub type Ticket = u64;

/// The fates of named notifies: the number that each took, or 0 where its time passed before.
///
/// They are told when somebody asks: the steps that number messages give to nobody what they numbered. Those steps must
/// not fail for want of memory, so a place is taken with each notify that begins to wait.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    waiting: usize,
    fates: Vec<(Ticket, u64)>,
}

impl Tickets {
    /// Sees to it that one more can wait.
    pub(crate) fn reserve(&mut self, ticket: Ticket) -> Result<()> {
        if ticket == 0 {
            return Ok(());
        }
        self.fates
            .try_reserve(self.waiting + 1)
            .map_err(|_| Error::OutOfMemory)
    }

    /// One more waits.
    pub(crate) fn add(&mut self, ticket: Ticket) {
        self.waiting += usize::from(ticket != 0);
    }

    /// One waits no more, because whoever named it says so.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) {
        self.waiting -= usize::from(ticket != 0);
    }

    /// These took the numbers from `first` on, or with `first` 0 none; unnamed ones are among them.
    pub(crate) fn decide(&mut self, tickets: impl Iterator<Item = Ticket>, first: u64) {
        if self.waiting == 0 {
            return;
        }
        for (at, ticket) in tickets.enumerate() {
            if ticket != 0 {
                self.waiting -= 1;
                self.fates
                    .push((ticket, if first == 0 { 0 } else { first + at as u64 }));
            }
        }
    }

    /// The fates that were not told yet.
    pub(crate) fn take(&mut self) -> Vec<(Ticket, u64)> {
        if self.waiting == 0 {
            return std::mem::take(&mut self.fates);
        }
        self.fates.drain(..).collect()
    }

    /// The same, which stay untold.
    pub(crate) fn untold(&self) -> &[(Ticket, u64)] {
        &self.fates
    }

    /// Has these to tell, and place for those that wait.
    pub(crate) fn go_on_with(&mut self, fates: &[(Ticket, u64)]) -> Result<()> {
        self.fates
            .try_reserve(fates.len() + self.waiting)
            .map_err(|_| Error::OutOfMemory)?;
        self.fates.extend_from_slice(fates);
        Ok(())
    }

    /// Puts those of one step without an order into the order of their tickets; `told` were there before it.
    pub(crate) fn sort_behind(&mut self, told: usize) {
        self.fates[told..].sort_unstable();
    }

    /// How many fates there are that were not told.
    pub(crate) fn len(&self) -> usize {
        self.fates.len()
    }

    /// Nothing waits any more, and nobody is told why.
    pub(crate) fn clear(&mut self) {
        self.waiting = 0;
    }
}
