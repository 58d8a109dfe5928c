//! Notifies that came before login, kept until there is somebody to send them to.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::tickets::Ticket;
use crate::wire;

/// Bodies in the order they came, bounded in number and bytes (protocol §4, IMMEDIATE before login).
#[derive(Debug)]
pub(crate) struct HoldCache {
    bodies: Vec<Bytes>,
    /// Of each body the ticket that names it.
    tickets: Vec<Ticket>,
    bytes: u64,
    limit: u64,
    bytes_limit: u64,
}

impl HoldCache {
    pub(crate) fn new(limit: u64, bytes_limit: u64) -> Self {
        Self {
            bodies: Vec::new(),
            tickets: Vec::new(),
            bytes: 0,
            limit,
            bytes_limit,
        }
    }

    /// One with the same bounds and nothing in it.
    pub(crate) fn bare(&self) -> Self {
        Self::new(self.limit, self.bytes_limit)
    }

    pub(crate) fn len(&self) -> u64 {
        self.bodies.len() as u64
    }

    pub(crate) fn bodies(&self) -> &[Bytes] {
        &self.bodies
    }

    pub(crate) fn tickets(&self) -> &[Ticket] {
        &self.tickets
    }

    /// Whether one of so many bytes more is within the bounds, perhaps in place of one that is here.
    pub(crate) fn has_room(&self, size: u64, instead_of: Option<usize>) -> bool {
        let freed = instead_of.map_or(0, |at| self.bodies[at].len() as u64);
        self.len() - u64::from(instead_of.is_some()) < self.limit
            && self.bytes + size - freed <= self.bytes_limit
    }

    /// Keeps one more, which has room.
    pub(crate) fn add(&mut self, body: &[u8], ticket: Ticket) -> Result<()> {
        let copy = wire::copy(body)?;
        self.bodies
            .try_reserve(1)
            .and_then(|()| self.tickets.try_reserve(1))
            .map_err(|_| Error::OutOfMemory)?;
        self.bodies.push(copy);
        self.tickets.push(ticket);
        self.bytes += body.len() as u64;
        Ok(())
    }

    /// Where the one with that ticket is.
    pub(crate) fn find(&self, ticket: Ticket) -> Option<usize> {
        if ticket == 0 {
            return None;
        }
        self.tickets.iter().position(|each| *each == ticket)
    }

    /// Forgets one, and gives how many bytes it had.
    pub(crate) fn remove(&mut self, at: usize) -> u64 {
        self.tickets.remove(at);
        let size = self.bodies.remove(at).len() as u64;
        self.bytes -= size;
        size
    }

    /// Forgets the `n` oldest.
    pub(crate) fn forget(&mut self, n: usize) {
        self.tickets.drain(..n);
        self.bytes -= self.bodies.drain(..n).map(|body| body.len() as u64).sum::<u64>();
    }

    pub(crate) fn clear(&mut self) {
        self.bodies = Vec::new();
        self.tickets = Vec::new();
        self.bytes = 0;
    }
}
