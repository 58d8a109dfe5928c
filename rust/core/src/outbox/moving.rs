//! How an outbox leaves a process, and goes on in another one.

use std::collections::HashSet;

use bytes::Bytes;

use super::Outbox;
use crate::budget::cost;
use crate::error::{Error, Result};
use crate::notify::Place;
use crate::tally::Tally;
use crate::tickets::Ticket;
use crate::window::{Counts, Kind, Retained};
use crate::wire::{self, PREFIX};

/// A notify that waits for the reply to its request.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundState<B> {
    /// Its request.
    pub client_seq: u64,
    /// On which side of the reply it goes out.
    pub place: Place,
    /// The message without its number.
    pub body: B,
    /// Seconds on the clock of `Outbox::expire`.
    pub expires_at: f64,
    /// Names it to whoever asks about it.
    pub ticket: Ticket,
}

/// An outbox at one moment, but for its bounds; `B` are bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxState<B> {
    /// The last number acknowledged.
    pub acked: u64,
    /// The last number accepted from the client.
    pub max_client_seq: u64,
    /// Of each number behind `acked` what its message counts as, see `Kind::number`.
    pub kinds: B,
    /// Their frames, one behind the other; none after an overflow.
    pub frames: B,
    /// Requests without a reply, in their order.
    pub open: Vec<u64>,
    /// By request, those before its reply first, each side in the order in which it was bound.
    pub bound: Vec<BoundState<B>>,
    /// What is held, with its tickets.
    pub held: Vec<(B, Ticket)>,
    /// What `Outbox::fates` did not tell yet.
    pub fates: Vec<(Ticket, u64)>,
    /// As `Outbox::releasing`.
    pub releasing: bool,
    /// As `Outbox::overflowed`.
    pub overflowed: bool,
    /// As `Outbox::dropped`.
    pub dropped: Counts,
    /// As `Outbox::tally`.
    pub tally: Tally,
}

impl Outbox {
    /// All that there is, for `restore` in another process; but of the messages only those numbered above `after`.
    pub fn export(&self, after: u64) -> Result<OutboxState<Bytes>> {
        self.check_closed()?;
        let (acked, window) = (self.line.numbers.acked(), &self.line.window);
        let after = after.max(acked);
        let size = window.above(after, acked).map(Retained::len);
        let mut frames = wire::room(size.sum())?;
        for message in window.above(after, acked) {
            message.write(&mut frames);
        }
        let had = (after - acked).min(window.kinds_len());
        let mut kinds = wire::room(window.kinds_len() - had)?;
        kinds.extend(window.all_kinds().skip(had as usize).map(Kind::number));
        let mut open = Vec::new();
        open.try_reserve_exact(self.open.len())
            .map_err(|_| Error::OutOfMemory)?;
        open.extend(&self.open);
        open.sort_unstable();
        let held = self.held.bodies().iter().cloned();
        Ok(OutboxState {
            acked,
            max_client_seq: self.line.numbers.max_client_seq(),
            kinds: kinds.into(),
            frames: frames.into(),
            open,
            bound: self.binds.all(),
            held: held.zip(self.held.tickets().iter().copied()).collect(),
            fates: self.tickets.untold().to_vec(),
            releasing: self.releasing,
            overflowed: self.overflowed,
            dropped: self.dropped,
            tally: self.tally,
        })
    }

    /// Becomes what `export` gave elsewhere. What is kept may be beyond the bounds here; nothing is dropped.
    pub fn restore<B: AsRef<[u8]>>(&mut self, state: &OutboxState<B>) -> Result<()> {
        self.check_closed()?;
        if !self.untouched() {
            return Err(Error::Invalid(
                "an outbox that has done something cannot become another one",
            ));
        }
        let frames = state.frames()?;
        state.check()?;
        let mut outbox = self.bare();
        outbox.take_in(state, &frames)?;
        // The last step that can fail, and the first one that others notice.
        let size = |body: &B| body.as_ref().len() as u64;
        let bodies = state.bound.iter().map(|each| &each.body);
        let bodies = bodies.chain(state.held.iter().map(|(body, _)| body)).map(size);
        let count = frames.len() + state.bound.len() + state.held.len();
        let bytes = outbox.line.window.bytes() + bodies.sum::<u64>();
        self.line.share.take(cost(count as u64, bytes), true)?;
        std::mem::swap(&mut outbox.line.share, &mut self.line.share);
        *self = outbox;
        Ok(())
    }

    fn untouched(&self) -> bool {
        self.tally == Tally::default()
            && self.dropped == (0, 0)
            && self.line.numbers.max_client_seq() == 0
            && self.line.window.kinds_len() == 0
            && self.tickets.untold().is_empty()
            && !self.overflowed
    }

    /// One with the same bounds that has done nothing, and takes no budget.
    fn bare(&self) -> Self {
        Self {
            line: self.line.bare(),
            binds: self.binds.bare(),
            open: HashSet::new(),
            held: self.held.bare(),
            tickets: Default::default(),
            releasing: false,
            tally: Tally::default(),
            dropped: (0, 0),
            overflowed: false,
            closed: false,
            max_body: self.max_body,
        }
    }

    /// Takes a copy of everything; what fails for want of memory leaves it half done.
    fn take_in<B: AsRef<[u8]>>(&mut self, state: &OutboxState<B>, frames: &[&[u8]]) -> Result<()> {
        let kinds = state.kinds.as_ref();
        let last = state.acked + kinds.len() as u64;
        self.line
            .numbers
            .go_on_from(last, state.acked, state.max_client_seq);
        self.line.window.reserve(kinds.len())?;
        for (at, kind) in kinds.iter().filter_map(|kind| Kind::of(*kind)).enumerate() {
            match frames.get(at) {
                Some(frame) => self
                    .line
                    .window
                    .keep(wire::copy(frame)?, kind, frame.len() as u64),
                None => self.line.window.keep_kind(kind),
            }
        }
        for each in &state.bound {
            self.tickets.reserve(each.ticket)?;
            let body = each.body.as_ref();
            self.binds
                .keep_bound(each.client_seq, each.place, body, each.expires_at, each.ticket)?;
            self.tickets.add(each.ticket);
        }
        for (body, ticket) in &state.held {
            self.tickets.reserve(*ticket)?;
            self.held.add(body.as_ref(), *ticket)?;
            self.tickets.add(*ticket);
        }
        self.tickets.go_on_with(&state.fates)?;
        self.open
            .try_reserve(state.open.len())
            .map_err(|_| Error::OutOfMemory)?;
        self.open.extend(&state.open);
        (self.releasing, self.overflowed) = (state.releasing, state.overflowed);
        (self.dropped, self.tally) = (state.dropped, state.tally);
        Ok(())
    }
}

impl<B: AsRef<[u8]>> OutboxState<B> {
    /// The frames one by one, each with its number.
    fn frames(&self) -> Result<Vec<&[u8]>> {
        let (mut rest, kinds) = (self.frames.as_ref(), self.kinds.as_ref());
        let mut frames = Vec::new();
        frames
            .try_reserve_exact(kinds.len())
            .map_err(|_| Error::OutOfMemory)?;
        while let Some((prefix, body)) = rest.split_first_chunk::<PREFIX>() {
            let whole = PREFIX + u32::from_be_bytes(*prefix) as usize;
            if whole > PREFIX + body.len() || frames.len() == kinds.len() {
                break;
            }
            let (frame, others) = rest.split_at(whole);
            frames.push(frame);
            rest = others;
        }
        if !rest.is_empty() || frames.len() != if self.overflowed { 0 } else { kinds.len() } {
            return Err(Error::Invalid("the frames are not those of the numbers"));
        }
        let bare = kinds.iter().map(|kind| *kind != Kind::Response.number());
        let mut numbered = frames.iter().zip(bare).zip(self.acked.saturating_add(1)..);
        if numbered.any(|((frame, bare), seq)| !wire::has_number(frame, seq, bare)) {
            return Err(Error::Invalid("a frame does not have its number"));
        }
        Ok(frames)
    }

    /// Refuses what contradicts itself.
    fn check(&self) -> Result<()> {
        let kinds = self.kinds.as_ref();
        let refuse = |wrong: bool, why| if wrong { Err(Error::Invalid(why)) } else { Ok(()) };
        refuse(
            kinds.iter().any(|kind| Kind::of(*kind).is_none()),
            "a message has a kind that there is not",
        )?;
        refuse(
            self.acked.checked_add(kinds.len() as u64).is_none(),
            "the numbers go beyond the last one there is",
        )?;
        let highest = self.max_client_seq;
        refuse(
            self.open.iter().any(|seq| *seq == 0 || *seq > highest)
                || self.open.windows(2).any(|pair| pair[0] >= pair[1]),
            "the requests without a reply are not in order, or were not accepted",
        )?;
        refuse(
            self.overflowed && !(self.bound.is_empty() && self.held.is_empty()),
            "something waits in an outbox that overflowed",
        )?;
        refuse(
            self.releasing && self.held.is_empty(),
            "nothing is held that could be released",
        )
    }
}
