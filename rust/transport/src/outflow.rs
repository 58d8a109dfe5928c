//! What was written and is not acknowledged: counted by the bytes themselves.
//!
//! quinn does not tell how much of a stream its peer has acknowledged. It keeps what it was given until then, though,
//! and drops it then: so each piece takes itself off the count when it is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes of one piece at most: it leaves the count when its last byte is acknowledged.
const PIECE: usize = 4 << 10;

/// Counts for one connection, and for all of an endpoint.
struct Counts {
    own: AtomicUsize,
    all: Arc<AtomicUsize>,
}

struct Piece {
    data: Vec<u8>,
    counts: Arc<Counts>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.counts.own.fetch_sub(self.data.len(), Ordering::Relaxed);
        self.counts.all.fetch_sub(self.data.len(), Ordering::Relaxed);
    }
}

/// The bytes of one connection on their way into quinn.
pub(crate) struct Outflow {
    counts: Arc<Counts>,
    written: u64,
    /// What quinn has no room for yet, as its peer's windows are full.
    queue: VecDeque<Bytes>,
}

impl Outflow {
    pub(crate) fn new(all: Arc<AtomicUsize>) -> Self {
        Self {
            counts: Arc::new(Counts {
                own: AtomicUsize::new(0),
                all,
            }),
            written: 0,
            queue: VecDeque::new(),
        }
    }

    /// Bytes that are not acknowledged; of a piece all until its last one is.
    pub(crate) fn pending(&self) -> usize {
        self.counts.own.load(Ordering::Relaxed)
    }

    /// Bytes that are acknowledged without a gap.
    pub(crate) fn progress(&self) -> u64 {
        self.written - self.pending() as u64
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        for part in data.chunks(PIECE) {
            self.counts.own.fetch_add(part.len(), Ordering::Relaxed);
            self.counts.all.fetch_add(part.len(), Ordering::Relaxed);
            self.written += part.len() as u64;
            let piece = Piece {
                data: part.to_vec(),
                counts: Arc::clone(&self.counts),
            };
            self.queue.push_back(Bytes::from_owner(piece));
        }
    }

    pub(crate) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Give quinn as much as it takes.
    pub(crate) fn write_to(&mut self, stream: &mut quinn_proto::SendStream<'_>) {
        while let Some(front) = self.queue.front_mut() {
            // What is left of a piece that was taken in part stays in front.
            match stream.write_chunks(std::slice::from_mut(front)) {
                Ok(taken) if taken.chunks == 1 => {
                    self.queue.pop_front();
                }
                _ => return, // blocked, or the peer stopped the stream, of which an event tells
            }
        }
    }

    /// Forget what quinn did not take.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
