//! Properties of the engine that hold for all inputs. What each call does in detail is tested from Python, on this
//! engine and its reference alike.
#![cfg(not(loom))]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use quicgw_core::{
    Account, ByteBudget, Error, FrameDecoder, HEAD_MAX, Limits, MESSAGE_COST, Outbox, Place,
    SequenceAllocator, SharedBody, Tail,
};

const LIMITS: Limits = Limits {
    window_messages: 8,
    window_bytes: 400,
    max_body: 100,
    bind_per_request: 3,
    bind_total: 6,
    hold_messages: 4,
    hold_bytes: 60,
};

type NoHeaders = [(&'static str, &'static str); 0];

fn tail(data: &[u8]) -> Tail<'_, &'static str> {
    const NONE: &NoHeaders = &[];
    Tail::new(3, 200, "", data, NONE)
}

/// The number and the length of each frame, with a varint reader of its own.
fn read(mut stream: &[u8]) -> Vec<(u64, usize)> {
    let mut frames = Vec::new();
    while let Some((prefix, rest)) = stream.split_first_chunk::<4>() {
        let (message, next) = rest.split_at(u32::from_be_bytes(*prefix) as usize);
        let mut fields = message;
        let mut field = varint(&mut fields);
        if field == 1 << 3 {
            varint(&mut fields);
            field = varint(&mut fields);
        }
        assert_eq!(field, 2 << 3);
        frames.push((varint(&mut fields), 4 + message.len()));
        stream = next;
    }
    assert!(stream.is_empty());
    frames
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            break;
        };
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

#[derive(Clone, Debug)]
enum Step {
    Accept,
    Reply(u64, Vec<u8>),
    Push(Vec<u8>, bool),
    Bind(u64, bool, Vec<u8>),
    Hold(Vec<u8>),
    Release,
    Refuse,
    Ack(u64),
    Expire(f64),
}

fn step() -> impl Strategy<Value = Step> {
    let body = || vec(any::<u8>(), 0..50);
    prop_oneof![
        3 => Just(Step::Accept),
        3 => (1_u64..9, body()).prop_map(|(client_seq, body)| Step::Reply(client_seq, body)),
        2 => (body(), any::<bool>()).prop_map(|(body, kept)| Step::Push(body, kept)),
        3 => (0_u64..9, any::<bool>(), body()).prop_map(|(client_seq, before, body)| Step::Bind(client_seq, before, body)),
        1 => body().prop_map(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::Refuse),
        2 => (0_u64..20).prop_map(Step::Ack),
        1 => (0.0..3.0).prop_map(Step::Expire),
    ]
}

/// Frames as a test keeps them.
fn give(frames: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(frames.to_vec())
}

/// What a step sent, nothing if it was refused.
fn run(outbox: &mut Outbox, step: Step) -> Vec<u8> {
    let sent = match step {
        Step::Accept => outbox
            .accept(outbox.numbers().max_client_seq() + 1)
            .map(|_| Vec::new()),
        Step::Reply(client_seq, body) => outbox.reply(client_seq, 300, tail(&body), give),
        Step::Push(body, kept) => outbox.push(&body, kept, give),
        Step::Bind(client_seq, true, body) => outbox.bind(client_seq, Place::Before, &body, 1.0, 0, give),
        Step::Bind(client_seq, false, body) => outbox.bind(client_seq, Place::After, &body, 2.0, 0, give),
        Step::Hold(body) => outbox.hold(&body, 0, 0).map(|()| Vec::new()),
        Step::Release => outbox.release(give),
        Step::Refuse => outbox.refuse(1, tail(b"no"), give),
        Step::Ack(seq) => outbox.ack(seq).map(|_| Vec::new()),
        Step::Expire(now) => {
            outbox.expire(now);
            Ok(Vec::new())
        }
    };
    sent.unwrap_or_default()
}

/// What is neither delivered nor lost.
fn balance(account: Account) -> u64 {
    account.accepted - account.delivered - account.lost
}

proptest! {
    /// Numbers are gap-free whatever is refused, and what is retained is, to the byte, the end of what was sent.
    #[test]
    fn what_leaves_is_gap_free_and_retained(after in 0_u64..300, steps in vec(step(), 0..80)) {
        let budget = Arc::new(ByteBudget::new(350 + 4 * MESSAGE_COST));
        let mut outbox = Outbox::new(after, LIMITS, Some(Arc::clone(&budget))).unwrap();
        let mut sent = Vec::new();
        for step in steps {
            sent.extend(run(&mut outbox, step));

            let frames = read(&sent);
            let last = outbox.numbers().last();
            prop_assert!(frames.iter().map(|(seq, _)| *seq).eq(after + 1..=last));
            prop_assert_eq!(outbox.retained() == 0, outbox.retained_bytes() == 0);
            prop_assert_eq!(budget.used(), outbox.memory());
            let messages = outbox.retained() + outbox.bound() + outbox.held();
            prop_assert!(outbox.memory() >= outbox.retained_bytes() + messages * MESSAGE_COST);
            prop_assert!(budget.used() <= budget.limit() + budget.limit() / 4);
            prop_assert!(outbox.retained() <= LIMITS.window_messages + LIMITS.window_messages / 4);
            let (responses, notifies) = outbox.missed(0);
            prop_assert!(responses + notifies <= last - outbox.numbers().acked());
            if !outbox.overflowed() {
                let (replayed, number) = outbox.replay(0, u64::MAX).unwrap();
                prop_assert!(sent.ends_with(&replayed));
                prop_assert_eq!((number, replayed.len() as u64), (last, outbox.retained_bytes()));
            }
        }
        drop(outbox);
        prop_assert_eq!(budget.used(), 0);
    }

    /// Of each kind, what was accepted is delivered, lost, saved or still there.
    #[test]
    fn the_accounts_add_up(steps in vec(step(), 0..80), overflow in 0_usize..200, saved in 0_u64..3) {
        let budget = Arc::new(ByteBudget::new(350 + 4 * MESSAGE_COST));
        let mut outbox = Outbox::new(0, LIMITS, Some(budget)).unwrap();
        for (number, step) in steps.into_iter().enumerate() {
            if number == overflow {
                outbox.mark_overflow(0, 1);
            }
            run(&mut outbox, step);
            let (tally, (responses, notifies)) = (outbox.tally(), outbox.missed(0));
            let open = (responses + outbox.in_flight(), notifies + outbox.bound() + outbox.held());
            prop_assert_eq!(balance(tally.responses), open.0);
            prop_assert_eq!(balance(tally.notifies), open.1);
        }
        outbox.close(saved);
        let tally = outbox.tally();
        prop_assert_eq!((balance(tally.responses), balance(tally.notifies)), (0, tally.saved));
    }

    /// A stream comes out as it went in, however it is cut; what is whole is not copied.
    #[test]
    fn frames_survive_any_cut(bodies in vec(vec(any::<u8>(), 0..40), 0..20), cut in 1_usize..50) {
        let stream: Vec<u8> = bodies
            .iter()
            .flat_map(|body| (body.len() as u32).to_be_bytes().into_iter().chain(body.iter().copied()))
            .collect();
        let mut decoder = FrameDecoder::new(40, None);
        let mut seen = Vec::new();
        for piece in stream.chunks(cut) {
            decoder
                .feed(piece, |message| {
                    seen.push(message.to_vec());
                    Ok(())
                })
                .unwrap();
        }
        prop_assert_eq!(seen, bodies);
        prop_assert_eq!(decoder.partial(), 0);
    }

    /// Whatever comes in, a decoder keeps no more than the longest message and its length.
    #[test]
    fn a_decoder_is_bounded(pieces in vec(vec(prop_oneof![Just(0_u8), 0_u8..9], 0..12), 0..40)) {
        let mut decoder = FrameDecoder::new(6, Some(3));
        for piece in pieces {
            let broken = decoder.feed(&piece, |_| Ok(())).is_err();
            prop_assert!(decoder.partial() < 4 + 6);
            prop_assert!(!broken || decoder.partial() == 0);
        }
    }

    /// A tail is refused exactly when its message could be too long, and its length is what is written.
    #[test]
    fn a_tail_knows_its_length(
        push_type: i32,
        code: i32,
        message in ".*",
        data in vec(any::<u8>(), 0..300),
        headers in vec((".*", ".*"), 0..4),
    ) {
        let tail = || Tail::new(push_type, code, &message, &data, &headers);
        let encoded = tail().encode().unwrap();
        let length = encoded.len() as u64 + HEAD_MAX;
        prop_assert_eq!(encoded.capacity(), encoded.len());
        prop_assert!(tail().check(length).is_ok());
        let refused = tail().check(length - 1).err();
        prop_assert_eq!(refused, Some(Error::FrameTooLarge { length, limit: length - 1 }));
    }
}

#[test]
fn the_highest_numbers_are_used_and_no_more() {
    let mut outbox = Outbox::new(u64::MAX - 1, LIMITS, None).unwrap();
    assert_eq!(read(&outbox.push(b"last", false, give).unwrap())[0].0, u64::MAX);
    assert_eq!(outbox.push(b"one more", false, give), Err(Error::NumbersUsedUp));

    let mut numbers = SequenceAllocator::new(u64::MAX);
    assert_eq!(numbers.next_many(1), Err(Error::NumbersUsedUp));
    assert_eq!(numbers.accept(u64::MAX), Ok(Ok(())));
    assert_eq!(numbers.accept(0), Err(Error::NumbersUsedUp));
}

#[test]
fn many_outboxes_may_take_from_one_budget_at_once() {
    let budget = Arc::new(ByteBudget::new(10_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut outbox = Outbox::new(0, LIMITS, Some(Arc::clone(&budget))).unwrap();
                for seq in 1..=20_000 {
                    outbox.push(&[0; 40], false, give).unwrap();
                    assert!(budget.used() <= 10_000);
                    if seq % 5 == 0 {
                        outbox.ack(seq).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(budget.used(), 0);
}

/// Many sessions keep one body between them, and each its own frame of it.
#[test]
fn a_shared_notify_is_kept_once() {
    let limits = Limits {
        window_bytes: 1000,
        ..LIMITS
    };
    let body = SharedBody::copy(&tail(b"to all").encode().unwrap()).unwrap();
    let mut sessions: Vec<Outbox> = [0, 126, 1 << 40]
        .into_iter()
        .map(|after| Outbox::new(after, limits, None).unwrap())
        .collect();
    let mut kept = Vec::new();
    for session in &mut sessions {
        let first = session.numbers().last() + 1;
        session.push(b"its own", false, |_| Ok(())).unwrap();
        let (frame, number) = session.push_shared(&body, |frame| Ok(frame.to_vec())).unwrap();
        assert_eq!(number, first + 1);
        assert_eq!(session.replay(first, 1 << 20).unwrap(), (frame, number));
        assert_eq!(
            session.retained_bytes(),
            session.replay(0, 1 << 20).unwrap().0.len() as u64
        );
        kept.push(session.unsent(first).remove(0));
        assert_eq!(session.ack(number).unwrap(), 2);
        assert_eq!(session.retained_bytes(), 0);
        assert_eq!(session.memory(), 0);
    }
    assert_eq!(kept[0], tail(b"to all").encode().unwrap());
    assert!(kept.iter().all(|body| body.as_ptr() == kept[0].as_ptr()));
}
