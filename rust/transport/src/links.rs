//! What the owner does with a connection that it has the key of; nothing happens for a key that means nothing any more.

use std::net::SocketAddr;

use quinn_proto::{ConnectionHandle, VarInt};

use crate::endpoint::{Endpoint, Key, slot_of};

impl Endpoint {
    /// Put bytes on the stream; they leave with the next `flush`. Nothing happens after the end.
    pub fn write(&mut self, key: Key, data: &[u8]) {
        if let Some(connection) = self.find(key) {
            connection.push(data);
            self.touch(slot_of(key));
        }
    }

    /// Whether more may be written; [`Event::Writable`] comes once there is room again if not.
    pub fn is_ready(&mut self, key: Key) -> bool {
        let marks = self.marks;
        self.find(key)
            .is_some_and(|connection| connection.is_ready(marks))
    }

    /// Bytes that were written and not acknowledged.
    pub fn pending(&mut self, key: Key) -> usize {
        self.find(key)
            .map_or(0, |connection| connection.outflow.pending())
    }

    /// Bytes that are acknowledged without a gap.
    pub fn progress(&mut self, key: Key) -> u64 {
        self.find(key)
            .map_or(0, |connection| connection.outflow.progress())
    }

    /// The peer's address; it changes when a client migrates.
    pub fn peer(&mut self, key: Key) -> Option<SocketAddr> {
        self.find(key).map(|connection| connection.address.believed)
    }

    /// Have [`Event::Due`] come at `at`, or not at all.
    pub fn set_due(&mut self, key: Key, at: Option<f64>) {
        let at = at.map(|at| self.clock.instant(at));
        if let Some(connection) = self.find(key) {
            connection.due = at;
            self.touch(slot_of(key));
        }
    }

    /// Have [`Event::Flushed`] come once everything that was written is acknowledged.
    pub fn flush_first(&mut self, key: Key) {
        if let Some(connection) = self.find(key) {
            connection.flush();
            self.touch(slot_of(key));
        }
    }

    /// Close with an application error code; the closing period begins.
    pub fn close(&mut self, key: Key, code: u32, reason: &[u8], now: f64) {
        let now = self.clock.instant(now);
        if let Some(connection) = self.find(key) {
            connection.close(now, VarInt::from_u32(code), reason.to_vec());
            self.touch(slot_of(key));
        }
    }

    /// Tell the peer once, and forget the connection.
    pub fn abort(&mut self, key: Key, code: u32, reason: &[u8], now: f64) {
        self.close(key, code, reason, now);
        let now = self.clock.instant(now);
        self.transmit(slot_of(key), now);
        self.socket.send_queued();
        self.forget(key);
    }

    /// Forget the connection at once; its peer is told nothing.
    pub fn forget(&mut self, key: Key) {
        if self.find(key).is_some() {
            self.release(slot_of(key));
            self.quic.handle_event(
                ConnectionHandle(slot_of(key)),
                quinn_proto::EndpointEvent::drained(),
            );
        }
    }
}
