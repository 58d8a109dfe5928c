//! What the engine encodes by hand is, byte for byte, what a protobuf library encodes (protocol §1).
#![cfg(not(loom))]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use quicgw_core::{Limits, Outbox, PUSH_ERROR, Place, Result, Tail, sort_headers};

/// `ServerPush` of proto/client.proto.
#[derive(Clone, PartialEq, Message)]
struct ServerPush {
    #[prost(uint32, tag = "1")]
    msg_id: u32,
    #[prost(uint64, tag = "2")]
    seq_id: u64,
    #[prost(int32, tag = "3")]
    r#type: i32,
    #[prost(bytes = "vec", tag = "4")]
    payload: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    headers: Vec<Header>,
}

/// An entry of its map, as protobuf defines maps. Both fields are always there, so they have presence here.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, optional, tag = "1")]
    key: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// `BusinessResponse`, whose shape is that of `ErrorMessage`, too.
#[derive(Clone, PartialEq, Message)]
struct BusinessResponse {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

const NO_HEADERS: &[(&str, &str)] = &[];

const LIMITS: Limits = Limits {
    window_messages: 64,
    window_bytes: 1 << 20,
    max_body: 1 << 20,
    bind_per_request: 64,
    bind_total: 1024,
    hold_messages: 64,
    hold_bytes: 1 << 16,
};

fn response(code: i32, message: &str, data: &[u8]) -> Vec<u8> {
    let (message, data) = (message.to_owned(), data.to_owned());
    BusinessResponse { code, message, data }.encode_to_vec()
}

/// The messages of a stream of frames.
fn messages(mut stream: &[u8]) -> std::result::Result<Vec<ServerPush>, prost::DecodeError> {
    let mut found = Vec::new();
    while let Some((prefix, rest)) = stream.split_first_chunk::<4>() {
        let (body, next) = rest.split_at(u32::from_be_bytes(*prefix) as usize);
        let message = ServerPush::decode(body)?;
        assert_eq!(message.encode_to_vec(), body);
        found.push(message);
        stream = next;
    }
    assert!(stream.is_empty());
    Ok(found)
}

fn give(frames: &[u8]) -> Result<Vec<u8>> {
    Ok(frames.to_vec())
}

proptest! {
    #[test]
    fn a_tail_is_what_protobuf_encodes(
        r#type: i32,
        code in prop_oneof![Just(0), any::<i32>()],
        message in ".{0,150}",
        data in vec(any::<u8>(), 0..300),
        headers in btree_map(".{0,40}", ".{0,150}", 0..5),
    ) {
        let mut unsorted: Vec<_> = headers.iter().rev().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        sort_headers(&mut unsorted);
        let encoded = Tail::new(r#type, code, &message, &data, &unsorted).encode().unwrap();
        let push = ServerPush {
            r#type,
            payload: response(code, &message, &data),
            headers: headers.into_iter().map(|(key, value)| Header { key: Some(key), value: Some(value) }).collect(),
            ..ServerPush::default()
        };
        prop_assert_eq!(encoded, push.encode_to_vec());
    }

    #[test]
    fn a_frame_is_what_protobuf_encodes(msg_id: u32, last in 0..u64::MAX / 2, data in vec(any::<u8>(), 0..300)) {
        let mut outbox = Outbox::new(last, LIMITS, None).unwrap();
        let tail = Tail::new(PUSH_ERROR, 503, "busy", &data, NO_HEADERS);
        let frames = outbox.refuse(msg_id, tail, give).unwrap();
        let payload = response(503, "busy", &data);
        let expected = ServerPush { msg_id, seq_id: last + 1, r#type: PUSH_ERROR, payload, headers: Vec::new() };
        prop_assert_eq!(messages(&frames).unwrap(), vec![expected]);
    }
}

#[test]
fn a_step_is_what_is_bound_before_the_reply_and_what_is_bound_after() {
    let mut outbox = Outbox::new(0, LIMITS, None).unwrap();
    outbox.accept(7).unwrap().unwrap();
    let notify = |text| Tail::new(3, 200, text, b"", NO_HEADERS).encode().unwrap();
    outbox
        .bind(7, Place::After, &notify("after"), 1.0, 0, give)
        .unwrap();
    outbox
        .bind(7, Place::Before, &notify("before"), 1.0, 0, give)
        .unwrap();
    let frames = outbox
        .reply(7, 300, Tail::new(3, 200, "reply", b"", NO_HEADERS), give)
        .unwrap();
    let told: Vec<_> = messages(&frames)
        .unwrap()
        .into_iter()
        .map(|push| (push.seq_id, push.msg_id, push.payload))
        .collect();
    let expected = [(1, 0, "before"), (2, 300, "reply"), (3, 0, "after")];
    assert_eq!(
        told,
        expected.map(|(seq, msg_id, text)| (seq, msg_id, response(200, text, b"")))
    );
}
