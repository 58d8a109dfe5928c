//! The queue between the connections and the workers.
//!
//! crossbeam's lock-free ring does the work. Beside it stands a [`Gate`] of our own, because "closed" must mean more
//! than a flag: a producer could read the flag, be put to sleep, and add its item after the queue was closed and
//! drained, and nobody would ever look at that item.

use crate::sync::{ArrayQueue, AtomicUsize, Ordering, spin_loop, yield_now};

/// A bounded queue for several producers and consumers.
///
/// Nothing waits for room or items. Items of one producer come out in the order they went in.
pub struct Queue<T> {
    items: ArrayQueue<T>,
    gate: Gate,
}

/// Why an item was not taken; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum PushError<T> {
    /// There is no room.
    Full(T),
    /// The queue takes nothing any more.
    Closed(T),
}

impl<T> Queue<T> {
    /// The most that `capacity` can be: room is made for all of it at once.
    pub const MAX_CAPACITY: usize = 1 << 24;

    /// Makes an empty queue, or gives `None` unless the capacity is 1 to [`Self::MAX_CAPACITY`].
    #[must_use]
    pub fn new(capacity: usize) -> Option<Self> {
        (1..=Self::MAX_CAPACITY).contains(&capacity).then(|| Self {
            items: ArrayQueue::new(capacity),
            gate: Gate::new(),
        })
    }

    /// Puts an item in.
    pub fn try_push(&self, item: T) -> Result<(), PushError<T>> {
        match self.gate.enter() {
            Some(_pass) => self.items.push(item).map_err(PushError::Full),
            None => Err(PushError::Closed(item)),
        }
    }

    /// Takes the oldest item out.
    pub fn try_pop(&self) -> Option<T> {
        self.items.pop()
    }

    /// Takes out the `n` oldest items, or as many as there are.
    pub fn pop_many(&self, n: usize) -> Vec<T> {
        // Others may be at work too: ask for no more than was there, or a busy producer could keep this going.
        let n = n.min(self.items.len());
        let mut items = Vec::with_capacity(n);
        items.extend((0..n).map_while(|_| self.items.pop()));
        items
    }

    /// Takes no more items. When this returns, every item that was accepted is there to be drained.
    pub fn close(&self) {
        self.gate.close();
    }

    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    /// How many items are in.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most items that fit.
    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }

    /// Shows every item once, oldest first, by taking each out and putting it back at the end.
    ///
    /// Only for a moment when nobody else can push or pop, such as a garbage collection. Otherwise nothing would be
    /// lost, but the order would.
    pub fn visit<E>(&self, mut look: impl FnMut(&T) -> Result<(), E>) -> Result<(), E> {
        let mut result = Ok(());
        for _ in 0..self.items.len() {
            let Some(mut item) = self.items.pop() else { break };
            if result.is_ok() {
                result = look(&item);
            }
            while let Err(back) = self.items.push(item) {
                item = back;
                yield_now();
            }
        }
        result
    }
}

/// Lets producers pass until it is closed, and lets the closer wait for those inside.
///
/// One atomic word holds both facts, so every change of either has its place in one order: a producer that counts
/// itself in before the closing is waited for, and one that comes after sees that it is closed. Whoever returns from
/// `close` has therefore seen every producer leave, and no other can ever get in.
struct Gate {
    /// Bit 0: closed. The bits above: how many are inside.
    state: AtomicUsize,
}

const CLOSED: usize = 1;
const ONE_INSIDE: usize = 2;

impl Gate {
    fn new() -> Self {
        Self {
            state: AtomicUsize::new(0),
        }
    }

    fn enter(&self) -> Option<Pass<'_>> {
        // Looking first keeps those who come late from being counted, and close() from waiting for them in vain.
        if self.is_closed() {
            return None;
        }
        let before = self.state.fetch_add(ONE_INSIDE, Ordering::Acquire);
        let pass = Pass { gate: self };
        (before & CLOSED == 0).then_some(pass)
    }

    fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        let mut tries = 0;
        // Acquire: what those inside did before they left is visible to the closer.
        while self.state.load(Ordering::Acquire) >= ONE_INSIDE {
            // A producer is inside for nanoseconds, unless the system put it to sleep there.
            tries += 1;
            if tries < 64 && !cfg!(loom) {
                spin_loop();
            } else {
                yield_now();
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }
}

/// The proof of being inside; leaves when dropped.
struct Pass<'a> {
    gate: &'a Gate,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.state.fetch_sub(ONE_INSIDE, Ordering::Release);
    }
}
