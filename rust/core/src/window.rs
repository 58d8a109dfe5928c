//! Messages that were sent and not acknowledged yet, and the memory that all sessions may take for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// How many (responses, notifies).
pub type Counts = (u64, u64);

/// Bytes that the retained messages of many outboxes may take together.
///
/// Replies may go a quarter beyond the limit, and one message always fits into an empty window.
#[derive(Debug)]
pub struct ByteBudget {
    limit: u64,
    used: AtomicU64,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    /// The bound in bytes, without the reserve for replies.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        // The counter orders nothing else, so all its operations are relaxed.
        self.used.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: u64, reserve: bool) -> bool {
        let bound = bound(self.limit, reserve);
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= bound);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn bound(limit: u64, reserve: bool) -> u64 {
    if reserve {
        limit.saturating_add(limit / 4)
    } else {
        limit
    }
}

/// Places that an empty window keeps, so that one busy moment of each of many sessions does not cost for ever.
const IDLE_CAPACITY: usize = 32;

/// What a message counts as when it was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Response,
    Notify,
}

/// The retained frames of one session, oldest first, and of each its kind.
///
/// The kinds outlive the frames: a session that overflowed or ended can still say what its client missed.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    bytes_limit: u64,
    bytes: u64,
    frames: VecDeque<Bytes>,
    kinds: VecDeque<Kind>,
    budget: Option<Arc<ByteBudget>>,
}

impl Window {
    pub(crate) fn new(limit: u64, bytes_limit: u64, budget: Option<Arc<ByteBudget>>) -> Self {
        Self {
            limit,
            bytes_limit,
            bytes: 0,
            frames: VecDeque::new(),
            kinds: VecDeque::new(),
            budget,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.frames.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// By messages or bytes, whichever is more; 1.0 is full, more is the reserve.
    pub(crate) fn fill(&self) -> f64 {
        let messages = self.len() as f64 / self.limit as f64;
        messages.max(self.bytes as f64 / self.bytes_limit as f64)
    }

    /// Makes room for frames of `size` bytes together, if they fit; they must be kept then.
    ///
    /// reserve: a quarter more may be used.
    #[must_use]
    pub(crate) fn admit(&mut self, messages: u64, size: u64, reserve: bool) -> bool {
        if messages == 1 && self.frames.is_empty() {
            // One message always fits into an empty window, whatever its size (contract §5).
            if let Some(budget) = &self.budget {
                budget.take(size);
            }
        } else if self.len() + messages > bound(self.limit, reserve)
            || self.bytes + size > bound(self.bytes_limit, reserve)
            || self
                .budget
                .as_ref()
                .is_some_and(|budget| !budget.try_take(size, reserve))
        {
            return false;
        }
        self.bytes += size;
        true
    }

    /// Keeps a frame that was admitted. It may share its memory with the others of its step, which is free when the
    /// last of them is.
    pub(crate) fn keep(&mut self, frame: Bytes, kind: Kind) {
        self.frames.push_back(frame);
        self.kinds.push_back(kind);
    }

    /// Forgets the `n` oldest messages; gives how many frames that were.
    pub(crate) fn free(&mut self, n: u64) -> u64 {
        let n = n as usize;
        self.kinds.drain(..n.min(self.kinds.len()));
        let freed = n.min(self.frames.len());
        let size = self.frames.drain(..freed).map(|frame| frame.len() as u64).sum();
        self.give_back(size);
        if self.frames.is_empty() && self.frames.capacity() > IDLE_CAPACITY {
            self.frames.shrink_to(IDLE_CAPACITY);
            self.kinds.shrink_to(IDLE_CAPACITY);
        }
        freed as u64
    }

    /// Forgets all frames, but not their kinds.
    pub(crate) fn drop_frames(&mut self) {
        self.frames = VecDeque::new();
        self.give_back(self.bytes);
    }

    /// The frames without the `skip` oldest.
    pub(crate) fn after(&self, skip: u64) -> impl Iterator<Item = &Bytes> {
        self.frames
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }

    /// What there is without the `skip` oldest messages.
    pub(crate) fn kinds(&self, skip: u64) -> Counts {
        let kinds = self
            .kinds
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX));
        kinds.fold((0, 0), |(responses, notifies), kind| match kind {
            Kind::Response => (responses + 1, notifies),
            Kind::Notify => (responses, notifies + 1),
        })
    }

    fn give_back(&mut self, size: u64) {
        self.bytes -= size;
        if let Some(budget) = &self.budget {
            budget.give_back(size);
        }
    }
}

impl Drop for Window {
    /// Gives the budget back even if the session was never closed.
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
