//! Notifies that came before login, kept until there is somebody to send them to.

use bytes::Bytes;

use crate::error::{Error, Result};

/// Bodies in the order they came, bounded in number and bytes (contract §4, IMMEDIATE before login).
#[derive(Debug)]
pub(crate) struct HoldCache {
    bodies: Vec<Bytes>,
    bytes: u64,
    limit: u64,
    bytes_limit: u64,
}

impl HoldCache {
    pub(crate) fn new(limit: u64, bytes_limit: u64) -> Self {
        Self {
            bodies: Vec::new(),
            bytes: 0,
            limit,
            bytes_limit,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bodies.len() as u64
    }

    /// Keeps one more.
    pub(crate) fn add(&mut self, body: &[u8]) -> Result<()> {
        let bytes = self.bytes + body.len() as u64;
        if self.len() >= self.limit || bytes > self.bytes_limit {
            return Err(Error::CacheFull);
        }
        self.bodies.push(Bytes::copy_from_slice(body));
        self.bytes = bytes;
        Ok(())
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.bodies)
    }
}
