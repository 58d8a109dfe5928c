//! Acknowledgement, and what a client that comes back is given again or told to have missed.

use bytes::Bytes;

use super::Outbox;
use crate::budget::cost;
use crate::error::Result;
use crate::tickets::Ticket;
use crate::window::{Counts, Retained};
use crate::wire;

impl Outbox {
    /// Acknowledges everything up to `seq` and gives how many frames were freed.
    pub fn ack(&mut self, seq: u64) -> Result<u64> {
        let acked = self.line.numbers.acked();
        let news = self.line.numbers.ack(seq)?;
        if news == 0 {
            return Ok(0);
        }
        let freed = self.line.window.free(news, acked);
        self.line.share.give_back(cost(freed.frames, freed.bytes));
        if !self.closed {
            self.tally.deliver(freed.counts);
        }
        Ok(freed.frames)
    }

    /// Retained frames numbered above `after`, oldest first, and the number of the last one of them.
    ///
    /// As many as `max_bytes` hold, but at least one if there is one; if there is none, nothing and the higher one of
    /// `after` and the number acknowledged.
    pub fn replay(&self, after: u64, max_bytes: u64) -> Result<(Vec<u8>, u64)> {
        let acked = self.line.numbers.acked();
        let mut last = after.max(acked);
        let mut size = 0;
        let mut count = 0;
        for message in self.line.window.above(last, acked) {
            let with_it = size + message.len();
            if count > 0 && with_it > max_bytes {
                break;
            }
            size = with_it;
            count += 1;
        }
        let mut joined = wire::room(size)?;
        for message in self.line.window.above(last, acked).take(count) {
            message.write(&mut joined);
        }
        last += count as u64;
        Ok((joined, last))
    }

    /// What is numbered above `after` and not acknowledged, retained or not, without what is kept elsewhere.
    #[must_use]
    pub fn missed(&self, after: u64) -> Counts {
        let acked = self.line.numbers.acked();
        self.line.window.kinds(after.saturating_sub(acked))
    }

    /// The bodies of notifies of their own that are numbered above `after`, oldest first, and then of those held.
    #[must_use]
    pub fn unsent(&self, after: u64) -> Vec<Bytes> {
        let acked = self.line.numbers.acked();
        let numbered = self.line.window.above(after.max(acked), acked);
        numbered
            .filter_map(Retained::body)
            .chain(self.held.bodies().iter().cloned())
            .collect()
    }

    /// Of each notify of `unsent` the number, and of one without a number 0 and its ticket.
    #[must_use]
    pub fn unsent_names(&self, after: u64) -> Vec<(u64, Ticket)> {
        let acked = self.line.numbers.acked();
        let numbered = self.line.window.above(after.max(acked), acked);
        numbered
            .filter_map(|message| message.notify_seq().map(|seq| (seq, 0)))
            .chain(self.held.tickets().iter().map(|ticket| (0, *ticket)))
            .collect()
    }
}
