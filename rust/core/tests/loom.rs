//! The interleavings of a few threads at the queue's gate, explored by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p quicgw-core --release --test loom --target-dir target/loom`
//!
//! At most three times in a run a thread is interrupted where it did not offer to wait. Without that bound, the
//! models take a minute instead of a moment, and hold too. (Two closers at once are beyond loom: it lets each wait for
//! the other for ever.)
#![cfg(loom)]

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use quicgw_core::Queue;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// After `close` is back, a drain sees every item whose push succeeded, and nothing comes later.
#[test]
fn close_leaves_nothing_behind() {
    explore(|| {
        let queue = Arc::new(Queue::new(2).unwrap());
        let pushing: Vec<_> = (0..2)
            .map(|number| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.try_push(number).is_ok())
            })
            .collect();
        queue.close();
        let drained = queue.pop_many(2).len();
        let accepted = pushing
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|ok| *ok)
            .count();
        assert_eq!(drained, accepted);
        assert_eq!(queue.len(), 0);
    });
}

/// Whoever finds the queue closed by another thread, and empty after that, has missed nothing either.
#[test]
fn closed_and_then_empty_is_the_end() {
    explore(|| {
        let queue = Arc::new(Queue::new(2).unwrap());
        let pusher = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.try_push(1).is_ok())
        };
        let closer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                queue.close();
                queue.try_pop().is_some()
            })
        };
        let drained = closer.join().unwrap();
        let accepted = pusher.join().unwrap();
        assert_eq!(drained, accepted);
        assert!(queue.try_push(2).is_err());
    });
}
