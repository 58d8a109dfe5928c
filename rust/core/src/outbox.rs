//! Everything that a session sends in order: the only place where its sequence numbers are taken.

mod moving;
mod reading;
mod resume;
mod turning_away;
mod waiting;

use std::collections::HashSet;
use std::sync::Arc;

use crate::budget::{ByteBudget, Share};
use crate::error::{Error, Result};
use crate::hold::HoldCache;
use crate::line::{Line, Message};
use crate::notify::{Bound, NotifyBuffers, Waiting};
use crate::sequence::SequenceAllocator;
use crate::tally::Tally;
use crate::tickets::Tickets;
use crate::window::{Counts, Kind, Window};
use crate::wire::{self, Body, SharedBody, Tail};

pub use moving::{BoundState, OutboxState};

/// Bounds of one session; sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most messages unacknowledged, at least 1; replies may go a quarter beyond.
    pub window_messages: u64,
    /// Most bytes unacknowledged, frames counted with their length prefix, at least 1; replies as above.
    pub window_bytes: u64,
    /// Longest message.
    pub max_body: u32,
    /// Most notifies bound to one request.
    pub bind_per_request: u64,
    /// Most notifies bound.
    pub bind_total: u64,
    /// Most notifies held.
    pub hold_messages: u64,
    /// Most bytes held.
    pub hold_bytes: u64,
}

/// The ordered way down of one session (protocol §4, §5).
///
/// Each step numbers, encodes, frames and retains its messages at once, and takes numbers only when nothing can fail
/// any more. What a step gives are the frames as they go on the stream; they are kept until `ack`. `give` makes of them
/// what the step returns; it is called before anything has changed, since it may find no memory.
#[derive(Debug)]
pub struct Outbox {
    line: Line,
    binds: NotifyBuffers,
    /// Requests that were accepted and have no reply yet.
    open: HashSet<u64>,
    held: HoldCache,
    tickets: Tickets,
    /// A release left something behind, which nothing new may overtake.
    releasing: bool,
    tally: Tally,
    dropped: Counts,
    overflowed: bool,
    closed: bool,
    max_body: u64,
}

impl Outbox {
    /// Numbers go on after `after`.
    pub fn new(after: u64, limits: Limits, budget: Option<Arc<ByteBudget>>) -> Result<Self> {
        if limits.window_messages == 0 || limits.window_bytes == 0 {
            return Err(Error::Invalid(
                "a window needs room for at least one message and one byte",
            ));
        }
        Ok(Self {
            line: Line {
                numbers: SequenceAllocator::new(after),
                window: Window::new(limits.window_messages, limits.window_bytes),
                share: Share::new(budget),
            },
            binds: NotifyBuffers::new(limits.bind_per_request, limits.bind_total),
            open: HashSet::new(),
            // What could never be sent is not held.
            held: HoldCache::new(
                limits.hold_messages.min(limits.window_messages),
                limits.hold_bytes.min(limits.window_bytes),
            ),
            tickets: Tickets::default(),
            releasing: false,
            tally: Tally::default(),
            dropped: (0, 0),
            overflowed: false,
            closed: false,
            max_body: limits.max_body.into(),
        })
    }

    // Requests on their way up

    /// Accepts the client's next request, or gives the number expected; it is in flight until its reply.
    pub fn accept(&mut self, seq: u64) -> Result<std::result::Result<(), u64>> {
        self.check_closed()?;
        self.open.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        let accepted = self.line.numbers.accept(seq)?;
        if accepted.is_ok() {
            self.open.insert(seq);
            self.tally.accept(RESPONSE);
        }
        Ok(accepted)
    }

    /// Whether request `seq` is accepted and not replied to.
    #[must_use]
    pub fn is_open(&self, seq: u64) -> bool {
        self.open.contains(&seq)
    }

    // Messages on their way down

    /// Replies to request `client_seq`, with the notifies bound before and after it, as one step.
    ///
    /// An overflow closes the request too, and counts what was not sent.
    pub fn reply<S: AsRef<str>, T>(
        &mut self,
        client_seq: u64,
        msg_id: u32,
        tail: Tail<'_, S>,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        self.check_closed()?;
        if !self.open.contains(&client_seq) {
            return Err(Error::NotInFlight { seq: client_seq });
        }
        let tail = tail.check(self.max_body)?;
        let sent = if self.overflowed {
            Err(Error::WindowFull)
        } else {
            self.send_reply(client_seq, msg_id, &tail, give)
        };
        match sent {
            Err(Error::WindowFull) => {
                self.open.remove(&client_seq);
                Err(self.overflow(RESPONSE)) // its notifies are dropped as all that are bound
            }
            Err(refused) => Err(refused),
            Ok(sent) => {
                self.open.remove(&client_seq);
                let bound = self.binds.take_all(client_seq);
                let tickets = bound.tickets();
                let first = self.line.numbers.last() - bound.len();
                self.tickets.decide(tickets, first);
                Ok(sent)
            }
        }
    }

    /// Sends a numbered error for a request that was not accepted.
    pub fn refuse<S: AsRef<str>, T>(
        &mut self,
        msg_id: u32,
        tail: Tail<'_, S>,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        self.check_closed()?;
        let tail = tail.check(self.max_body)?;
        let refusal = Message {
            msg_id,
            body: Body::Tail(&tail),
            kind: Kind::Response,
        };
        let sent = if self.overflowed {
            Err(Error::WindowFull)
        } else {
            self.line.send([refusal].into_iter(), true, 0, give)
        };
        match sent {
            Err(Error::WindowFull) => {
                self.tally.accept(RESPONSE);
                Err(self.overflow(RESPONSE))
            }
            Err(refused) => Err(refused),
            Ok(sent) => {
                self.tally.accept(RESPONSE);
                Ok(sent)
            }
        }
    }

    /// Sends a notify now; `kept`: its original is kept elsewhere, so that its loss is none.
    pub fn push<T>(&mut self, body: &[u8], kept: bool, give: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        self.check_closed()?;
        wire::check_length(body.len() as u64, self.max_body)?;
        let kind = if kept { Kind::Kept } else { Kind::Notify };
        self.push_checked(Message::notify(body, kind), give)
    }

    /// Sends a notify that others get too, and gives its number with it, where nothing stands in the way.
    ///
    /// Else nothing changes, and `push` with the same body says what does stand there.
    pub fn push_shared<T>(
        &mut self,
        body: &SharedBody,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Option<(T, u64)> {
        if self.closed || self.overflowed {
            return None; // an overflow is counted by `push`
        }
        wire::check_length(body.0.len() as u64, self.max_body).ok()?;
        let message = Message {
            msg_id: 0,
            body: Body::Shared(&body.0),
            kind: Kind::Shared,
        };
        let sent = self.push_checked(message, give).ok()?;
        Some((sent, self.line.numbers.last()))
    }

    // Ends

    /// Overflows now, and counts so many messages more, which were to be sent, as dropped.
    pub fn mark_overflow(&mut self, responses: u64, notifies: u64) {
        self.tally.accept((responses, notifies));
        self.overflow((responses, notifies));
    }

    /// Ends: drops frames, requests in flight, bound and held notifies; `missed` still tells.
    ///
    /// `saved` notifies of what was not acknowledged are elsewhere now, at most as many as there are; the rest is
    /// lost.
    pub fn close(&mut self, saved: u64) {
        if self.closed {
            return;
        }
        let (responses, notifies) = self.missed(0);
        let notifies = notifies + self.bound() + self.held();
        self.tally.saved = saved.min(notifies);
        self.tally
            .lose((responses + self.in_flight(), notifies - self.tally.saved));
        self.closed = true;
        self.open = HashSet::new();
        self.drop_waiting();
    }

    // Steps

    fn check_closed(&self) -> Result<()> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    fn push_checked<T>(
        &mut self,
        message: Message<'_, &str>,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let counts = if message.kind == Kind::Kept {
            (0, 0)
        } else {
            NOTIFY
        };
        if self.overflowed {
            self.tally.accept(counts);
            return Err(self.overflow(counts));
        }
        if self.releasing {
            return Err(Error::WindowFull);
        }
        let sent = self.line.send([message].into_iter(), false, 0, give)?;
        self.tally.accept(counts);
        Ok(sent)
    }

    fn send_reply<S: AsRef<str>, T>(
        &mut self,
        client_seq: u64,
        msg_id: u32,
        tail: &Tail<'_, S>,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let none = Bound::default();
        let bound = self.binds.get(client_seq).unwrap_or(&none);
        let reply = Message {
            msg_id,
            body: Body::Tail(tail),
            kind: Kind::Response,
        };
        let before = bound.before.iter().map(attached);
        let after = bound.after.iter().map(attached);
        self.line
            .send(before.chain([reply]).chain(after), true, bound.cost(), give)
    }

    /// Overflows: what is retained or waits can never go out, and its memory is of use to others.
    ///
    /// `owed` is dropped too, and so is counted already as accepted.
    fn overflow(&mut self, owed: Counts) -> Error {
        let (responses, notifies) = owed;
        let dropped = (responses, notifies + self.bound() + self.held());
        self.overflowed = true;
        self.dropped.0 += dropped.0;
        self.dropped.1 += dropped.1;
        self.tally.lose(dropped);
        self.drop_waiting();
        Error::Overflowed
    }

    fn drop_waiting(&mut self) {
        self.binds.clear();
        self.held.clear();
        self.tickets.clear();
        self.releasing = false;
        self.line.drop_frames();
    }
}

fn attached<S: AsRef<str>>(waiting: &Waiting) -> Message<'_, S> {
    Message::notify(&waiting.body, Kind::Attached)
}

const RESPONSE: Counts = (1, 0);
const NOTIFY: Counts = (0, 1);
