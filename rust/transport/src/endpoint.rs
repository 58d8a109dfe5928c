//! One UDP socket and the connections behind it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use quinn_proto::crypto::HandshakeTokenKey;
use quinn_proto::{ConnectionHandle, ServerConfig, Transmit};

use crate::budget::CommonBudget;
use crate::certificate::Finding;
use crate::clock::Clock;
use crate::config::{self, ClientSettings, ConfigError, Limits, ServerSettings};
use crate::congestion;
use crate::connection::Connection;
use crate::door::{Answer, Pending};
use crate::event::Event;
use crate::ids::Ids;
use crate::pressure::Marks;
use crate::socket::Socket;
use crate::timers::Timers;

/// Names a connection as long as it lives, and none after it.
pub type Key = u64;

/// Datagrams that the kernel hands over in one call at most.
pub const BATCH: usize = quinn_udp::BATCH_SIZE;
/// Connections that one flush serves: about two milliseconds.
const SERVED_AT_ONCE: usize = 256;

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

/// Connections of one socket, served by whoever owns it; see the crate's description.
pub struct Endpoint {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// Processor time of all peers together.
    pub(crate) common: CommonBudget,
    pub(crate) marks: Marks,
    pub(crate) socket: Socket,
    pub(crate) quic: quinn_proto::Endpoint,
    pub(crate) server: Option<Arc<ServerConfig>>,
    token_key: Arc<dyn HandshakeTokenKey>,
    /// What `renew` takes.
    prepared: Option<(Arc<ServerConfig>, Limits)>,
    pub(crate) ids: Ids,
    /// By slot; in boxes, as a connection is several KiB, and the list grows by doubling.
    pub(crate) connections: Vec<Option<Box<Connection>>>,
    /// How often each slot was taken: the upper half of a key.
    taken: Vec<u32>,
    /// Those that have something to send, or may have.
    pub(crate) touched: Vec<usize>,
    /// Those of which something was heard that their owner is not told yet.
    pub(crate) heard: Vec<usize>,
    flushed_at: Instant,
    /// Slots of connections whose stream can be read, whose turn it is first.
    pub(crate) readable: VecDeque<usize>,
    pub(crate) timers: Timers,
    pub(crate) tickets: HashMap<u64, Pending>,
    pub(crate) last_ticket: u64,
    pub(crate) events: VecDeque<Event>,
    unacknowledged: Arc<AtomicUsize>,
    pub(crate) answers: HashMap<u64, (Transmit, Vec<u8>, Answer)>,

    pub(crate) buffer: Vec<u8>,
    /// What happened at the door.
    pub counters: Counters,
}

impl Endpoint {
    /// Take over a bound (for a client: connected) socket. `now` is the owner's clock, in seconds, as everywhere;
    /// `reset_key` the secret of stateless reset tokens; `ids` makes connection ids.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that cannot be used, [`io::Error`] for a socket that is none.
    pub fn new(
        socket: UdpSocket,
        now: f64,
        limits: Limits,
        reset_key: &[u8],
        ids: Ids,
        server: Option<ServerSettings>,
    ) -> Result<Self, EndpointError> {
        let endpoint = Arc::new(config::endpoint(&limits, reset_key, ids.clone())?);
        let token_key = config::token_key()?;
        let server = server
            .map(|settings| config::server(settings, &limits, Arc::clone(&token_key)))
            .transpose()?
            .map(Arc::new);
        let socket = Socket::new(socket, limits.max_datagram.into())?;
        let clock = Clock::new(now);
        let allow_mtud = !socket.may_fragment();
        Ok(Self {
            answers: HashMap::new(),
            marks: limits.marks(),
            common: CommonBudget::new(&limits.cpu),
            quic: quinn_proto::Endpoint::new(endpoint, server.clone(), allow_mtud, None),
            limits,
            socket,
            server,
            token_key,
            prepared: None,
            ids,
            connections: Vec::new(),
            taken: Vec::new(),
            touched: Vec::new(),
            heard: Vec::new(),
            flushed_at: clock.instant(now),
            readable: VecDeque::new(),
            timers: Timers::default(),
            tickets: HashMap::new(),
            last_ticket: 0,
            events: VecDeque::new(),
            unacknowledged: Arc::new(AtomicUsize::new(0)),
            buffer: Vec::new(),
            counters: Counters::default(),
            clock,
        })
    }

    /// Check what a listener is to show to new clients, and the limits of their connections; `renew` takes both.
    ///
    /// # Errors
    /// [`ConfigError`] for settings that cannot be used: nothing has changed then.
    pub fn prepare(&mut self, settings: ServerSettings, limits: Limits) -> Result<(), ConfigError> {
        let server = config::server(settings, &limits, Arc::clone(&self.token_key))?;
        self.prepared = Some((Arc::new(server), limits));
        Ok(())
    }

    /// Use what was prepared for the handshakes that begin from now on; connections that are there keep what they have.
    pub fn renew(&mut self) {
        let Some((server, limits)) = self.prepared.take() else {
            return;
        };
        self.quic.set_server_config(Some(Arc::clone(&server)));
        self.server = Some(server);
        self.marks = limits.marks();
        self.limits = limits;
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

    /// When `expire` and `flush` have to be called, if nothing comes before.
    pub fn deadline(&mut self) -> Option<f64> {
        if !self.touched.is_empty() {
            return Some(self.clock.seconds(self.flushed_at));
        }
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

    // Connections

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

    pub(crate) fn insert(
        &mut self,
        handle: ConnectionHandle,
        quic: quinn_proto::Connection,
        finding: Finding,
    ) -> Key {
        let slot = handle.0;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
            self.taken.resize(slot + 1, 0);
        }
        self.taken[slot] = self.taken[slot].wrapping_add(1);
        let key = u64::from(self.taken[slot]) << 32 | slot as u64;
        self.connections[slot] = Some(Box::new(Connection::new(
            key,
            quic,
            Arc::clone(&self.unacknowledged),
            &self.limits.cpu,
            finding,
        )));
        self.hear(slot);
        key
    }

    // What leaves

    /// Send whatever is due of the connections that were touched since: of so many at once that a turn of the caller's
    /// loop stays short. While others wait, the deadline is now.
    pub fn flush(&mut self, now: f64) {
        let now = self.clock.instant(now);
        self.socket.resume();
        // For what was accepted meanwhile: its first packet may have been its last.
        self.tell_what_was_heard(now);
        let mut touched = std::mem::take(&mut self.touched);
        let later = touched.split_off(touched.len().min(SERVED_AT_ONCE));
        for slot in touched.drain(..) {
            if let Some(connection) = &mut self.connections[slot] {
                let cpu = &self.limits.cpu;
                connection.judge(self.marks, cpu, &mut self.common, now, &mut self.events);
            }
            self.transmit(slot, now);
            self.after(slot, now);
        }
        self.socket.send_queued();
        // Whose memory is used again: nobody touches one while it is served.
        self.touched = if later.is_empty() { touched } else { later };
        self.flushed_at = now;
    }

    /// Queue what a connection has to send.
    pub(crate) fn transmit(&mut self, slot: usize, now: Instant) {
        let segments = self.socket.segments();
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        connection.touched = false;
        loop {
            self.buffer.clear();
            let transmit = if connection.quic.is_closed() {
                congestion::spared(|| connection.quic.poll_transmit(now, segments, &mut self.buffer))
            } else {
                connection.quic.poll_transmit(now, segments, &mut self.buffer)
            };
            let Some(transmit) = transmit else {
                return;
            };
            self.socket.queue(transmit, &self.buffer);
        }
    }

    pub(crate) fn tell_what_was_heard(&mut self, now: Instant) {
        let mut heard = std::mem::take(&mut self.heard);
        for slot in heard.drain(..) {
            if let Some(connection) = &mut self.connections[slot] {
                connection.heard = false;
                connection.tell(&self.limits.cpu, now, &mut self.events);
            }
            self.queue(slot);
        }
        self.heard = heard; // whose memory is used again
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
                connection.replace_id(answer, now, &mut self.events);
            }
        }
        if let Some(connection) = &mut self.connections[slot] {
            let deadline = connection.deadline();
            self.timers.arm(slot, deadline.map(|at| at.max(now)));
        }
    }

    pub(crate) fn release(&mut self, slot: usize) {
        if let Some(connection) = self.connections[slot].take() {
            self.events.push_back(Event::Released { key: connection.key });
        }
    }

    pub(crate) fn find(&mut self, key: Key) -> Option<&mut Connection> {
        self.connections
            .get_mut(slot_of(key))?
            .as_deref_mut()
            .filter(|connection| connection.key == key)
    }

    /// Something may have come for its owner, and there may be something to send.
    pub(crate) fn hear(&mut self, slot: usize) {
        if let Some(connection) = &mut self.connections[slot]
            && !connection.heard
        {
            connection.heard = true;
            self.heard.push(slot);
        }
        self.touch(slot);
    }

    pub(crate) fn touch(&mut self, slot: usize) {
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

pub(crate) fn slot_of(key: Key) -> usize {
    (key & u64::from(u32::MAX)) as usize
}
