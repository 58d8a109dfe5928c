//! The queue between real threads: nothing lost, nothing twice, never too much, in order per producer.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use proptest::prelude::*;
use quicgw_core::{PushError, Queue};

#[test]
fn items_come_out_once_and_in_order_per_producer() {
    const PER_PRODUCER: u64 = 500_000;
    for (producers, consumers, capacity) in [(3, 3, 64), (2, 2, 1), (4, 1, 1000)] {
        let queue = Queue::new(capacity).unwrap();
        let per_producer = if capacity == 1 {
            PER_PRODUCER / 20
        } else {
            PER_PRODUCER
        };
        let seen: Vec<AtomicU64> = (0..producers).map(|_| AtomicU64::new(0)).collect();
        let sums: Vec<AtomicU64> = (0..producers).map(|_| AtomicU64::new(0)).collect();
        thread::scope(|scope| {
            let pushing: Vec<_> = (0..producers)
                .map(|producer| {
                    let queue = &queue;
                    scope.spawn(move || (0..per_producer).for_each(|number| push(queue, (producer, number))))
                })
                .collect();
            for consumer in 0..consumers {
                let (queue, seen, sums) = (&queue, &seen, &sums);
                scope.spawn(move || {
                    consume(queue, consumer % 2 == 0, producers, |producer, number| {
                        seen[producer].fetch_add(1, Ordering::Relaxed);
                        sums[producer].fetch_add(number, Ordering::Relaxed);
                    });
                });
            }
            for producer in pushing {
                producer.join().unwrap();
            }
            queue.close();
        });
        for producer in 0..producers {
            assert_eq!(seen[producer].load(Ordering::Relaxed), per_producer);
            assert_eq!(
                sums[producer].load(Ordering::Relaxed),
                per_producer * (per_producer - 1) / 2
            );
        }
    }
}

fn push(queue: &Queue<(usize, u64)>, item: (usize, u64)) {
    while let Err(error) = queue.try_push(item) {
        assert_eq!(error, PushError::Full(item));
        thread::yield_now();
    }
}

fn consume(queue: &Queue<(usize, u64)>, many: bool, producers: usize, mut take: impl FnMut(usize, u64)) {
    let mut next = vec![0; producers];
    let mut closed = false;
    loop {
        assert!(queue.len() <= queue.capacity());
        let items = if many {
            queue.pop_many(20)
        } else {
            queue.try_pop().into_iter().collect()
        };
        if items.is_empty() {
            if closed {
                return; // and found empty after that
            }
            closed = queue.is_closed();
            thread::yield_now();
        }
        for (producer, number) in items {
            assert!(
                number >= next[producer],
                "one consumer sees the items of a producer in order"
            );
            next[producer] = number + 1;
            take(producer, number);
        }
    }
}

#[test]
fn a_drain_after_close_finds_all_that_was_accepted() {
    for _ in 0..500 {
        let queue = Queue::new(1_000).unwrap();
        let stop = AtomicBool::new(false);
        let (accepted, drained) = thread::scope(|scope| {
            let pushing: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut accepted = 0;
                        while !stop.load(Ordering::Relaxed) {
                            accepted += u64::from(queue.try_push(()).is_ok());
                        }
                        accepted
                    })
                })
                .collect();
            while queue.len() < 10 {
                thread::yield_now();
            }
            queue.close();
            let drained = queue.pop_many(usize::MAX).len() as u64;
            stop.store(true, Ordering::Relaxed);
            (
                pushing
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .sum::<u64>(),
                drained,
            )
        });
        assert_eq!(accepted, drained);
        assert!(queue.is_empty());
    }
}

#[test]
fn a_refused_item_is_given_back() {
    let queue = Queue::new(1).unwrap();
    assert_eq!(queue.try_push("a"), Ok(()));
    assert_eq!(queue.try_push("b"), Err(PushError::Full("b")));
    queue.close();
    assert_eq!(queue.try_push("c"), Err(PushError::Closed("c")));
    assert_eq!((queue.try_pop(), queue.try_pop()), (Some("a"), None));
}

#[test]
fn a_capacity_that_makes_no_sense() {
    assert!(Queue::<u8>::new(0).is_none());
    assert!(Queue::<u8>::new(Queue::<u8>::MAX_CAPACITY + 1).is_none());
}

#[test]
fn items_go_with_their_queue() {
    let item = Arc::new(());
    let queue = Queue::new(3).unwrap();
    queue.try_push(Arc::clone(&item)).unwrap();
    queue.try_push(Arc::clone(&item)).unwrap();
    drop(queue);
    assert_eq!(Arc::strong_count(&item), 1);
}

proptest! {
    #[test]
    fn a_visit_shows_everything_in_order_and_changes_nothing(
        capacity in 1_usize..6,
        taken in 0_usize..12,
        fail_at in proptest::option::of(0_usize..6),
    ) {
        let queue = Queue::new(capacity).unwrap();
        for number in 0..taken {
            queue.try_push(number).unwrap();
            queue.try_pop();
        }
        let items: Vec<_> = (0..capacity).collect();
        items.iter().for_each(|item| queue.try_push(*item).unwrap());
        queue.close();

        let mut seen = Vec::new();
        let result = queue.visit(|item| {
            seen.push(*item);
            if fail_at == Some(*item) { Err(()) } else { Ok(()) }
        });
        let shown = fail_at.map_or(capacity, |at| capacity.min(at + 1));
        prop_assert_eq!(&seen, &items[..shown]);
        prop_assert_eq!(result.is_err(), fail_at.is_some_and(|at| at < capacity));
        prop_assert_eq!(queue.pop_many(99), items);
    }
}
