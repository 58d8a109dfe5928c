//! A connection fed with frames by hand.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use quicgw_upstream::{Connection, Failure, Outcome, Service};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const NOW: Duration = Duration::from_secs(100);
const LATER: Duration = Duration::from_secs(130);
const NO_METADATA: &[(&str, &str)] = &[];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    let (name_length, value_length) = (
        u8::try_from(name.len()).unwrap(),
        u8::try_from(value.len()).unwrap(),
    );
    [
        &[0, name_length],
        name.as_bytes(),
        &[value_length],
        value.as_bytes(),
    ]
    .concat()
}

fn answer(stream: u32, message: &[u8]) -> Vec<u8> {
    let head = [&b"\x88"[..], &literal("content-type", "application/grpc")].concat();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [
        frame(HEADERS, END_HEADERS, stream, &head),
        frame(DATA, 0, stream, &[&[0], &length[..], message].concat()),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &literal("grpc-status", "0"),
        ),
    ]
    .concat()
}

fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// The kinds and streams of the frames that are sent, without the preface.
fn sent(bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut rest = bytes
        .strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap_or(bytes);
    let mut frames = Vec::new();
    while let Some((head, next)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames.push((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]])));
        rest = &next[length..];
    }
    frames
}

fn quiet() -> Connection {
    let service = Service {
        authority: "127.0.0.1:9001".into(),
        path: "/a.Service/Method".into(),
        largest_answer: 1000,
    };
    Connection::new(&service).unwrap()
}

/// A connection that takes calls, and has sent what it has to send by itself.
fn open() -> Connection {
    let mut connection = quiet();
    connection.receive(&frame(SETTINGS, 0, 0, &[]));
    connection.receive(&frame(SETTINGS, 1, 0, &[]));
    assert!(connection.open());
    while !connection.output(NOW).is_empty() {}
    connection
}

#[test]
fn nothing_goes_out_before_the_service_has_greeted() {
    let mut connection = quiet();
    let call = connection.submit(b"x", LATER, NO_METADATA).unwrap();
    assert!(!sent(&connection.output(NOW)).contains(&(HEADERS, 1)));
    for byte in frame(SETTINGS, 0, 0, &[]) {
        assert!(!connection.open());
        connection.receive(&[byte]);
    }
    assert!(sent(&connection.output(NOW)).contains(&(HEADERS, 1)));
    connection.receive(&answer(1, b"y"));
    assert_eq!(connection.done(), [(call, Ok("y".into()))]);
}

#[test]
fn metadata_that_http_does_not_allow_makes_no_call() {
    let mut connection = open();
    for metadata in [("x y", "z"), ("x", "a\nb"), ("", "z")] {
        assert!(connection.submit(b"x", LATER, &[metadata]).is_err());
    }
    assert_eq!((connection.under_way(), connection.next_deadline()), (0, None));
    connection
        .submit(b"x", LATER, &[("x-a", "1"), ("x-a", "2")])
        .unwrap();
    assert!(sent(&connection.output(NOW)).contains(&(HEADERS, 1)));
}

#[test]
fn what_is_submitted_together_goes_out_together() {
    let mut connection = open();
    for _ in 0..16 {
        connection.submit(b"x", LATER, NO_METADATA).unwrap();
    }
    let frames = sent(&connection.output(NOW));
    assert_eq!(frames.iter().filter(|(kind, _)| *kind == HEADERS).count(), 16);
    assert_eq!(frames.iter().filter(|(kind, _)| *kind == DATA).count(), 16);
    assert!(connection.output(NOW).is_empty());
}

#[test]
fn output_is_bounded_by_what_the_network_takes() {
    let mut connection = open();
    connection.receive(&frame(8, 0, 0, &(1_u32 << 30).to_be_bytes()));
    for _ in 0..32 {
        connection.submit(&[0; 60_000], LATER, NO_METADATA).unwrap();
    }
    let mut pieces = 0;
    loop {
        let output = connection.output(NOW);
        if output.is_empty() {
            break;
        }
        assert!(output.len() < 128 << 10);
        pieces += 1;
    }
    assert!(pieces > 10);
}

#[test]
fn no_more_is_taken_in_while_nobody_takes_what_is_to_be_answered() {
    let mut connection = open();
    connection.receive(&frame(8, 0, 0, &(1_u32 << 30).to_be_bytes()));
    for _ in 0..32 {
        connection.submit(&[0; 60_000], LATER, NO_METADATA).unwrap();
    }
    assert!(!connection.output(NOW).is_empty());
    // The first ones find room still, and what is written then takes it.
    for _ in 0..3 {
        assert!(connection.receive(&frame(6, 0, 0, &[0; 8])));
    }
    let bulk = frame(0xee, 0, 0, &[0; 16_384]);
    let taken = (0..1000).take_while(|_| connection.receive(&bulk)).count();
    assert!((10..20).contains(&taken), "{taken}");
    // h2 goes on once what it has to say goes out.
    while !connection.output(NOW).is_empty() {}
    assert!(connection.receive(&[]));
}

#[test]
fn a_flood_ends_a_connection_and_the_calls_over_it() {
    let mut connection = open();
    let call = connection.submit(b"x", LATER, NO_METADATA).unwrap();
    let _ = connection.output(NOW);
    let pings = frame(6, 0, 0, &[0; 8]).repeat(1000);
    let taken = (0..1000)
        .take_while(|_| {
            connection.receive(&pings);
            let _ = connection.output(NOW);
            connection.open()
        })
        .count();
    assert!((20..40).contains(&taken), "{taken}");
    let [(id, outcome)] = &connection.done()[..] else {
        panic!("one outcome");
    };
    assert_eq!(*id, call);
    assert!(matches!(outcome, Err(Failure::Broken(why)) if why.contains("floods")));
}

#[test]
fn deadlines_end_calls_in_their_order_and_the_service_is_told() {
    let mut connection = open();
    let [second, first] = [NOW + Duration::from_secs(2), NOW + Duration::from_secs(1)]
        .map(|deadline| connection.submit(b"", deadline, NO_METADATA).unwrap());
    connection.output(NOW);
    assert_eq!(connection.next_deadline(), Some(NOW + Duration::from_secs(1)));
    connection.expire(NOW);
    assert_eq!(connection.done(), []);
    connection.expire(LATER);
    assert_eq!(
        connection.done(),
        [(first, Err(Failure::TooLate)), (second, Err(Failure::TooLate))]
    );
    assert_eq!((connection.next_deadline(), connection.under_way()), (None, 0));
    let resets: BTreeSet<_> = sent(&connection.output(NOW)).into_iter().collect();
    assert_eq!(resets, BTreeSet::from([(RST_STREAM, 1), (RST_STREAM, 3)]));
}

#[test]
fn a_call_that_was_given_up_has_no_outcome() {
    let mut connection = open();
    let sent_before = connection.submit(b"", LATER, NO_METADATA).unwrap();
    connection.output(NOW);
    let not_sent = connection.submit(b"", LATER, NO_METADATA).unwrap();
    connection.cancel(sent_before);
    connection.cancel(not_sent);
    connection.cancel(not_sent);
    assert_eq!(sent(&connection.output(NOW)), [(RST_STREAM, 1)]);
    connection.receive(&answer(1, b""));
    assert_eq!(connection.done(), []);
    assert!(connection.open());
}

#[test]
fn a_goaway_tells_apart_what_was_looked_at() {
    let mut connection = open();
    let [looked_at, not_looked_at] = [(); 2].map(|()| connection.submit(b"", LATER, NO_METADATA).unwrap());
    connection.output(NOW);
    let not_sent = connection.submit(b"", LATER, NO_METADATA).unwrap();
    connection.receive(&goaway(1));
    assert!(!connection.open());
    let done: BTreeSet<_> = connection
        .done()
        .into_iter()
        .map(|(call, outcome)| (call, format!("{outcome:?}")))
        .collect();
    let expected = [
        (not_looked_at, "Err(NeverLookedAt)"),
        (not_sent, "Err(NeverSent)"),
    ];
    assert_eq!(
        done,
        expected.map(|(call, outcome)| (call, outcome.to_owned())).into()
    );
    connection.receive(&answer(1, b"z"));
    assert_eq!(connection.done(), [(looked_at, Ok("z".into()))]);
    connection.output(NOW);
    assert!(connection.ended().is_some(), "with its last call it is over");
}

#[test]
fn a_lost_connection_fails_what_it_has() {
    let mut connection = open();
    let under_way = connection.submit(b"", LATER, NO_METADATA).unwrap();
    connection.output(NOW);
    let not_sent = connection.submit(b"", LATER, NO_METADATA).unwrap();
    connection.lost("the wire was cut");
    let broken: Outcome = Err(Failure::Broken("the wire was cut".into()));
    assert_eq!(
        connection.done(),
        [(not_sent, Err(Failure::NeverSent)), (under_way, broken)]
    );
    assert_eq!(connection.ended(), Some("the wire was cut"));
}

#[test]
fn names_that_http_does_not_allow_are_refused() {
    for (authority, path) in [("a b", "/x"), ("a:1", "x y")] {
        let service = Service {
            authority: authority.into(),
            path: path.into(),
            largest_answer: 1,
        };
        assert!(Connection::new(&service).is_err(), "{authority} {path}");
    }
}

/// Bytes that are frames more or less: of any kind, on streams that exist or not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let one = (
        0..10_u8,
        any::<u8>(),
        0..8_u32,
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let honest = (0..8_u32, prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(stream, message)| answer(stream, &message));
    let any_frame = one.prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let piece = prop_oneof![3 => any_frame, 3 => honest, 1 => bytes];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_each_call_has_one_outcome(bytes in frames(), cut in 1..64_usize, calls in 1..5_usize) {
        let mut connection = open();
        let calls: BTreeSet<_> = (0..calls).map(|_| connection.submit(b"x", LATER, NO_METADATA).unwrap()).collect();
        connection.output(NOW);
        let mut done = Vec::new();
        for piece in bytes.chunks(cut) {
            connection.receive(piece);
            connection.output(NOW);
            done.extend(connection.done());
        }
        connection.lost("the end");
        done.extend(connection.done());
        let ended: BTreeSet<_> = done.iter().map(|(call, _)| *call).collect();
        prop_assert_eq!(ended.len(), done.len());
        prop_assert_eq!(ended, calls);
        prop_assert_eq!(connection.under_way(), 0);
    }
}
