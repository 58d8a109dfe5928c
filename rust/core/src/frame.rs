//! Bytes of the stream in, whole messages out.

use crate::error::{Error, Result};
use crate::wire::{self, PREFIX};

/// Cuts a stream into messages: each is a 4-byte big-endian length and that many bytes (protocol §1).
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
    /// A message that is too long ends the stream; what was given before it counts. When there is no memory, also for
    /// who is given a message, nothing has changed, and what was given so far must be forgotten.
    pub fn feed(&mut self, data: &[u8], mut give: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if let Some((length, limit)) = self.broken {
            return Err(Error::FrameTooLarge { length, limit });
        }
        let (kept, limit) = (self.buffer.len(), self.limit);
        let fed = self.cut(data, &mut give);
        match fed {
            Err(Error::FrameTooLarge { length, limit }) => {
                self.broken = Some((length, limit));
                self.buffer = Vec::new();
            }
            Err(_) => {
                self.buffer.truncate(kept);
                self.limit = limit;
            }
            Ok(()) => {}
        }
        fed
    }

    fn cut(&mut self, data: &[u8], give: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut rest = data;
        if !self.buffer.is_empty() {
            rest = self.fill(PREFIX, rest)?;
            let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
                return Ok(());
            };
            let whole = PREFIX + self.checked(*prefix)?;
            rest = self.fill(whole, rest)?;
            if self.buffer.len() < whole {
                return Ok(());
            }
            give(&self.buffer[PREFIX..])?;
            self.limit = self.max_body;
        }
        // What lies in `data` as a whole is not copied first.
        while let Some((prefix, body)) = rest.split_first_chunk::<PREFIX>() {
            let Some((message, next)) = body.split_at_checked(self.checked(*prefix)?) else {
                break;
            };
            give(message)?;
            self.limit = self.max_body;
            rest = next;
        }
        let mut kept = wire::room(rest.len() as u64)?;
        kept.extend_from_slice(rest);
        self.buffer = kept;
        Ok(())
    }

    /// Moves bytes of `data` to the buffer until that holds `want`; gives what is left.
    fn fill<'a>(&mut self, want: usize, data: &'a [u8]) -> Result<&'a [u8]> {
        let missing = want.saturating_sub(self.buffer.len()).min(data.len());
        let (head, rest) = data.split_at(missing);
        self.buffer.try_reserve(missing).map_err(|_| Error::OutOfMemory)?;
        self.buffer.extend_from_slice(head);
        Ok(rest)
    }

    fn checked(&self, prefix: [u8; PREFIX]) -> Result<usize> {
        let length = u32::from_be_bytes(prefix);
        if u64::from(length) > self.limit {
            Err(Error::FrameTooLarge {
                length: length.into(),
                limit: self.limit,
            })
        } else {
            Ok(length as usize)
        }
    }
}
