//! A BUSINESS message as its service gets it (protocol §3).
//!
//! Of the payload no more is read than that takes: parameters are checked and go on as they came. Whatever is not in
//! the form that everybody writes is left to a protobuf library, which knows all that is allowed.

use crate::error::Result;
use crate::wire::{
    Entries, KEY, VALUE, bytes_len, field_len, room, varint_len, write_bytes, write_nonempty, write_varint,
};

// Of BusinessRequest.
const ACTION: u8 = 1 << 3 | 2;
const PARAM: u8 = 2 << 3 | 2;
const DATA: u8 = 3 << 3 | 2;

// Of UpstreamRequest.
const SESSION_ID: u8 = 1 << 3 | 2;
const OPENID: u8 = 2 << 3 | 2;
const UPSTREAM_ACTION: u8 = 3 << 3 | 2;
const UPSTREAM_PARAM: u8 = 4 << 3 | 2;
const UPSTREAM_DATA: u8 = 5 << 3 | 2;
const UPSTREAM_HEADER: u8 = 6 << 3 | 2;
const CLIENT_SEQ_ID: u8 = 7 << 3;

/// A BusinessRequest, read.
#[derive(Debug, PartialEq, Eq)]
pub struct Business<'a> {
    /// What is asked for.
    pub action: &'a str,
    /// Map entries, encoded.
    params: Vec<&'a [u8]>,
    data: &'a [u8],
}

impl<'a> Business<'a> {
    /// Reads a payload in the ordinary form: known fields alone, each once but for the parameters, with lengths of at
    /// most 5 bytes. None for any other, which says nothing about whether it is valid.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let (mut action, mut data, mut params) = (None, None, Vec::new());
        let mut rest = payload;
        while let Some((tag, field)) = take_field(&mut rest)? {
            match tag {
                ACTION if action.is_none() => action = Some(str::from_utf8(field).ok()?),
                DATA if data.is_none() => data = Some(field),
                PARAM => {
                    check_entry(field)?;
                    params.push(field);
                }
                _ => return None,
            }
        }
        Some(Self {
            action: action.unwrap_or_default(),
            params,
            data: data.unwrap_or_default(),
        })
    }

    /// How many parameters there are.
    #[must_use]
    pub fn params(&self) -> usize {
        self.params.len()
    }

    /// Encodes the UpstreamRequest of this message; the headers are those of its envelope. `own` are encoded headers
    /// of the gateway: they come last, and of two with one name whoever reads takes the last.
    pub fn encode<S: AsRef<str>>(
        &self,
        session_id: &str,
        openid: &str,
        headers: &[(S, S)],
        own: &[u8],
        client_seq_id: u64,
    ) -> Result<Vec<u8>> {
        let params: u64 = self
            .params
            .iter()
            .map(|entry| field_len(entry.len() as u64))
            .sum();
        let number = if client_seq_id == 0 {
            0
        } else {
            1 + varint_len(client_seq_id)
        };
        let mut out = room(
            bytes_len(session_id.as_bytes())
                + bytes_len(openid.as_bytes())
                + bytes_len(self.action.as_bytes())
                + params
                + bytes_len(self.data)
                + Entries(headers).len()
                + own.len() as u64
                + number,
        )?;
        write_nonempty(&mut out, SESSION_ID, session_id.as_bytes());
        write_nonempty(&mut out, OPENID, openid.as_bytes());
        write_nonempty(&mut out, UPSTREAM_ACTION, self.action.as_bytes());
        for entry in &self.params {
            write_bytes(&mut out, UPSTREAM_PARAM, entry);
        }
        write_nonempty(&mut out, UPSTREAM_DATA, self.data);
        Entries(headers).write(&mut out, UPSTREAM_HEADER);
        out.extend_from_slice(own);
        if client_seq_id != 0 {
            out.push(CLIENT_SEQ_ID);
            write_varint(&mut out, client_seq_id);
        }
        Ok(out)
    }
}

/// The next field's tag and bytes; None inside at the end, None outside for what is not ordinary.
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<Option<(u8, &'a [u8])>> {
    let Some((&tag, mut after)) = rest.split_first() else {
        return Some(None);
    };
    let length = usize::try_from(take_length(&mut after)?).ok()?;
    let (field, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(Some((tag, field)))
}

pub(crate) fn take_length(rest: &mut &[u8]) -> Option<u64> {
    let mut length = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        length |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// A map's entry has a key and a value, each at most once.
pub(crate) fn check_entry(entry: &[u8]) -> Option<()> {
    let (mut key, mut value) = (false, false);
    let mut rest = entry;
    while let Some((tag, text)) = take_field(&mut rest)? {
        match tag {
            KEY if !key => key = true,
            VALUE if !value => value = true,
            _ => return None,
        }
        str::from_utf8(text).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: &[u8] = b"\x0a\x04echo\x1a\x02hi";

    #[test]
    fn an_ordinary_payload_is_read_and_encoded() {
        let business = Business::read(ECHO).unwrap();
        assert_eq!((business.action, business.params()), ("echo", 0));
        let encoded = business
            .encode::<&str>("s", "o", &[("k", "v")], b"\x32\x00", 300)
            .unwrap();
        assert_eq!(
            encoded,
            b"\x0a\x01s\x12\x01o\x1a\x04echo\x2a\x02hi\x32\x06\x0a\x01k\x12\x01v\x32\x00\x38\xac\x02"
        );
        assert_eq!(encoded.capacity(), encoded.len());
    }

    #[test]
    fn parameters_go_on_as_they_came() {
        let business = Business::read(b"\x12\x06\x0a\x01a\x12\x01b\x12\x00").unwrap();
        assert_eq!(business.params(), 2);
        let encoded = business.encode::<&str>("", "", &[], b"", 0).unwrap();
        assert_eq!(encoded, b"\x22\x06\x0a\x01a\x12\x01b\x22\x00");
    }

    #[test]
    fn what_is_not_ordinary_is_left_to_others() {
        for payload in [
            &b"\x0a"[..],
            b"\x0a\x05echo",
            b"\x0a\x01\xff",
            b"\x0a\x01a\x0a\x01b",
            b"\x1a\x01a\x1a\x01b",
            b"\x08\x01",
            b"\x22\x01a",
            b"\x8a\x00\x01a",
            b"\x0a\x81\x80\x80\x80\x80\x00a",
            b"\x12\x03\x0a\x01\xff",
            b"\x12\x06\x0a\x01a\x0a\x01b",
            b"\x12\x06\x12\x01a\x12\x01b",
            b"\x12\x03\x1a\x01a",
            b"\x12\x02\x0a\x01",
        ] {
            assert_eq!(Business::read(payload), None, "{payload:?}");
        }
        assert!(Business::read(b"\x0a\x81\x80\x80\x80\x00a").is_some());
        assert!(Business::read(b"").is_some());
    }
}
