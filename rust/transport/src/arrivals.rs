//! What arrives, from the socket to the connection that it is for, and what time brings about.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::{ConnectionEvent, DatagramEvent};

use crate::door::{MIN_INITIAL, VERSIONS};
use crate::endpoint::Endpoint;
use crate::invariants::long_header;

impl Endpoint {
    /// Read a batch of datagrams at most; how many there were. Less than [`BATCH`]: there are no more. What they brought
    /// on streams waits for `read`.
    ///
    /// # Errors
    /// What the kernel says: for a connected socket, that nothing listens there.
    pub fn receive(&mut self, now: f64) -> io::Result<usize> {
        let now = self.clock.instant(now);
        let (mut count, mut began) = (0, Instant::now());
        for message in 0..self.socket.receive()? {
            let (meta, mut at) = (self.socket.meta(message), 0);
            while at < meta.len {
                let data = BytesMut::from(self.socket.datagram(message, at));
                at += data.len();
                count += 1;
                let slot = self.datagram(data, &meta, now);
                let done = Instant::now();
                if let Some(connection) = slot.and_then(|slot| self.connections[slot].as_mut()) {
                    connection.charge(&self.limits.cpu, done - began);
                }
                began = done;
            }
        }
        self.tell_what_was_heard(now);
        Ok(count)
    }

    /// Do what is due at `now`.
    pub fn expire(&mut self, now: f64) {
        let now = self.clock.instant(now);
        while let Some(slot) = self.timers.due(now) {
            let Some(connection) = &mut self.connections[slot] else {
                continue;
            };
            match connection.deadline() {
                // It has moved since, as that of loss detection does with every acknowledgement.
                Some(at) if at > now => self.timers.arm(slot, Some(at)),
                _ => {
                    connection.expire(now, &mut self.events);
                    self.hear(slot);
                }
            }
        }
        self.tell_what_was_heard(now);
    }

    /// Take a datagram; the slot of the connection that it was for, unless it was dropped unread.
    fn datagram(&mut self, data: BytesMut, meta: &quinn_udp::RecvMeta, now: Instant) -> Option<usize> {
        let header = long_header(&data);
        let copy = match &header {
            // A client has nothing to offer: it may be the one that is offered other versions.
            Some(header) if self.server.is_some() && !VERSIONS.contains(&header.version) => {
                self.negotiate(header, &data, meta);
                return None;
            }
            Some(_) if data.len() >= MIN_INITIAL => data.to_vec(),
            _ => Vec::new(),
        };
        let ecn = meta
            .ecn
            .and_then(|ecn| quinn_proto::EcnCodepoint::from_bits(ecn as u8));
        self.buffer.clear();
        match self
            .quic
            .handle(now, meta.addr, meta.dst_ip, ecn, data, &mut self.buffer)
        {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                return self.pass_on(handle.0, event, meta.addr, now);
            }
            Some(DatagramEvent::NewConnection(incoming)) => match header {
                Some(header) if !copy.is_empty() => self.ask(incoming, header, copy),
                _ => self.quic.ignore(incoming),
            },
            Some(DatagramEvent::Response(transmit)) => self.offer(transmit, header.is_some()),
            None => self.counters.dropped += 1,
        }
        None
    }

    fn pass_on(
        &mut self,
        slot: usize,
        event: ConnectionEvent,
        from: SocketAddr,
        now: Instant,
    ) -> Option<usize> {
        let connection = self.connections[slot].as_mut()?;
        let (limits, common) = (&self.limits, &mut self.common);
        if connection.datagram(event, from, limits, common, now, &mut self.events) {
            self.hear(slot);
            return Some(slot);
        }
        self.counters.unread += 1;
        None
    }
}
