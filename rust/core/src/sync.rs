//! What the queue is made of; under `--cfg loom` the parts that loom can explore, with the same interface.

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread::yield_now,
};

#[cfg(not(loom))]
pub(crate) use crossbeam_queue::ArrayQueue;

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread::yield_now,
};

#[cfg(loom)]
pub(crate) use model::ArrayQueue;

/// A stand-in for crossbeam's queue, which loom cannot look into: each of its operations is one indivisible step.
#[cfg(loom)]
mod model {
    use std::collections::VecDeque;

    use loom::sync::{Mutex, MutexGuard};

    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        capacity: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self {
                items: Mutex::new(VecDeque::new()),
                capacity,
            }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items();
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items().pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items().len()
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }

        fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
            self.items
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
