//! Notifies that came before login, kept until there is somebody to send them to.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::wire;

/// Bodies in the order they came, bounded in number and bytes (protocol §4, IMMEDIATE before login).
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

    pub(crate) fn bodies(&self) -> &[Bytes] {
        &self.bodies
    }

    /// Whether one of so many bytes more is within the bounds.
    pub(crate) fn has_room(&self, size: u64) -> bool {
        self.len() < self.limit && self.bytes + size <= self.bytes_limit
    }

    /// Keeps one more, which has room.
    pub(crate) fn add(&mut self, body: &[u8]) -> Result<()> {
        let copy = wire::copy(body)?;
        self.bodies.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        self.bodies.push(copy);
        self.bytes += body.len() as u64;
        Ok(())
    }

    /// Forgets the `n` oldest.
    pub(crate) fn forget(&mut self, n: usize) {
        self.bytes -= self.bodies.drain(..n).map(|body| body.len() as u64).sum::<u64>();
    }

    pub(crate) fn clear(&mut self) {
        self.bodies = Vec::new();
        self.bytes = 0;
    }
}
