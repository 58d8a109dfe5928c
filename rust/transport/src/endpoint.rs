//! One UDP socket and the connections behind it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::{ConnectionHandle, DatagramEvent, Incoming, ServerConfig, Transmit, VarInt};

use crate::certificate::Finding;
use crate::clock::Clock;
use crate::config::{self, ClientSettings, ConfigError, Limits, ServerSettings};
use crate::connection::Connection;
use crate::event::{Event, Loss};
use crate::ids::{CID_LENGTH, MakeId};
use crate::invariants::{LongHeader, long_header};
use crate::pressure::Marks;
use crate::refusal::{authenticates, refusal};
use crate::socket::Socket;
use crate::timers::Timers;

/// Names a connection as long as it lives, and none after it.
pub type Key = u64;

const MIN_INITIAL: usize = 1200;
/// The versions that quinn speaks (RFC 9000 §15).
const VERSIONS: [u32; 1] = [1];
const CONNECTION_REFUSED: u8 = 2;

/// What happened at the door since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Retry packets sent.
    pub retries: u64,
    /// First packets with a token that is none of ours, or too old.
    pub invalid_tokens: u64,
    /// First packets that did not authenticate.
    pub noise: u64,
    /// Datagrams of connections that were dropped, as their peer used more than it may.
    pub unread: u64,
    /// Datagrams without a connection that were not answered.
    pub dropped: u64,
    /// Version negotiation packets sent.
    pub version_negotiations: u64,
    /// Stateless resets sent.
    pub stateless_resets: u64,
}

/// Why nothing can be dialed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TLS does not take the name or the authorities.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// quinn does not.
    #[error(transparent)]
    Quic(#[from] quinn_proto::ConnectError),
}

struct Pending {
    incoming: Incoming,
    header: LongHeader,
    data: Vec<u8>,
}

/// What an answer is counted as, if it is sent.
#[derive(Clone, Copy)]
enum Answer {
    Negotiation,
    Reset,
    TokenRefusal,
}

/// Connections of one socket, served by whoever owns it; see the crate's description.
pub struct Endpoint {
    clock: Clock,
    limits: Limits,
    marks: Marks,
    socket: Socket,
    quic: quinn_proto::Endpoint,
    server: Option<Arc<ServerConfig>>,
    make_id: MakeId,
    connections: Vec<Option<Connection>>,
    /// How often each slot was taken: the upper half of a key.
    taken: Vec<u32>,
    touched: Vec<usize>,
    timers: Timers,
    tickets: HashMap<u64, Pending>,
    last_ticket: u64,
    events: VecDeque<Event>,
    unacknowledged: Arc<AtomicUsize>,
    answers: HashMap<u64, (Transmit, Vec<u8>, Answer)>,

    arrived: Vec<(BytesMut, quinn_udp::RecvMeta)>,
    buffer: Vec<u8>,
    /// What happened at the door.
    pub counters: Counters,
}

impl Endpoint {
    /// Take over a bound (for a client: connected) socket. `now` is the owner's clock, in seconds, as everywhere;
    /// `reset_key` the secret of stateless reset tokens; `make_id` gives connection ids.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that cannot be used, [`io::Error`] for a socket that is none.
    pub fn new(
        socket: UdpSocket,
        now: f64,
        limits: Limits,
        reset_key: &[u8],
        make_id: impl Fn() -> [u8; CID_LENGTH] + Send + Sync + 'static,
        server: Option<ServerSettings>,
    ) -> Result<Self, EndpointError> {
        let make_id: MakeId = Arc::new(make_id);
        let endpoint = Arc::new(config::endpoint(&limits, reset_key, Arc::clone(&make_id))?);
        let server = server
            .map(|settings| config::server(settings, &limits))
            .transpose()?
            .map(Arc::new);
        let socket = Socket::new(socket, limits.max_datagram.into())?;
        let clock = Clock::new(now);
        let allow_mtud = !socket.may_fragment();
        Ok(Self {
            answers: HashMap::new(),

            clock,
            marks: limits.marks(),
            quic: quinn_proto::Endpoint::new(endpoint, server.clone(), allow_mtud, None),
            limits,
            socket,
            server,
            make_id,
            connections: Vec::new(),
            taken: Vec::new(),
            touched: Vec::new(),
            timers: Timers::default(),
            tickets: HashMap::new(),
            last_ticket: 0,
            events: VecDeque::new(),
            unacknowledged: Arc::new(AtomicUsize::new(0)),
            arrived: Vec::new(),
            buffer: Vec::new(),
            counters: Counters::default(),
        })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// [`io::Error`] for a socket that is closed.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.address()
    }

    /// Bytes that were written and not acknowledged, over all connections.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.load(Ordering::Relaxed)
    }

    /// The next thing that the owner has to look at.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `expire` has to be called, if nothing comes before.
    pub fn deadline(&mut self) -> Option<f64> {
        self.timers.next().map(|at| self.clock.seconds(at))
    }

    /// Whether the kernel had no room: call `flush` when the socket can be written.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.socket.is_blocked()
    }

    /// What the socket last failed with, once.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.socket.failure.take()
    }

    // What arrives

    /// Read a batch of datagrams at most; how many there were, 0 when there is nothing to be read.
    ///
    /// # Errors
    /// What the kernel says: for a connected socket, that nothing listens there.
    pub fn receive(&mut self, now: f64) -> io::Result<usize> {
        let now = self.clock.instant(now);
        let mut datagrams = std::mem::take(&mut self.arrived);
        let count = self
            .socket
            .receive(|data, meta| datagrams.push((BytesMut::from(data), *meta)))?;
        for (data, meta) in datagrams.drain(..) {
            self.datagram(data, &meta, now);
        }
        self.arrived = datagrams;
        self.look_at_touched(now);
        Ok(count)
    }

    /// Do what is due at `now`.
    pub fn expire(&mut self, now: f64) {
        let now = self.clock.instant(now);
        while let Some(slot) = self.timers.due(now) {
            if let Some(connection) = &mut self.connections[slot] {
                connection.tell_due(now, &mut self.events);
                connection.quic.handle_timeout(now);
                self.touch(slot);
            }
        }
        self.look_at_touched(now);
    }

    fn datagram(&mut self, data: BytesMut, meta: &quinn_udp::RecvMeta, now: Instant) {
        let header = long_header(&data);
        let copy = match &header {
            Some(header) if !VERSIONS.contains(&header.version) => {
                self.negotiate(header, &data, meta);
                return;
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
                if let Some(connection) = &mut self.connections[handle.0] {
                    if connection.datagram(event, &self.limits, now, &mut self.events) {
                        self.touch(handle.0);
                    } else {
                        self.counters.unread += 1;
                    }
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => match header {
                Some(header) if !copy.is_empty() => self.ask(incoming, header, copy),
                _ => self.quic.ignore(incoming),
            },
            Some(DatagramEvent::Response(transmit)) => self.offer(transmit, header.is_some()),
            None => self.counters.dropped += 1,
        }
    }

    fn ask(&mut self, incoming: Incoming, header: LongHeader, data: Vec<u8>) {
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
    fn offer(&mut self, transmit: Transmit, long: bool) {
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
    fn negotiate(&mut self, header: &LongHeader, data: &[u8], meta: &quinn_udp::RecvMeta) {
        if header.version == 0 || data.len() < MIN_INITIAL || self.server.is_none() {
            self.counters.dropped += 1;
            return;
        }
        let packet = negotiation(header, (self.make_id)()[0]);
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
            self.socket.send(transmit, &packet);
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
                    self.socket.send(transmit, &self.buffer);
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
                self.socket.send(transmit, &self.buffer);
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
        let source = (self.make_id)();
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
            self.socket.send(transmit, &packet);
        }
    }

    /// Say nothing to the client that `ticket` stands for.
    pub fn ignore(&mut self, ticket: u64) {
        if let Some(Pending { incoming, .. }) = self.tickets.remove(&ticket) {
            self.counters.dropped += 1;
            self.quic.ignore(incoming);
        }
    }

    /// Begin a handshake with the server at `peer`.
    ///
    /// # Errors
    /// [`ConnectError`] for settings that cannot be used.
    pub fn connect(
        &mut self,
        peer: SocketAddr,
        settings: ClientSettings,
        now: f64,
    ) -> Result<Key, ConnectError> {
        let name = settings.server_name.clone();
        let (config, finding) = config::client(settings, &self.limits)?;
        let (handle, quic) = self.quic.connect(self.clock.instant(now), config, peer, &name)?;
        Ok(self.insert(handle, quic, finding))
    }

    fn insert(&mut self, handle: ConnectionHandle, quic: quinn_proto::Connection, finding: Finding) -> Key {
        let slot = handle.0;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
            self.taken.resize(slot + 1, 0);
        }
        self.taken[slot] = self.taken[slot].wrapping_add(1);
        let key = u64::from(self.taken[slot]) << 32 | slot as u64;
        self.connections[slot] = Some(Connection::new(
            key,
            quic,
            Arc::clone(&self.unacknowledged),
            &self.limits.cpu,
            finding,
        ));
        self.touch(slot);
        key
    }

    // What the owner does with a connection

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
        self.find(key).map(|connection| connection.quic.remote_address())
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

    // What leaves

    /// Send whatever is due of the connections that were touched since.
    pub fn flush(&mut self, now: f64) {
        let now = self.clock.instant(now);
        self.socket.resume();
        for slot in std::mem::take(&mut self.touched) {
            self.transmit(slot, now);
            self.after(slot, now);
        }
    }

    fn transmit(&mut self, slot: usize, now: Instant) {
        let segments = self.socket.segments();
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        connection.touched = false;
        loop {
            self.buffer.clear();
            let Some(transmit) = connection.quic.poll_transmit(now, segments, &mut self.buffer) else {
                return;
            };
            self.socket.send(transmit, &self.buffer);
        }
    }

    /// Let the touched connections tell what came, before anything is sent.
    fn look_at_touched(&mut self, now: Instant) {
        for at in 0..self.touched.len() {
            let slot = self.touched[at];
            if let Some(connection) = &mut self.connections[slot] {
                connection.look(self.marks, &self.limits.cpu, now, &mut self.events);
            }
        }
    }

    /// What quinn wants of its endpoint, then the next deadline.
    fn after(&mut self, slot: usize, now: Instant) {
        let handle = ConnectionHandle(slot);
        while let Some(connection) = &mut self.connections[slot] {
            let Some(event) = connection.quic.poll_endpoint_events() else {
                break;
            };
            let drained = event.is_drained();
            let answer = self.quic.handle_event(handle, event);
            if drained {
                self.release(slot);
                return;
            }
            if let (Some(answer), Some(connection)) = (answer, &mut self.connections[slot]) {
                connection.quic.handle_event(answer);
            }
        }
        if let Some(connection) = &mut self.connections[slot] {
            let deadline = connection.deadline();
            self.timers.arm(slot, deadline.map(|at| at.max(now)));
        }
    }

    fn release(&mut self, slot: usize) {
        if let Some(connection) = self.connections[slot].take() {
            self.events.push_back(Event::Released { key: connection.key });
        }
    }

    fn find(&mut self, key: Key) -> Option<&mut Connection> {
        self.connections
            .get_mut(slot_of(key))?
            .as_mut()
            .filter(|connection| connection.key == key)
    }

    fn touch(&mut self, slot: usize) {
        if let Some(connection) = &mut self.connections[slot]
            && !connection.touched
        {
            connection.touched = true;
            self.touched.push(slot);
        }
    }
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

fn slot_of(key: Key) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// A Version Negotiation packet (RFC 9000 §17.2.1); what of the first byte has no meaning is any.
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
