//! What one session was promised, compared with what it gets.
//!
//! Numbers come in order and without holes; each request has one reply, which is what was sent where its service
//! echoes; what is bound to a request stands directly before or behind its reply (protocol §3, §4). Requests have
//! consecutive numbers, so what is known of them is a queue whose front is the oldest one without a reply.

use std::collections::VecDeque;

use crate::breach::Breach;
use crate::echo;
use crate::message::{self, Outcome, Push};
use crate::plan::{Bound, Kind};

/// A request that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waiting {
    /// When it was meant to leave.
    pub(crate) due: f64,
    /// It was meant to leave while measured.
    pub(crate) measured: bool,
    pub(crate) kind: usize,
    pub(crate) size: usize,
}

/// Notifies bound to one request, in a row.
struct Row {
    seq: u64,
    came: u32,
    promised: u32,
}

/// What is known of one session's numbers and requests.
pub(crate) struct Ledger {
    /// The last number that came.
    pub(crate) number: u64,
    /// The number of the oldest request in `waiting`.
    oldest: u64,
    waiting: VecDeque<Option<Waiting>>,
    pub(crate) in_flight: u32,
    /// Notifies before a reply that did not come yet.
    before: Option<Row>,
    /// Notifies that have to come behind the last reply.
    after: Option<Row>,
    /// Some request failed: what was bound behind it may come whenever it is pushed, as that is after its reply.
    failed: bool,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            number: 0,
            oldest: 1,
            waiting: VecDeque::new(),
            in_flight: 0,
            before: None,
            after: None,
            failed: false,
        }
    }

    /// Note a request that leaves, and return its number.
    pub(crate) fn send(&mut self, waiting: Waiting) -> u64 {
        self.waiting.push_back(Some(waiting));
        self.in_flight += 1;
        self.next() - 1
    }

    /// The number of the next request.
    pub(crate) fn next(&self) -> u64 {
        self.oldest + self.waiting.len() as u64
    }

    /// The numbers of all requests without a reply.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = u64> {
        let with_number = (self.oldest..).zip(&self.waiting);
        with_number.filter_map(|(seq, waiting)| waiting.map(|_| seq))
    }

    /// Check the number of a message that has to have one.
    pub(crate) fn take_number(&mut self, push: &Push) -> Result<(), Breach> {
        let expected = self.number + 1;
        self.number = push.seq_id;
        if push.seq_id == expected {
            Ok(())
        } else {
            Err(Breach::Number {
                expected,
                came: push.seq_id,
            })
        }
    }

    /// Take a reply; the request that it answers.
    pub(crate) fn take_reply(&mut self, msg_id: u32) -> Result<(u64, Waiting), Breach> {
        // msg_id is the lower half of the request's number: far more than is ever under way.
        let at = msg_id.wrapping_sub(message::message_id(self.oldest)) as usize;
        let waiting = self.waiting.get_mut(at).and_then(Option::take);
        let waiting = waiting.ok_or(Breach::Reply { msg_id })?;
        let seq = self.oldest + at as u64;
        self.in_flight -= 1;
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.oldest += 1;
        }
        Ok((seq, waiting))
    }

    /// Check what stands around a reply, and its data if its service echoes them.
    pub(crate) fn check_reply(
        &mut self,
        seq: u64,
        kind: &Kind,
        size: usize,
        push: &Push,
        answer: &Outcome,
    ) -> Result<(), Breach> {
        let (before, owed) = (self.before.take(), self.settle());
        let good = push.kind == message::BUSINESS_DATA && answer.code == 200;
        self.failed |= !good;
        let promised = push.number("pushed").unwrap_or(0) as u32;
        if good && kind.binds == Some(Bound::After) {
            self.after = Some(Row {
                seq,
                came: 0,
                promised,
            });
        }
        owed?;
        match before {
            Some(row) if row.seq != seq => {
                return Err(Breach::Misplaced {
                    seq: row.seq,
                    place: Bound::Before,
                });
            }
            row if good && kind.binds == Some(Bound::Before) => {
                let came = row.map_or(0, |row| row.came);
                if came != promised {
                    return Err(Breach::Missing {
                        seq,
                        place: Bound::Before,
                        came,
                        promised,
                    });
                }
            }
            _ => {}
        }
        if good && kind.echoes {
            echo::check(seq, size, &answer.data)?;
        }
        Ok(())
    }

    /// Check where a notify stands.
    pub(crate) fn check_notify(&mut self, push: &Push, answer: &Outcome) -> Result<(), Breach> {
        let place = push.headers.get("notify-type").map(String::as_str);
        match (place, echo::number(&answer.data)) {
            (Some("before"), Some(seq)) => self.bound_before(seq, push),
            (Some("after"), Some(seq)) => self.bound_after(seq, push),
            _ => self.settle().and(match self.before.take() {
                Some(row) => Err(Breach::Misplaced {
                    seq: row.seq,
                    place: Bound::Before,
                }),
                None => Ok(()),
            }),
        }
    }

    fn bound_before(&mut self, seq: u64, push: &Push) -> Result<(), Breach> {
        self.settle()?;
        let waits = seq
            .checked_sub(self.oldest)
            .and_then(|at| self.waiting.get(at as usize));
        if !matches!(waits, Some(Some(_))) {
            return Err(Breach::Misplaced {
                seq,
                place: Bound::Before,
            });
        }
        let row = self.before.get_or_insert(Row {
            seq,
            came: 0,
            promised: 0,
        });
        if row.seq != seq {
            return Err(Breach::Misplaced {
                seq: row.seq,
                place: Bound::Before,
            });
        }
        in_turn(row, push)
    }

    fn bound_after(&mut self, seq: u64, push: &Push) -> Result<(), Breach> {
        match &mut self.after {
            Some(row) if row.seq == seq && row.came < row.promised => in_turn(row, push),
            _ if self.failed => Ok(()),
            _ => Err(Breach::Misplaced {
                seq,
                place: Bound::After,
            }),
        }
    }

    /// Whatever was to come behind the last reply has come.
    fn settle(&mut self) -> Result<(), Breach> {
        match self.after.take() {
            Some(Row { seq, came, promised }) if came < promised => Err(Breach::Missing {
                seq,
                place: Bound::After,
                came,
                promised,
            }),
            _ => Ok(()),
        }
    }
}

/// Services count what they push for one request from 1 on, in the header `index`.
fn in_turn(row: &mut Row, push: &Push) -> Result<(), Breach> {
    row.came += 1;
    let expected = row.came.into();
    match push.number("index") {
        Some(came) if came != expected => Err(Breach::Order {
            seq: row.seq,
            expected,
            came,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
