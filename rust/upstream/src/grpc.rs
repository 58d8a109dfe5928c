//! What gRPC adds to HTTP/2 for a call with one message each way: heads, trailers, the frame of a message.
//!
//! The rules are those of "gRPC over HTTP2" (PROTOCOL-HTTP2.md of gRPC) and of its "HTTP to gRPC status mapping".

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::outcome::{Failure, Outcome};

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The most digits that a time-out may have.
const TIMEOUT_MAX: u128 = 99_999_999;

const OK: i32 = 0;
const CANCELLED: i32 = 1;
const UNKNOWN: i32 = 2;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

/// The message as it goes over the wire; None when it is too long for a length of four bytes.
pub(crate) fn framed(message: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Bytes over the wire of a message that has `length`.
pub(crate) fn framed_length(length: u32) -> u32 {
    length.saturating_add(PREFIX as u32)
}

/// The headers that every call has.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let agent = HeaderValue::from_static(concat!("quicgw-fast/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, agent);
    headers
}

/// Adds one entry of a call's metadata.
pub(crate) fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), http::Error> {
    let mut value = HeaderValue::from_str(value)?;
    // As with the time-out below: it is another one for each call.
    value.set_sensitive(true);
    headers.append(HeaderName::from_bytes(name.as_bytes())?, value);
    Ok(())
}

/// The value of `grpc-timeout`: never more than there is.
pub(crate) fn timeout(left: Duration) -> HeaderValue {
    let units = [
        (left.as_micros(), 'u'),
        (left.as_millis(), 'm'),
        (left.as_secs().into(), 'S'),
    ];
    let (number, unit) = units
        .into_iter()
        .find(|(number, _)| *number <= TIMEOUT_MAX)
        .unwrap_or((TIMEOUT_MAX, 'S'));
    // Digits and a letter are a header value whatever the number is.
    let mut value =
        HeaderValue::from_str(&format!("{number}{unit}")).unwrap_or(HeaderValue::from_static("0u"));
    // Each call has another one: it would drive those that come again out of the table of the header compression.
    value.set_sensitive(true);
    value
}

/// Why the head of a response is not one of gRPC.
pub(crate) fn refuse_head(status: StatusCode, headers: &HeaderMap) -> Option<Failure> {
    if status != StatusCode::OK {
        return Some(Failure::status(
            status_of_http(status),
            format!("HTTP status {status}"),
        ));
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    if !kind.starts_with(b"application/grpc") {
        let kind = String::from_utf8_lossy(kind);
        return Some(Failure::status(
            UNKNOWN,
            format!("content type {kind:?} is not gRPC"),
        ));
    }
    None
}

/// Whether the headers carry the status already, so that no message and no trailers follow.
pub(crate) fn has_status(headers: &HeaderMap) -> bool {
    headers.contains_key("grpc-status")
}

/// What the call came to: `answer` is all that came between head and trailers.
pub(crate) fn outcome(answer: Answer, trailers: &HeaderMap) -> Outcome {
    let Some(status) = trailers.get("grpc-status") else {
        return Err(Failure::status(INTERNAL, "it ended without a gRPC status"));
    };
    let code = status
        .to_str()
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(UNKNOWN);
    if code == OK {
        return answer.message();
    }
    let message = trailers
        .get("grpc-message")
        .map_or(&b""[..], HeaderValue::as_bytes);
    Err(Failure::status(code, percent_decoded(message)))
}

/// The one message of an answer as it comes in.
#[derive(Default)]
pub(crate) struct Answer(BytesMut);

impl Answer {
    /// Takes the next bytes. Fails as soon as the length says that it is larger than `limit`: before memory is taken.
    pub(crate) fn take(&mut self, data: &[u8], limit: u32) -> Result<(), Failure> {
        self.0.extend_from_slice(data);
        match self.length() {
            Some(length) if length > limit => Err(Failure::TooLarge(length)),
            Some(length) if self.0.len() - PREFIX > length as usize => {
                Err(Failure::status(INTERNAL, "more than one message came"))
            }
            _ => Ok(()),
        }
    }

    fn length(&self) -> Option<u32> {
        let [_, length @ ..] = *self.0.first_chunk::<PREFIX>()?;
        Some(u32::from_be_bytes(length))
    }

    fn message(self) -> Outcome {
        match self.length() {
            _ if self.0.first().is_some_and(|compressed| *compressed != 0) => Err(Failure::status(
                INTERNAL,
                "the answer is compressed, which nobody asked for",
            )),
            Some(length) if length as usize == self.0.len() - PREFIX => Ok(self.0.freeze().slice(PREFIX..)),
            Some(_) => Err(Failure::status(INTERNAL, "the answer is cut off")),
            None => Err(Failure::status(INTERNAL, "it ended without an answer")),
        }
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        // A GOAWAY ends only the calls with higher numbers than the last that the peer looked at.
        let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        if refused && error.is_remote() {
            return Self::NeverLookedAt;
        }
        match error.reason() {
            Some(reason) if error.is_reset() => Self::status(status_of_reset(reason), error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// The gRPC status that a reset of the call stands for.
fn status_of_reset(reason: Reason) -> i32 {
    match reason {
        Reason::REFUSED_STREAM => UNAVAILABLE,
        Reason::CANCEL => CANCELLED,
        Reason::ENHANCE_YOUR_CALM => RESOURCE_EXHAUSTED,
        Reason::INADEQUATE_SECURITY => PERMISSION_DENIED,
        _ => INTERNAL,
    }
}

fn status_of_http(status: StatusCode) -> i32 {
    match status.as_u16() {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// What is not a whole `%XX` stays as it is, and what is not UTF-8 is replaced.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, next)) = rest.split_first() {
        rest = next;
        match next {
            [high, low, after @ ..]
                if byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(outcome: Outcome) -> String {
        format!("{:?}", outcome.unwrap_err())
    }

    fn trailers(status: &'static str, message: &'static str) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        trailers.insert("grpc-message", HeaderValue::from_static(message));
        trailers
    }

    #[test]
    fn a_timeout_is_never_told_longer_than_it_is() {
        for (micros, told) in [
            (0, "0u"),
            (1_999_999, "1999999u"),
            (99_999_999, "99999999u"),
            (100_000_999, "100000m"),
            (99_999_999_999, "99999999m"),
            (100_000_000_999_999, "100000000S"),
        ] {
            let told = if micros > 99_999_999_000_000 {
                "99999999S"
            } else {
                told
            };
            assert_eq!(timeout(Duration::from_micros(micros)), told);
        }
    }

    #[test]
    fn a_message_is_decoded_as_far_as_it_was_encoded() {
        assert_eq!(
            percent_decoded(b"100%25 %C3%BC %0a %zz %4"),
            "100% \u{fc} \n %zz %4"
        );
        assert_eq!(percent_decoded(b"%FF"), "\u{fffd}");
    }

    #[test]
    fn an_answer_is_one_whole_message() {
        let whole = framed(b"hello").unwrap();
        let mut answer = Answer::default();
        for byte in &whole {
            answer.take(&[*byte], 5).unwrap();
        }
        assert_eq!(
            outcome(answer, &trailers("0", "")),
            Ok(Bytes::from_static(b"hello"))
        );

        for (bytes, why) in [
            (&whole[..0], "without an answer"),
            (&whole[..4], "without an answer"),
            (&whole[..7], "cut off"),
            (b"\x01\0\0\0\0", "compressed"),
        ] {
            let mut answer = Answer::default();
            answer.take(bytes, 5).unwrap();
            assert!(
                failed(outcome(answer, &trailers("0", ""))).contains(why),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_is_too_much_is_refused_at_once() {
        assert_eq!(
            Answer::default().take(&[0, 0, 1, 0, 0], 65_535),
            Err(Failure::TooLarge(65_536))
        );
        let two = [framed(b"a").unwrap(), framed(b"b").unwrap()].concat();
        assert!(Answer::default().take(&two, 100).is_err());
    }

    #[test]
    fn a_status_is_what_counts_once_it_is_there() {
        let mut answer = Answer::default();
        answer.take(&framed(b"x").unwrap(), 5).unwrap();
        let expected = Err(Failure::status(8, "too \u{fc}"));
        assert_eq!(outcome(answer, &trailers("8", "too %C3%BC")), expected);
        assert!(failed(outcome(Answer::default(), &HeaderMap::new())).contains("without a gRPC status"));
        assert_eq!(
            outcome(Answer::default(), &trailers("nonsense", "?")),
            Err(Failure::status(UNKNOWN, "?"))
        );
    }

    #[test]
    fn heads_of_others_are_told_apart() {
        let mut headers = headers();
        assert_eq!(refuse_head(StatusCode::OK, &headers), None);
        for (status, code) in [(502, 14), (404, 12), (418, 2), (401, 16)] {
            let refused = refuse_head(StatusCode::from_u16(status).unwrap(), &headers);
            assert!(matches!(refused, Some(Failure::Status { code: told, .. }) if told == code));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert!(refuse_head(StatusCode::OK, &headers).is_some());
    }
}
