//! Messages that were sent and not acknowledged yet.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::budget::with_reserve;
use crate::error::{Error, Result};
use crate::wire::{self, Body};

/// How many (responses, notifies).
pub type Counts = (u64, u64);

/// Places that an empty window keeps, so that one busy moment of each of many sessions does not cost for ever.
const IDLE_CAPACITY: usize = 32;

/// What a message counts as when it was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A reply or a refusal.
    Response,
    /// A notify that belongs to a request: without it, it means nothing.
    Attached,
    /// A notify of its own.
    Notify,
    /// A notify of its own that many sessions have: what is kept is its body, and the frame is made again when needed.
    Shared,
    /// A notify whose original is kept elsewhere: losing this one loses nothing.
    Kept,
}

impl Kind {
    /// How it is written down. A shared notify is one of its own: only here others have it, too.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Response => 0,
            Self::Attached => 1,
            Self::Notify | Self::Shared => 2,
            Self::Kept => 3,
        }
    }

    /// The kind with that number.
    pub(crate) fn of(number: u8) -> Option<Self> {
        [Self::Response, Self::Attached, Self::Notify, Self::Kept]
            .get(usize::from(number))
            .copied()
    }
}

/// How many of each kind, without the kept ones.
pub(crate) fn count(kinds: impl Iterator<Item = Kind>) -> Counts {
    kinds.fold((0, 0), |(responses, notifies), kind| match kind {
        Kind::Response => (responses + 1, notifies),
        Kind::Attached | Kind::Notify | Kind::Shared => (responses, notifies + 1),
        Kind::Kept => (responses, notifies),
    })
}

/// What an acknowledgement freed.
pub(crate) struct Freed {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) counts: Counts,
}

/// A message that is retained.
#[derive(Clone, Copy)]
pub(crate) struct Retained<'a> {
    seq: u64,
    kept: &'a Bytes,
    kind: Kind,
}

impl Retained<'_> {
    /// Bytes of its frame.
    pub(crate) fn len(self) -> u64 {
        match self.kind {
            Kind::Shared => Body::<&str>::Shared(self.kept).frame_len(0, self.seq),
            _ => self.kept.len() as u64,
        }
    }

    /// Writes its frame.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Shared => Body::<&str>::Shared(self.kept).write_frame(out, 0, self.seq),
            _ => out.extend_from_slice(self.kept),
        }
    }

    /// Its number, if it is a notify of its own.
    pub(crate) fn notify_seq(self) -> Option<u64> {
        matches!(self.kind, Kind::Shared | Kind::Notify).then_some(self.seq)
    }

    /// Its body, if it is a notify of its own.
    pub(crate) fn body(self) -> Option<Bytes> {
        match self.kind {
            Kind::Shared => Some(self.kept.clone()),
            Kind::Notify => Some(wire::body_of(self.kept, self.seq)),
            _ => None,
        }
    }
}

/// The retained frames of one session, oldest first, and of each its kind.
///
/// Of a shared notify it is the body alone that is kept, but what counts is the frame. The kinds outlive the frames: a
/// session that overflowed or ended can still say what its client missed.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    bytes_limit: u64,
    bytes: u64,
    frames: VecDeque<Bytes>,
    kinds: VecDeque<Kind>,
}

impl Window {
    pub(crate) fn new(limit: u64, bytes_limit: u64) -> Self {
        Self {
            limit,
            bytes_limit,
            bytes: 0,
            frames: VecDeque::new(),
            kinds: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.frames.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn bytes_limit(&self) -> u64 {
        self.bytes_limit
    }

    /// By messages or bytes, whichever is more; 1.0 is full, more is the reserve.
    pub(crate) fn fill(&self) -> f64 {
        let messages = self.len() as f64 / self.limit as f64;
        messages.max(self.bytes as f64 / self.bytes_limit as f64)
    }

    /// Whether frames of `size` bytes together are within the bounds; reserve: a quarter more may be used.
    pub(crate) fn has_room(&self, messages: u64, size: u64, reserve: bool) -> bool {
        self.len() + messages <= with_reserve(self.limit, reserve)
            && self.bytes + size <= with_reserve(self.bytes_limit, reserve)
    }

    /// Sees to it that so many frames can be kept without taking memory.
    pub(crate) fn reserve(&mut self, messages: usize) -> Result<()> {
        self.frames
            .try_reserve(messages)
            .and_then(|()| self.kinds.try_reserve(messages))
            .map_err(|_| Error::OutOfMemory)
    }

    /// Keeps a frame of `size` bytes, or for a shared one its body.
    pub(crate) fn keep(&mut self, frame: Bytes, kind: Kind, size: u64) {
        self.bytes += size;
        self.frames.push_back(frame);
        self.kinds.push_back(kind);
    }

    /// Keeps of a message its kind alone: its frame is gone.
    pub(crate) fn keep_kind(&mut self, kind: Kind) {
        self.kinds.push_back(kind);
    }

    /// The kind of each message that is not acknowledged, retained or not.
    pub(crate) fn all_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.kinds.iter().copied()
    }

    /// How many kinds there are.
    pub(crate) fn kinds_len(&self) -> u64 {
        self.kinds.len() as u64
    }

    /// One with the same bounds and nothing in it.
    pub(crate) fn bare(&self) -> Self {
        Self::new(self.limit, self.bytes_limit)
    }

    /// Forgets the `n` oldest messages, the ones behind number `acked`.
    pub(crate) fn free(&mut self, n: u64, acked: u64) -> Freed {
        let n = n as usize;
        let bytes = self.above(acked, acked).take(n).map(Retained::len).sum();
        let counts = count(self.kinds.drain(..n.min(self.kinds.len())));
        let frames = n.min(self.frames.len());
        self.frames.drain(..frames);
        self.bytes -= bytes;
        if self.frames.is_empty() && self.frames.capacity() > IDLE_CAPACITY {
            self.frames.shrink_to(IDLE_CAPACITY);
            self.kinds.shrink_to(IDLE_CAPACITY);
        }
        Freed {
            frames: frames as u64,
            bytes,
            counts,
        }
    }

    /// Forgets all frames, but not their kinds.
    pub(crate) fn drop_frames(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    /// What is retained above number `after`, which is not below `acked`, the one before the oldest.
    pub(crate) fn above(&self, after: u64, acked: u64) -> impl Iterator<Item = Retained<'_>> {
        let kept = self.frames.iter().zip(self.kinds.iter().copied());
        (after.saturating_add(1)..)
            .zip(kept.skip(places(after - acked)))
            .map(|(seq, (kept, kind))| Retained { seq, kept, kind })
    }

    /// What there is without the `skip` oldest messages.
    pub(crate) fn kinds(&self, skip: u64) -> Counts {
        count(self.kinds.iter().copied().skip(places(skip)))
    }
}

fn places(skip: u64) -> usize {
    usize::try_from(skip).unwrap_or(usize::MAX)
}
