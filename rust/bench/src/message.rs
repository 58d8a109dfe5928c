//! The messages of the wire (protocol §1), as far as a client that measures has to know them.

use std::collections::HashMap;

use prost::Message;

/// RequestType: begin or resume a session.
const START: i32 = 1;
/// RequestType: end it.
const STOP: i32 = 2;
/// RequestType: keep it alive.
const HEARTBEAT: i32 = 3;
/// RequestType: what is measured.
const BUSINESS: i32 = 4;
/// RequestType: everything up to a number has arrived.
const ACK: i32 = 5;

/// PushType: the answer to START.
pub(crate) const START_RESP: i32 = 1;
/// PushType: the answer to a heartbeat.
pub(crate) const HEARTBEAT_RESP: i32 = 2;
/// PushType: a service's answer, or a notify.
pub(crate) const BUSINESS_DATA: i32 = 3;
/// PushType: an error of the gateway.
pub(crate) const ERROR: i32 = 4;

/// Field number of the data in BusinessRequest.
const DATA: u32 = 3;

#[derive(Clone, PartialEq, Message)]
struct ClientRequest {
    #[prost(uint32, tag = "1")]
    msg_id: u32,
    #[prost(uint64, tag = "2")]
    seq_id: u64,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(bytes = "vec", tag = "4")]
    payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct StartRequest {
    #[prost(string, tag = "1")]
    openid: String,
    #[prost(string, tag = "2")]
    auth_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct BusinessRequest {
    #[prost(string, tag = "1")]
    action: String,
    #[prost(map = "string, string", tag = "2")]
    params: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct ClientAck {
    #[prost(uint64, tag = "1")]
    acked_seq_id: u64,
}

/// ServerPush.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Push {
    #[prost(uint32, tag = "1")]
    pub(crate) msg_id: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) seq_id: u64,
    #[prost(int32, tag = "3")]
    pub(crate) kind: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) payload: Vec<u8>,
    #[prost(map = "string, string", tag = "5")]
    pub(crate) headers: HashMap<String, String>,
}

impl Push {
    /// A header that is a whole number.
    pub(crate) fn number(&self, header: &str) -> Option<u64> {
        self.headers.get(header)?.parse().ok()
    }
}

/// ErrorMessage and BusinessResponse have the same shape; an error's third field is text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Outcome {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
}

/// StartResponse.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Started {
    #[prost(bool, tag = "1")]
    pub(crate) success: bool,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<Outcome>,
    #[prost(int32, tag = "3")]
    pub(crate) heartbeat_interval: i32,
}

/// A BusinessRequest without its data: all requests of one kind begin alike.
pub(crate) fn request_head(action: &str, params: &[(String, String)]) -> Vec<u8> {
    let (action, params) = (action.to_owned(), params.iter().cloned().collect());
    BusinessRequest { action, params }.encode_to_vec()
}

/// A BusinessRequest as it goes on the stream.
pub(crate) fn request(out: &mut Vec<u8>, seq: u64, head: &[u8], data: &[u8]) {
    let mut payload = Vec::with_capacity(head.len() + data.len() + 6);
    payload.extend_from_slice(head);
    if !data.is_empty() {
        prost::encoding::encode_key(DATA, prost::encoding::WireType::LengthDelimited, &mut payload);
        prost::encoding::encode_varint(data.len() as u64, &mut payload);
        payload.extend_from_slice(data);
    }
    frame(out, message_id(seq), seq, BUSINESS, payload);
}

/// The `msg_id` of a request; its answer bears it.
pub(crate) fn message_id(seq: u64) -> u32 {
    seq as u32
}

pub(crate) fn start(out: &mut Vec<u8>, openid: &str, token: &str) {
    let (openid, auth_token) = (openid.to_owned(), token.to_owned());
    frame(
        out,
        0,
        0,
        START,
        StartRequest { openid, auth_token }.encode_to_vec(),
    );
}

pub(crate) fn ack(out: &mut Vec<u8>, number: u64) {
    frame(out, 0, 0, ACK, ClientAck { acked_seq_id: number }.encode_to_vec());
}

pub(crate) fn heartbeat(out: &mut Vec<u8>) {
    frame(out, 0, 0, HEARTBEAT, Vec::new());
}

pub(crate) fn stop(out: &mut Vec<u8>) {
    frame(out, 0, 0, STOP, Vec::new());
}

fn frame(out: &mut Vec<u8>, msg_id: u32, seq_id: u64, kind: i32, payload: Vec<u8>) {
    let request = ClientRequest {
        msg_id,
        seq_id,
        kind,
        payload,
    };
    // A body is at most 1 MiB (protocol §1).
    out.extend_from_slice(&(request.encoded_len() as u32).to_be_bytes());
    request.encode_raw(out);
}
