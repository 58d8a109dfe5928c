//! The three numbers of a session: last sent, last accepted from the client, last acknowledged by it.

use crate::error::{Error, Result};

/// Numbers of one session (protocol §3, §4, §5).
#[derive(Debug)]
pub struct SequenceAllocator {
    last: u64,
    acked: u64,
    max_client_seq: u64,
}

impl SequenceAllocator {
    /// Numbers go on after `after`; everything up to it counts as acknowledged.
    #[must_use]
    pub fn new(after: u64) -> Self {
        Self {
            last: after,
            acked: after,
            max_client_seq: 0,
        }
    }

    /// The number taken last.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The highest number acknowledged.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// The highest number accepted from the client, 0 before the first.
    #[must_use]
    pub fn max_client_seq(&self) -> u64 {
        self.max_client_seq
    }

    /// Refuses if there are no `n` numbers left.
    pub(crate) fn check_left(&self, n: u64) -> Result<()> {
        if self.last.checked_add(n).is_none() {
            Err(Error::NumbersUsedUp)
        } else {
            Ok(())
        }
    }

    /// Takes `n` consecutive numbers, which `check_left` found.
    pub(crate) fn advance(&mut self, n: u64) {
        self.last += n;
    }

    /// Takes `n` consecutive numbers and gives the first.
    pub fn next_many(&mut self, n: u64) -> Result<u64> {
        if n == 0 {
            return Err(Error::Invalid("at least one number must be taken"));
        }
        self.check_left(n)?;
        let first = self.last + 1;
        self.advance(n);
        Ok(first)
    }

    /// Accepts the client's next number, or gives the number expected.
    ///
    /// 0 is never accepted. The first number may be any other, then each must be one more than the one before. After
    /// the highest number there is, nothing more can be accepted: the numbers are used up.
    pub fn accept(&mut self, seq: u64) -> Result<std::result::Result<(), u64>> {
        let next = self.max_client_seq.checked_add(1).ok_or(Error::NumbersUsedUp)?;
        if !self.expects(seq) {
            return Ok(Err(next));
        }
        self.max_client_seq = seq;
        Ok(Ok(()))
    }

    /// Whether `accept` would accept it.
    pub(crate) fn expects(&self, seq: u64) -> bool {
        seq > 0 && (self.max_client_seq == 0 || self.max_client_seq.checked_add(1) == Some(seq))
    }

    /// Accepts the client's next numbers up to this one.
    pub(crate) fn accepted_up_to(&mut self, seq: u64) {
        self.max_client_seq = seq;
    }

    /// Goes on from where another one was.
    pub(crate) fn go_on_from(&mut self, last: u64, acked: u64, max_client_seq: u64) {
        (self.last, self.acked, self.max_client_seq) = (last, acked, max_client_seq);
    }

    /// Acknowledges everything up to `seq`; gives how many numbers that is, 0 if it is not news.
    pub fn ack(&mut self, seq: u64) -> Result<u64> {
        if seq > self.last {
            return Err(Error::FutureAck {
                seq,
                highest: self.last,
            });
        }
        let news = seq.saturating_sub(self.acked);
        self.acked += news;
        Ok(news)
    }
}
