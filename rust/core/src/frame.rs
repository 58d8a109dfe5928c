//! Bytes of the stream in, whole messages out.

use std::borrow::Cow;

use crate::{error::Error, wire::PREFIX};

/// Cuts a stream into messages: each is a 4-byte big-endian length and that many bytes (contract §1).
///
/// Memory is taken only for bytes that have arrived.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Bound of the next message: the first one may have its own.
    limit: u64,
    max_body: u64,
    broken: Option<(u64, u64)>,
}

/// A message is too long; its decoder takes nothing any more.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge<'a> {
    /// Bytes that its length announced.
    pub length: u64,
    /// Bytes that it may have.
    pub limit: u64,
    /// What the same feed completed before it.
    pub messages: Vec<Cow<'a, [u8]>>,
}

impl From<TooLarge<'_>> for Error {
    fn from(error: TooLarge<'_>) -> Self {
        Self::FrameTooLarge {
            length: error.length,
            limit: error.limit,
        }
    }
}

impl FrameDecoder {
    /// Bounds in bytes: of every message, and of the first one if that differs.
    #[must_use]
    pub fn new(max_body: u64, first_max_body: Option<u64>) -> Self {
        Self {
            buffer: Vec::new(),
            limit: first_max_body.unwrap_or(max_body),
            max_body,
            broken: None,
        }
    }

    /// Bytes kept of an unfinished message and its length, 0 between messages and after an error.
    #[must_use]
    pub fn partial(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the next bytes and gives the messages that they complete, without their lengths.
    ///
    /// What lies in `data` as a whole is not copied.
    pub fn feed<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Cow<'a, [u8]>>, TooLarge<'a>> {
        if let Some((length, limit)) = self.broken {
            return Err(TooLarge {
                length,
                limit,
                messages: Vec::new(),
            });
        }
        let mut messages = Vec::new();
        match self.feed_into(data, &mut messages) {
            Ok(()) => Ok(messages),
            Err((length, limit)) => {
                self.broken = Some((length, limit));
                self.buffer = Vec::new();
                Err(TooLarge {
                    length,
                    limit,
                    messages,
                })
            }
        }
    }

    fn feed_into<'a>(&mut self, data: &'a [u8], messages: &mut Vec<Cow<'a, [u8]>>) -> Result<(), (u64, u64)> {
        let mut rest = self.finish_partial(data, messages)?;
        if !self.buffer.is_empty() {
            return Ok(());
        }
        while let Some((prefix, body)) = rest.split_first_chunk::<PREFIX>() {
            let length = self.checked(*prefix)?;
            let Some((message, next)) = body.split_at_checked(length) else {
                break;
            };
            messages.push(Cow::Borrowed(message));
            self.limit = self.max_body;
            rest = next;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// Completes the message whose beginning is kept, as far as `data` goes; gives what is left of it.
    fn finish_partial<'a>(
        &mut self,
        data: &'a [u8],
        messages: &mut Vec<Cow<'a, [u8]>>,
    ) -> Result<&'a [u8], (u64, u64)> {
        if self.buffer.is_empty() {
            return Ok(data);
        }
        let rest = self.fill(PREFIX, data);
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(rest);
        };
        let whole = PREFIX + self.checked(*prefix)?;
        let rest = self.fill(whole, rest);
        if self.buffer.len() == whole {
            let mut message = std::mem::take(&mut self.buffer);
            message.drain(..PREFIX);
            messages.push(Cow::Owned(message));
            self.limit = self.max_body;
        }
        Ok(rest)
    }

    /// Moves bytes of `data` to the buffer until that holds `want`; gives what is left.
    fn fill<'a>(&mut self, want: usize, data: &'a [u8]) -> &'a [u8] {
        let missing = want.saturating_sub(self.buffer.len()).min(data.len());
        let (head, rest) = data.split_at(missing);
        self.buffer.extend_from_slice(head);
        rest
    }

    fn checked(&self, prefix: [u8; PREFIX]) -> Result<usize, (u64, u64)> {
        let length = u32::from_be_bytes(prefix);
        if u64::from(length) > self.limit {
            Err((length.into(), self.limit))
        } else {
            Ok(length as usize)
        }
    }
}
