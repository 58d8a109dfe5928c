//! What came on streams, taken when the owner has time for it.
//!
//! Packets are looked at as soon as they come: acknowledgements let answers out, and handshakes go on. What they bring
//! on a stream waits with quinn until the owner takes it, and a peer that sent as much as its window holds waits, too.

use crate::endpoint::Endpoint;

/// Bytes of one stream that are read before others have their turn.
const PIECE: usize = 4 << 10;

impl Endpoint {
    /// Take `most` bytes of what came on streams, in turns: at most 4 KiB of one before others have theirs.
    ///
    /// What is not taken stays where it is, and when that is as much as the limits allow, QUIC has the peer wait. An end
    /// of the connection brings all that came before it.
    pub fn read(&mut self, most: usize) {
        let mut left = most;
        while left > 0
            && let Some(slot) = self.readable.pop_front()
        {
            let Some(connection) = &mut self.connections[slot] else {
                continue;
            };
            connection.queued = false;
            left -= connection.read(left.min(PIECE), &mut self.events);
            self.queue(slot);
            self.touch(slot); // the peer may send more now
        }
    }

    /// Whether something that came on a stream was not taken yet.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Have the connection wait for its turn to be read, if there is something to be read.
    pub(crate) fn queue(&mut self, slot: usize) {
        if let Some(connection) = &mut self.connections[slot]
            && connection.readable
            && !connection.queued
        {
            connection.queued = true;
            self.readable.push_back(slot);
        }
    }
}
