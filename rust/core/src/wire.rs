//! Encoding of ServerPush by hand (protocol §1).
//!
//! A message to the client is split where its number stops mattering. The *head* holds the two fields that are known
//! only when it is sent, `msg_id` (1) and `seq_id` (2). The *tail* holds the rest: `type` (3), `payload` (4) and
//! `headers` (5). Notifies are kept as tails until they take their numbers.

use bytes::Bytes;

use crate::error::{Error, Result};

/// The value of PushType for an error.
pub const PUSH_ERROR: i32 = 4;

/// The longest head and the length prefix, rounded up: 1 + 5 bytes of msg_id, 1 + 10 of seq_id, 4 of length.
pub const HEAD_MAX: u64 = 22;

/// Bytes of a frame's length prefix.
pub(crate) const PREFIX: usize = 4;

// Tags: field number << 3 | wire type, where 0 is a varint and 2 is length and bytes.
const MSG_ID: u8 = 1 << 3;
const SEQ_ID: u8 = 2 << 3;
const TYPE: u8 = 3 << 3;
const PAYLOAD: u8 = 4 << 3 | 2;
const HEADERS: u8 = 5 << 3 | 2;
const CODE: u8 = 1 << 3;
const MESSAGE: u8 = 2 << 3 | 2;
const DATA: u8 = 3 << 3 | 2;
pub(crate) const KEY: u8 = 1 << 3 | 2;
pub(crate) const VALUE: u8 = 2 << 3 | 2;

/// Type, payload and headers of a message, not encoded yet.
pub struct Tail<'a, S> {
    push_type: i32,
    code: i32,
    message: &'a str,
    data: &'a [u8],
    headers: &'a [(S, S)],
    payload_len: u64,
    len: u64,
}

/// Brings headers into the order in which they are encoded: that of their keys' bytes.
pub fn sort_headers<S: AsRef<str>>(headers: &mut [(S, S)]) {
    headers.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
}

impl<'a, S: AsRef<str>> Tail<'a, S> {
    /// Puts a tail together. The payload is {1: code, 2: message, 3: data}; the headers are sorted already.
    pub fn new(push_type: i32, code: i32, message: &'a str, data: &'a [u8], headers: &'a [(S, S)]) -> Self {
        let payload_len = scalar_len(code) + bytes_len(message.as_bytes()) + bytes_len(data);
        let payload_field = if payload_len == 0 {
            0
        } else {
            field_len(payload_len)
        };
        let len = scalar_len(push_type) + payload_field + Entries(headers).len();
        Self {
            push_type,
            code,
            message,
            data,
            headers,
            payload_len,
            len,
        }
    }

    /// Refuses a message that could be longer than `limit` with the largest numbers at its head.
    pub fn check(self, limit: u64) -> Result<Self> {
        check_length(self.len, limit).map(|()| self)
    }

    /// Encodes it.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = room(self.len)?;
        self.write(&mut out);
        Ok(out)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_scalar(out, TYPE, self.push_type);
        if self.payload_len > 0 {
            out.push(PAYLOAD);
            write_varint(out, self.payload_len);
            write_scalar(out, CODE, self.code);
            write_nonempty(out, MESSAGE, self.message.as_bytes());
            write_nonempty(out, DATA, self.data);
        }
        Entries(self.headers).write(out, HEADERS);
    }
}

/// A map of strings, as a field of each of its entries.
pub(crate) struct Entries<'a, S>(pub(crate) &'a [(S, S)]);

impl<S: AsRef<str>> Entries<'_, S> {
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|entry| field_len(entry_len(entry))).sum()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, tag: u8) {
        for entry in self.0 {
            out.push(tag);
            write_varint(out, entry_len(entry));
            write_bytes(out, KEY, entry.0.as_ref().as_bytes());
            write_bytes(out, VALUE, entry.1.as_ref().as_bytes());
        }
    }
}

/// A notify for many sessions, encoded once: each of them keeps this one, and none a copy of it.
#[derive(Clone, Debug)]
pub struct SharedBody(pub(crate) Bytes);

impl SharedBody {
    /// A copy of an encoded body.
    pub fn copy(body: &[u8]) -> Result<Self> {
        copy(body).map(Self)
    }
}

/// A message without its head: encoded before, as notifies are, or now, straight into its frame.
pub(crate) enum Body<'a, S> {
    Encoded(&'a [u8]),
    /// Encoded before, and kept as it is, without the frame.
    Shared(&'a Bytes),
    Tail(&'a Tail<'a, S>),
}

impl<S> Clone for Body<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Body<'_, S> {}

impl<S: AsRef<str>> Body<'_, S> {
    fn len(&self) -> u64 {
        match self {
            Self::Encoded(body) => body.len() as u64,
            Self::Shared(body) => body.len() as u64,
            Self::Tail(tail) => tail.len,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Encoded(body) => out.extend_from_slice(body),
            Self::Shared(body) => out.extend_from_slice(body),
            Self::Tail(tail) => tail.write(out),
        }
    }

    /// Bytes of the message as it goes on the stream.
    pub(crate) fn frame_len(&self, msg_id: u32, seq: u64) -> u64 {
        PREFIX as u64 + head_len(msg_id, seq) + self.len()
    }

    /// Writes the message as it goes on the stream: 4-byte big-endian length, head, tail.
    pub(crate) fn write_frame(&self, out: &mut Vec<u8>, msg_id: u32, seq: u64) {
        // The outbox takes only bodies so short that a message's length fits 32 bits.
        let length = (head_len(msg_id, seq) + self.len()) as u32;
        out.extend_from_slice(&length.to_be_bytes());
        if msg_id != 0 {
            out.push(MSG_ID);
            write_varint(out, msg_id.into());
        }
        out.push(SEQ_ID);
        write_varint(out, seq);
        self.write(out);
    }
}

/// An empty vector with room for so many bytes.
///
/// What peers send decides how many, so that there may be no memory for them is no reason to end the process.
pub(crate) fn room(bytes: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    usize::try_from(bytes)
        .ok()
        .and_then(|bytes| out.try_reserve_exact(bytes).ok())
        .map(|()| out)
        .ok_or(Error::OutOfMemory)
}

/// A copy of bytes in memory of its own.
pub(crate) fn copy(bytes: &[u8]) -> Result<Bytes> {
    let mut out = room(bytes.len() as u64)?;
    out.extend_from_slice(bytes);
    Ok(out.into())
}

/// The body of a frame that `write_frame` wrote with msg_id 0.
pub(crate) fn body_of(frame: &Bytes, seq: u64) -> Bytes {
    frame.slice(PREFIX + head_len(0, seq) as usize..)
}

/// Whether it is a frame of that number; `bare`: with msg_id 0.
pub(crate) fn has_number(frame: &[u8], seq: u64, bare: bool) -> bool {
    let mut head = &frame[PREFIX..];
    if !bare && head.first() == Some(&MSG_ID) {
        let long = head[1..].iter().take_while(|byte| **byte >= 0x80).count();
        head = head.get(1 + long + 1..).unwrap_or_default();
    }
    let Some((&SEQ_ID, number)) = head.split_first() else {
        return false;
    };
    let mut left = seq;
    for byte in number {
        let group = left as u8 & 0x7F;
        left >>= 7;
        if left == 0 {
            return *byte == group;
        }
        if *byte != group | 0x80 {
            return false;
        }
    }
    false
}

/// Refuses a tail whose message could be longer than `limit` with the largest numbers at its head.
pub(crate) fn check_length(tail: u64, limit: u64) -> Result<()> {
    let length = tail + HEAD_MAX;
    if length > limit {
        Err(Error::FrameTooLarge { length, limit })
    } else {
        Ok(())
    }
}

fn head_len(msg_id: u32, seq: u64) -> u64 {
    let msg_id_field = if msg_id == 0 {
        0
    } else {
        1 + varint_len(msg_id.into())
    };
    msg_id_field + 1 + varint_len(seq)
}

pub(crate) fn varint_len(value: u64) -> u64 {
    // Seven bits a byte; "| 1" because a zero takes a byte too.
    u64::from((value | 1).ilog2() / 7 + 1)
}

pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A negative int32 goes sign-extended to 64 bits.
fn extended(value: i32) -> u64 {
    i64::from(value) as u64
}

fn scalar_len(value: i32) -> u64 {
    if value == 0 {
        0
    } else {
        1 + varint_len(extended(value))
    }
}

fn write_scalar(out: &mut Vec<u8>, tag: u8, value: i32) {
    if value != 0 {
        out.push(tag);
        write_varint(out, extended(value));
    }
}

pub(crate) fn field_len(bytes: u64) -> u64 {
    1 + varint_len(bytes) + bytes
}

pub(crate) fn bytes_len(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        0
    } else {
        field_len(bytes.len() as u64)
    }
}

pub(crate) fn write_nonempty(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        write_bytes(out, tag, bytes);
    }
}

pub(crate) fn write_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A map's entry always has both of its fields.
fn entry_len<S: AsRef<str>>((key, value): &(S, S)) -> u64 {
    field_len(key.as_ref().len() as u64) + field_len(value.as_ref().len() as u64)
}
