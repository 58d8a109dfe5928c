//! Packets of no connection: who may begin one, and what is answered to the rest. All of it is the owner's word.

use quinn_proto::{Incoming, Transmit};

use crate::certificate::Finding;
use crate::endpoint::{Endpoint, Key};
use crate::event::{Event, Loss};
use crate::invariants::LongHeader;
use crate::refusal::{authenticates, refusal};

/// A client's first datagram is at least so long (RFC 9000 §14.1).
pub(crate) const MIN_INITIAL: usize = 1200;
/// The versions that quinn speaks (RFC 9000 §15).
pub(crate) const VERSIONS: [u32; 1] = [1];
const CONNECTION_REFUSED: u8 = 2;

/// A client that waits for the word of the owner.
pub(crate) struct Pending {
    incoming: Incoming,
    header: LongHeader,
    data: Vec<u8>,
}

/// What an answer is counted as, if it is sent.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Negotiation,
    Reset,
    TokenRefusal,
}

impl Endpoint {
    pub(crate) fn ask(&mut self, incoming: Incoming, header: LongHeader, data: Vec<u8>) {
        self.last_ticket += 1;
        let event = Event::Incoming {
            ticket: self.last_ticket,
            peer: incoming.remote_address(),
            proven: incoming.remote_address_validated(),
        };
        self.events.push_back(event);
        self.tickets.insert(
            self.last_ticket,
            Pending {
                incoming,
                header,
                data,
            },
        );
    }

    /// Offer what quinn answers to a packet of no connection.
    pub(crate) fn offer(&mut self, transmit: Transmit, long: bool) {
        let kind = if long { Answer::TokenRefusal } else { Answer::Reset };
        if matches!(kind, Answer::Reset) && !self.limits.stateless_reset {
            self.counters.dropped += 1;
            return;
        }
        let packet = self.buffer.clone();
        self.put_up(transmit, packet, kind);
    }

    /// Offer the versions that are spoken (RFC 9000 §6). Version 0 is itself a negotiation packet: answering it could
    /// make two servers talk for ever.
    pub(crate) fn negotiate(&mut self, header: &LongHeader, data: &[u8], meta: &quinn_udp::RecvMeta) {
        if header.version == 0 || data.len() < MIN_INITIAL {
            self.counters.dropped += 1;
            return;
        }
        let packet = negotiation(header, data[0]);
        let transmit = Transmit {
            destination: meta.addr,
            ecn: None,
            size: packet.len(),
            segment_size: None,
            src_ip: meta.dst_ip,
        };
        self.put_up(transmit, packet, Answer::Negotiation);
    }

    fn put_up(&mut self, transmit: Transmit, packet: Vec<u8>, kind: Answer) {
        self.last_ticket += 1;
        self.answers.insert(self.last_ticket, (transmit, packet, kind));
        self.events.push_back(Event::Answer {
            ticket: self.last_ticket,
        });
    }

    /// Send the answer that `ticket` stands for.
    pub fn answer(&mut self, ticket: u64) {
        if let Some((transmit, packet, kind)) = self.answers.remove(&ticket) {
            match kind {
                Answer::Negotiation => self.counters.version_negotiations += 1,
                Answer::Reset => {
                    self.counters.dropped += 1; // as its cause was
                    self.counters.stateless_resets += 1;
                }
                Answer::TokenRefusal => self.counters.invalid_tokens += 1,
            }
            self.socket.send(&transmit, &packet);
        }
    }

    /// Do not send it.
    pub fn withhold(&mut self, ticket: u64) {
        if self.answers.remove(&ticket).is_some() {
            self.counters.dropped += 1;
        }
    }

    // Who may connect

    /// Whether the first packet that `ticket` stands for is genuine; one that is not is forgotten.
    pub fn authenticate(&mut self, ticket: u64) -> bool {
        let Some(Pending { header, data, .. }) = self.tickets.get(&ticket) else {
            return false;
        };
        if self
            .server
            .as_ref()
            .is_some_and(|server| authenticates(&*server.crypto, header, data))
        {
            return true;
        }
        self.counters.noise += 1;
        self.counters.dropped += 1;
        if let Some(Pending { incoming, .. }) = self.tickets.remove(&ticket) {
            self.quic.ignore(incoming);
        }
        false
    }

    /// Do the handshake with the client that `ticket` stands for.
    ///
    /// # Errors
    /// What was wrong with its first packet already, of which it has been told. `None`: there is no such ticket.
    pub fn accept(&mut self, ticket: u64, now: f64) -> Option<Result<Key, Loss>> {
        let Pending { incoming, .. } = self.tickets.remove(&ticket)?;
        self.buffer.clear();
        match self
            .quic
            .accept(incoming, self.clock.instant(now), &mut self.buffer, None)
        {
            Ok((handle, quic)) => Some(Ok(self.insert(handle, quic, Finding::default()))),
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.socket.send(&transmit, &self.buffer);
                }
                Loss::of(error.cause, None).map(Err)
            }
        }
    }

    /// Have the client that `ticket` stands for prove its address first (RFC 9000 §8.1.2).
    pub fn retry(&mut self, ticket: u64) {
        let Some(Pending { incoming, .. }) = self.tickets.remove(&ticket) else {
            return;
        };
        self.buffer.clear();
        match self.quic.retry(incoming, &mut self.buffer) {
            Ok(transmit) => {
                self.counters.retries += 1;
                self.socket.send(&transmit, &self.buffer);
            }
            Err(error) => self.quic.ignore(error.into_incoming()), // it has followed one already
        }
    }

    /// Turn the client that `ticket` stands for away with CONNECTION_REFUSED and these words.
    pub fn refuse(&mut self, ticket: u64, reason: &[u8]) {
        let Some(Pending { incoming, header, .. }) = self.tickets.remove(&ticket) else {
            return;
        };
        let (destination, src_ip) = (incoming.remote_address(), incoming.local_ip());
        self.quic.ignore(incoming);
        let Some(server) = &self.server else { return };
        let source = self.ids.make();
        // A version that TLS has no keys for was answered with a negotiation long before.
        if let Ok(packet) = refusal(&*server.crypto, &header, &source, CONNECTION_REFUSED, reason) {
            let size = packet.len();
            let transmit = Transmit {
                destination,
                ecn: None,
                size,
                segment_size: None,
                src_ip,
            };
            self.socket.send(&transmit, &packet);
        }
    }

    /// Say nothing to the client that `ticket` stands for.
    pub fn ignore(&mut self, ticket: u64) {
        if let Some(Pending { incoming, .. }) = self.tickets.remove(&ticket) {
            self.counters.dropped += 1;
            self.quic.ignore(incoming);
        }
    }
}

/// A Version Negotiation packet (RFC 9000 §17.2.1); what of the first byte has no meaning is `any`.
fn negotiation(header: &LongHeader, any: u8) -> Vec<u8> {
    let mut packet = vec![0x80 | any, 0, 0, 0, 0];
    for id in [&header.source, &header.destination] {
        packet.push(id.len() as u8);
        packet.extend_from_slice(id);
    }
    for version in VERSIONS {
        packet.extend_from_slice(&version.to_be_bytes());
    }
    packet
}
