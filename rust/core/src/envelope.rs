//! The envelope of a BUSINESS message, as far as it takes to refuse the request in it (protocol §1).
//!
//! Of the payload its first bytes alone are looked at, and nothing is kept. Whatever is not in the form that everybody
//! writes is left to a protobuf library, which knows all that is allowed.

use crate::forward::{check_entry, take_length};

// Tags of ClientRequest: field number << 3 | wire type, where 0 is a varint and 2 is length and bytes.
const MSG_ID: u8 = 1 << 3;
const SEQ_ID: u8 = 2 << 3;
const TYPE: u8 = 3 << 3;
const PAYLOAD: u8 = 4 << 3 | 2;
const HEADER: u8 = 5 << 3 | 2;
const OPENID: u8 = 6 << 3 | 2;

/// The value of RequestType for a request.
const BUSINESS: u64 = 4;

/// How the payload of a login begins, but for its case: field 1 of BusinessRequest, and its length.
const HELLO: &[u8] = b"\x0a\x05hello";

/// A request that is no login.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// What its reply carries.
    pub(crate) msg_id: u32,
    /// The client's number of it.
    pub(crate) seq: u64,
}

impl Request {
    /// Reads an envelope in the ordinary form: known fields alone, each once but for the headers. None for any other,
    /// and for all that is no request or a login.
    #[must_use]
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let (mut msg_id, mut seq, mut kind, mut payload, mut openid) = (None, None, None, None, None);
        let mut rest = message;
        while let Some((&tag, after)) = rest.split_first() {
            rest = after;
            match tag {
                MSG_ID if msg_id.is_none() => msg_id = Some(u32::try_from(take_number(&mut rest)?).ok()?),
                SEQ_ID if seq.is_none() => seq = Some(take_number(&mut rest)?),
                TYPE if kind.is_none() => kind = Some(take_number(&mut rest)?),
                PAYLOAD if payload.is_none() => payload = Some(take_bytes(&mut rest)?),
                OPENID if openid.is_none() => openid = Some(str::from_utf8(take_bytes(&mut rest)?).ok()?),
                HEADER => check_entry(take_bytes(&mut rest)?)?,
                _ => return None,
            }
        }
        let login = payload
            .and_then(|payload| payload.get(..HELLO.len()))
            .is_some_and(|begin| begin.eq_ignore_ascii_case(HELLO));
        (kind == Some(BUSINESS) && !login).then_some(Self {
            msg_id: msg_id.unwrap_or_default(),
            seq: seq.unwrap_or_default(),
        })
    }
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_length(rest)?).ok()?;
    let (field, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

/// A varint of at most 64 bits.
fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let read = Request::read(b"\x08\x07\x10\xac\x02\x18\x04\x22\x06\x0a\x04echo\x32\x01a");
        assert_eq!(read, Some(Request { msg_id: 7, seq: 300 }));
        assert_eq!(Request::read(b"\x18\x04"), Some(Request { msg_id: 0, seq: 0 }));
        let headers = b"\x18\x04\x2a\x06\x0a\x01a\x12\x01b\x2a\x00";
        assert!(Request::read(headers).is_some());
        let largest = b"\x08\xff\xff\xff\xff\x0f\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x04";
        let numbers = Request {
            msg_id: u32::MAX,
            seq: u64::MAX,
        };
        assert_eq!(Request::read(largest), Some(numbers));
    }

    #[test]
    fn what_is_no_request_or_not_ordinary_is_left_to_others() {
        for message in [
            &b""[..],
            b"\x18\x03",
            b"\x18\x04\x18\x04",
            b"\x18",
            b"\x18\x84",
            b"\x18\x04\x22\x05a",
            b"\x18\x04\x22\x07\x0a\x05hello",
            b"\x18\x04\x22\x07\x0a\x05hELLo",
            b"\x18\x04\x2a\x03\x0a\x01\xff",
            b"\x18\x04\x32\x01\xff",
            b"\x18\x04\x38\x01",
            b"\x08\x80\x80\x80\x80\x10\x18\x04",
            b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02\x18\x04",
            b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x18\x04",
        ] {
            assert_eq!(Request::read(message), None, "{message:?}");
        }
        assert!(Request::read(b"\x18\x04\x22\x08\x0a\x06hello!").is_some());
    }
}
