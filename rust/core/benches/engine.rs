//! How long a step of the engine takes by itself, without the crossing from Python (`make bench` has that):
//! `cargo bench -p quicgw-core`.
// Criterion's macros make public functions, and a bench that cannot begin has nobody to tell.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quicgw_core::{FrameDecoder, Limits, Outbox, Place, Queue, Result, Tail};

const LIMITS: Limits = Limits {
    window_messages: 1024,
    window_bytes: 1 << 20,
    max_body: 1 << 20,
    bind_per_request: 64,
    bind_total: 1024,
    hold_messages: 64,
    hold_bytes: 1 << 16,
};
const HEADERS: &[(&str, &str)] = &[("notify-title", "Mail"), ("notify-type", "mail")];
const DATA: [u8; 64] = [7; 64];

fn tail() -> Tail<'static, &'static str> {
    Tail::new(3, 200, "ok", &DATA, HEADERS)
}

fn length(frames: &[u8]) -> Result<usize> {
    Ok(frames.len())
}

fn outbox() -> Outbox {
    Outbox::new(0, LIMITS, None).expect("the limits are good")
}

fn encode(c: &mut Criterion) {
    c.bench_function("encode a body of 64 bytes and 2 headers", |b| {
        b.iter(|| tail().encode());
    });
}

fn reply(c: &mut Criterion) {
    let notify = tail().encode().expect("it is short");
    c.bench_function("accept, reply, acknowledge", |b| {
        let (mut outbox, mut seq) = (outbox(), 0);
        b.iter(|| {
            seq += 1;
            let accepted = outbox.accept(seq);
            let sent = outbox.reply(seq, 1, tail(), length);
            black_box((accepted, sent, outbox.ack(seq)))
        });
    });
    c.bench_function("accept, bind before and after, reply, acknowledge", |b| {
        let (mut outbox, mut seq) = (outbox(), 0);
        b.iter(|| {
            seq += 1;
            let accepted = outbox.accept(seq);
            let before = outbox.bind(seq, Place::Before, &notify, 1.0, 0, length);
            let after = outbox.bind(seq, Place::After, &notify, 1.0, 0, length);
            let sent = outbox.reply(seq, 1, tail(), length);
            black_box((accepted, before, after, sent, outbox.ack(3 * seq)))
        });
    });
}

fn replay(c: &mut Criterion) {
    let notify = tail().encode().expect("it is short");
    let mut outbox = outbox();
    for _ in 0..LIMITS.window_messages / 2 {
        outbox
            .push(&notify, false, length)
            .expect("half of a window fits");
    }
    c.bench_function("replay half of a window", |b| {
        b.iter(|| outbox.replay(0, u64::MAX));
    });
}

fn frames(c: &mut Criterion) {
    let mut frame = vec![0, 0, 0, 141];
    frame.extend([7; 141]);
    c.bench_function("decode a message of 141 bytes", |b| {
        let mut decoder = FrameDecoder::new(1 << 20, None);
        b.iter(|| {
            decoder.feed(&frame, |body| {
                black_box(body);
                Ok(())
            })
        });
    });
}

fn queue(c: &mut Criterion) {
    c.bench_function("queue, push and pop", |b| {
        b.iter_batched_ref(
            || Queue::new(1024).expect("it has room"),
            |queue| {
                let pushed = queue.try_push(1);
                (pushed.is_ok(), queue.try_pop())
            },
            BatchSize::NumIterations(1 << 16),
        );
    });
}

criterion_group!(benches, encode, reply, replay, frames, queue);
criterion_main!(benches);
