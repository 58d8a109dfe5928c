//! The one line in which the messages of a session leave: numbered, framed and kept in the same step.

use bytes::Bytes;

use crate::budget::{Share, cost};
use crate::error::{Error, Result};
use crate::sequence::SequenceAllocator;
use crate::window::{Kind, Window};
use crate::wire::{self, Body};

/// The numbers of a session, what it retains, and the memory that it takes.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) numbers: SequenceAllocator,
    pub(crate) window: Window,
    pub(crate) share: Share,
}

impl Line {
    /// One with the same bounds that has sent nothing, and has no budget.
    pub(crate) fn bare(&self) -> Self {
        Self {
            numbers: SequenceAllocator::new(0),
            window: self.window.bare(),
            share: Share::new(None),
        }
    }

    /// Numbers, encodes, frames and retains the messages of a step, or refuses and changes nothing.
    ///
    /// A step fits into an empty window whatever its size (protocol §4), else into the bounds, with `reserve` a
    /// quarter beyond. `freed`: what its bodies cost that the share has already, as bound or held. `give` hands the
    /// frames on; it is called while it still may fail.
    pub(crate) fn send<'a, S, T>(
        &mut self,
        messages: impl Iterator<Item = Message<'a, S>> + Clone,
        reserve: bool,
        freed: u64,
        give: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<T>
    where
        S: AsRef<str> + 'a,
    {
        let count = messages.clone().count();
        if count == 0 {
            return give(&[]);
        }
        self.numbers.check_left(count as u64)?;
        let last = self.numbers.last();
        let numbered = (last + 1..=last + count as u64).zip(messages);
        let size = numbered
            .clone()
            .map(|(seq, message)| message.frame_len(seq))
            .sum();
        if !self.window.is_empty() && !self.window.has_room(count as u64, size, reserve) {
            return Err(Error::WindowFull);
        }
        let more = cost(count as u64, size) - freed;
        self.share.take(more, reserve)?;
        let made = self.window.reserve(count).and_then(|()| {
            let joined = frames(numbered.clone(), size)?;
            // What stays of a step is in pieces: one that is not acknowledged must not hold the memory of the others.
            let pieces = if count == 1 {
                Vec::new()
            } else {
                split(&joined, numbered.clone(), count)?
            };
            Ok((give(&joined)?, joined, pieces))
        });
        let (given, joined, pieces) = made.inspect_err(|_| self.share.give_back(more))?;

        // From here on nothing can fail.
        let whole = (count == 1).then(|| Bytes::from(joined));
        for (frame, (_, message)) in whole.into_iter().chain(pieces).zip(numbered) {
            let size = frame.len() as u64;
            let kept = match message.body {
                Body::Shared(body) => body.clone(),
                _ => frame,
            };
            self.window.keep(kept, message.kind, size);
        }
        self.numbers.advance(count as u64);
        Ok(given)
    }

    /// How many of these notifies, which are in the share already, can be sent now, in their order.
    pub(crate) fn fitting(&self, bodies: &[Bytes]) -> usize {
        let (mut count, mut size, mut heads) = (0, 0, 0);
        for body in bodies {
            let frame =
                Message::<&str>::notify(body, Kind::Notify).frame_len(self.numbers.last() + count + 1);
            size += frame;
            heads += frame - body.len() as u64;
            let alone = count == 0 && self.window.is_empty();
            if !(alone || self.window.has_room(count + 1, size, true)) || !self.share.has_room(heads, true) {
                break;
            }
            count += 1;
        }
        count as usize
    }

    /// Forgets what is retained, but not what it was.
    pub(crate) fn drop_frames(&mut self) {
        self.window.drop_frames();
        self.share.give_back_all();
    }
}

fn frames<'a, S: AsRef<str> + 'a>(
    numbered: impl Iterator<Item = (u64, Message<'a, S>)>,
    size: u64,
) -> Result<Vec<u8>> {
    let mut joined = wire::room(size)?;
    for (seq, message) in numbered {
        message.body.write_frame(&mut joined, message.msg_id, seq);
    }
    Ok(joined)
}

/// The frames of a step one by one, each in memory of its own.
fn split<'a, S: AsRef<str> + 'a>(
    joined: &[u8],
    numbered: impl Iterator<Item = (u64, Message<'a, S>)>,
    count: usize,
) -> Result<Vec<Bytes>> {
    let mut pieces = Vec::new();
    pieces.try_reserve_exact(count).map_err(|_| Error::OutOfMemory)?;
    let mut start = 0;
    for (seq, message) in numbered {
        let end = start + message.frame_len(seq) as usize;
        pieces.push(wire::copy(&joined[start..end])?);
        start = end;
    }
    Ok(pieces)
}

/// A message that has no number yet.
pub(crate) struct Message<'a, S> {
    pub(crate) msg_id: u32,
    pub(crate) body: Body<'a, S>,
    pub(crate) kind: Kind,
}

impl<'a, S: AsRef<str>> Message<'a, S> {
    pub(crate) fn notify(body: &'a [u8], kind: Kind) -> Self {
        Self {
            msg_id: 0,
            body: Body::Encoded(body),
            kind,
        }
    }

    pub(crate) fn frame_len(&self, seq: u64) -> u64 {
        self.body.frame_len(self.msg_id, seq)
    }
}

impl<S> Clone for Message<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Message<'_, S> {}
