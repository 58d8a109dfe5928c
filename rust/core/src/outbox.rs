//! Everything that a session sends in order: the only place where its sequence numbers are taken.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{BindCode, Error, Result};
use crate::hold::HoldCache;
use crate::notify::{NotifyBuffers, Place};
use crate::sequence::SequenceAllocator;
use crate::window::{ByteBudget, Counts, Kind, Window};
use crate::wire::{self, Body, Tail};

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

/// The ordered way down of one session (contract §4, §5).
///
/// Each step numbers, encodes, frames and retains its messages at once, and takes numbers only when nothing can fail
/// any more. What a step gives are the frames as they go on the stream; they are kept until `ack`.
#[derive(Debug)]
pub struct Outbox {
    numbers: SequenceAllocator,
    binds: NotifyBuffers,
    window: Window,
    /// Requests that were accepted and have no reply yet.
    open: HashSet<u64>,
    held: HoldCache,
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
            numbers: SequenceAllocator::new(after),
            binds: NotifyBuffers::new(limits.bind_per_request, limits.bind_total),
            window: Window::new(limits.window_messages, limits.window_bytes, budget),
            open: HashSet::new(),
            held: HoldCache::new(limits.hold_messages, limits.hold_bytes),
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
        let accepted = self.numbers.accept(seq);
        if accepted.is_ok() {
            self.open.insert(seq);
        }
        Ok(accepted)
    }

    /// Whether request `seq` is accepted and not replied to.
    #[must_use]
    pub fn is_open(&self, seq: u64) -> bool {
        self.open.contains(&seq)
    }

    // Messages on their way down

    /// Replies to request `grid`, with the notifies bound before and after it, as one step.
    ///
    /// An overflow closes the request too, and counts what was not sent.
    pub fn reply<S: AsRef<str>>(&mut self, grid: u64, msg_id: u32, tail: Tail<'_, S>) -> Result<Bytes> {
        self.check_closed()?;
        if !self.open.contains(&grid) {
            return Err(Error::NotInFlight { seq: grid });
        }
        let tail = tail.check(self.max_body)?;
        if !self.overflowed {
            self.numbers.check_left(self.binds.count(grid) + 1)?;
        }
        self.open.remove(&grid);
        let bound = self.binds.take_all(grid);
        let before = bound.before.iter().map(|waiting| Message::notify(&waiting.body));
        let after = bound.after.iter().map(|waiting| Message::notify(&waiting.body));
        let reply = Message {
            msg_id,
            body: Body::Tail(&tail),
            kind: Kind::Response,
        };
        self.send_or_overflow(before.chain([reply]).chain(after))
    }

    /// Sends a numbered error for a request that was not accepted.
    pub fn refuse<S: AsRef<str>>(&mut self, msg_id: u32, tail: Tail<'_, S>) -> Result<Bytes> {
        self.check_closed()?;
        let tail = tail.check(self.max_body)?;
        self.send_or_overflow(
            [Message {
                msg_id,
                body: Body::Tail(&tail),
                kind: Kind::Response,
            }]
            .into_iter(),
        )
    }

    /// Sends a notify now.
    pub fn push(&mut self, body: &[u8]) -> Result<Bytes> {
        self.check_closed()?;
        wire::check_length(body.len() as u64, self.max_body)?;
        self.push_checked(body)
    }

    /// Binds a notify to the reply to request `grid`: keeps it, and gives nothing, while that reply is to come.
    ///
    /// It is to come when `grid` is in flight or above all requests accepted. Else a notify for after the reply is
    /// sent as by `push`, and one for before it is refused.
    pub fn bind(&mut self, grid: u64, place: Place, body: &[u8], expires_at: f64) -> Result<Bytes> {
        self.check_closed()?;
        if grid == 0 {
            return Err(Error::BindRefused(BindCode::SeqRequired));
        }
        wire::check_length(body.len() as u64, self.max_body)?;
        if self.open.contains(&grid) || grid > self.numbers.max_client_seq() {
            self.binds.bind(grid, place, body, expires_at)?;
            return Ok(Bytes::new());
        }
        match place {
            Place::Before => Err(Error::BindRefused(BindCode::ResponseAlreadySent)),
            Place::After => self.push_checked(body),
        }
    }

    /// Drops bound notifies whose time is not after `now`, and gives how many.
    pub fn expire(&mut self, now: f64) -> u64 {
        self.binds.expire(now)
    }

    /// Keeps a notify until `release`.
    pub fn hold(&mut self, body: &[u8]) -> Result<()> {
        self.check_closed()?;
        wire::check_length(body.len() as u64, self.max_body)?;
        self.held.add(body)
    }

    /// Sends what was held, in order, as one step; an overflow drops and counts it.
    pub fn release(&mut self) -> Result<Bytes> {
        self.check_closed()?;
        if !self.overflowed {
            self.numbers.check_left(self.held())?;
        }
        let held = self.held.take();
        self.send_or_overflow(held.iter().map(|body| Message::<&str>::notify(body)))
    }

    // Acknowledgement and resume

    /// Acknowledges everything up to `seq` and gives how many frames were freed.
    pub fn ack(&mut self, seq: u64) -> Result<u64> {
        let news = self.numbers.ack(seq)?;
        Ok(if news > 0 { self.window.free(news) } else { 0 })
    }

    /// Retained frames numbered above `after`, oldest first, and the number of the last one of them.
    ///
    /// As many as `max_bytes` hold, but at least one if there is one; if there is none, nothing and the higher one of
    /// `after` and the number acknowledged.
    #[must_use]
    pub fn replay(&self, after: u64, max_bytes: u64) -> (Vec<u8>, u64) {
        let acked = self.numbers.acked();
        let mut last = after.max(acked);
        let mut joined = Vec::new();
        for frame in self.window.after(last - acked) {
            if !joined.is_empty() && (joined.len() + frame.len()) as u64 > max_bytes {
                break;
            }
            joined.extend_from_slice(frame);
            last += 1;
        }
        (joined, last)
    }

    /// Overflows now: drops the retained frames, and counts so many messages more as dropped.
    pub fn mark_overflow(&mut self, responses: u64, notifies: u64) {
        self.overflowed = true;
        self.dropped.0 += responses;
        self.dropped.1 += notifies;
        self.window.drop_frames();
    }

    /// What is numbered above `after` and not acknowledged, retained or not.
    #[must_use]
    pub fn missed(&self, after: u64) -> Counts {
        self.window.kinds(after.saturating_sub(self.numbers.acked()))
    }

    /// Ends: drops frames, requests in flight, bound and held notifies; `missed` still tells.
    pub fn close(&mut self) {
        self.closed = true;
        self.window.drop_frames();
        self.open = HashSet::new();
        self.binds.clear();
        self.held.take();
    }

    // What can be read

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

    /// The numbers of the session.
    #[must_use]
    pub fn numbers(&self) -> &SequenceAllocator {
        &self.numbers
    }

    /// How many messages are kept for a resume.
    #[must_use]
    pub fn retained(&self) -> u64 {
        self.window.len()
    }

    /// Bytes of the frames that are kept for a resume.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.window.bytes()
    }

    /// How full the window is, by messages or bytes, whichever is more: 1.0 is full, more the reserve.
    #[must_use]
    pub fn fill(&self) -> f64 {
        self.window.fill()
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

    /// Whether the session has ended.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed
    }

    // Steps

    fn check_closed(&self) -> Result<()> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    fn push_checked(&mut self, body: &[u8]) -> Result<Bytes> {
        if self.overflowed {
            self.mark_overflow(0, 1);
            return Err(Error::Overflowed);
        }
        self.send([Message::<&str>::notify(body)].into_iter(), false)
    }

    /// Sends messages that may use the reserve, or drops and counts all of them.
    fn send_or_overflow<'a, S>(
        &mut self,
        messages: impl Iterator<Item = Message<'a, S>> + Clone,
    ) -> Result<Bytes>
    where
        S: AsRef<str> + 'a,
    {
        if !self.overflowed {
            match self.send(messages.clone(), true) {
                Err(Error::WindowFull) => {}
                sent => return sent,
            }
        }
        let (responses, notifies) =
            messages.fold((0, 0), |(responses, notifies), message| match message.kind {
                Kind::Response => (responses + 1, notifies),
                Kind::Notify => (responses, notifies + 1),
            });
        self.mark_overflow(responses, notifies);
        Err(Error::Overflowed)
    }

    /// Numbers, encodes, frames and retains messages, or refuses and changes nothing.
    fn send<'a, S>(
        &mut self,
        messages: impl Iterator<Item = Message<'a, S>> + Clone,
        reserve: bool,
    ) -> Result<Bytes>
    where
        S: AsRef<str> + 'a,
    {
        let count = messages.clone().count() as u64;
        if count == 0 {
            return Ok(Bytes::new());
        }
        self.numbers.check_left(count)?;
        let last = self.numbers.last();
        let numbered = (last + 1..=last + count).zip(messages);
        let size = numbered
            .clone()
            .map(|(seq, message)| message.frame_len(seq))
            .sum();
        if !self.window.admit(count, size, reserve) {
            return Err(Error::WindowFull);
        }

        // From here on nothing can fail.
        let mut joined = Vec::with_capacity(size as usize);
        for (seq, message) in numbered.clone() {
            message.body.write_frame(&mut joined, message.msg_id, seq);
        }
        let joined = Bytes::from(joined);
        let mut start = 0;
        for (seq, message) in numbered {
            let end = start + message.frame_len(seq) as usize;
            self.window.keep(joined.slice(start..end), message.kind);
            start = end;
        }
        self.numbers.advance(count);
        Ok(joined)
    }
}

/// A message that has no number yet.
struct Message<'a, S> {
    msg_id: u32,
    body: Body<'a, S>,
    kind: Kind,
}

impl<'a, S: AsRef<str>> Message<'a, S> {
    fn notify(body: &'a [u8]) -> Self {
        Self {
            msg_id: 0,
            body: Body::Encoded(body),
            kind: Kind::Notify,
        }
    }

    fn frame_len(&self, seq: u64) -> u64 {
        self.body.frame_len(self.msg_id, seq)
    }
}

impl<S> Clone for Message<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Message<'_, S> {}
