//! One connection: quinn's, its one stream, and what its owner is told of both.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::{ConnectionError, Dir, Event as QuicEvent, ReadError, StreamEvent, StreamId, VarInt};

use crate::Key;
use crate::address::PeerAddress;
use crate::budget::{CommonBudget, CpuBudget, CpuLimits};
use crate::certificate::Finding;
use crate::config::Limits;
use crate::event::{Event, Loss, StreamEnd};
use crate::outflow::Outflow;
use crate::pressure::{Marks, Pressure, Signal};

/// Ids that a peer may have replaced at once, and one more each second. quinn keeps what tells of a new id until that has
/// left, also when it is retired unseen: who acknowledges nothing and retires ids that it was never told would have that
/// list grow for as long as it likes.
const REPLACED_AT_ONCE: u64 = 256;
/// How the application says that its peer broke a rule (protocol §6).
const PROTOCOL_ERROR: u32 = 0x102;
/// CONNECTION_ID_LIMIT_ERROR (RFC 9000 §20.1).
const TOO_MANY_IDS: u64 = 0x09;

pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) quic: quinn_proto::Connection,
    pub(crate) address: PeerAddress,
    /// It is in the endpoint's list of those that may have something to send.
    pub(crate) touched: bool,
    /// It is in the endpoint's list of those that may have something to tell.
    pub(crate) heard: bool,
    /// When its owner wants to be told that a time has come.
    pub(crate) due: Option<Instant>,
    pub(crate) outflow: Outflow,
    budget: CpuBudget,
    early: u32,
    /// Bytes that moved, in both directions, as far as they have been paid for.
    moved: u64,
    read: u64,
    throttled: bool,
    pressure: Pressure,
    stream: Option<StreamId>,
    /// Something of the stream, or its end, has come and is not read yet.
    pub(crate) readable: bool,
    /// It is in the endpoint's list of those to be read.
    pub(crate) queued: bool,
    finding: Finding,
    /// Ids that were replaced since the first was.
    replaced: u64,
    replaced_since: Option<Instant>,
    established: bool,
    /// The owner waits until everything is acknowledged.
    flushing: bool,
    /// The owner has closed it, or was told that it is lost: it is told nothing more but its release.
    over: bool,
}

impl Connection {
    pub(crate) fn new(
        key: Key,
        quic: quinn_proto::Connection,
        all: Arc<AtomicUsize>,
        cpu: &CpuLimits,
        finding: Finding,
    ) -> Self {
        Self {
            key,
            address: PeerAddress::new(quic.remote_address()),
            quic,
            touched: false,
            heard: false,
            due: None,
            outflow: Outflow::new(all),
            budget: CpuBudget::new(cpu),
            early: 0,
            moved: 0,
            read: 0,
            throttled: false,
            pressure: Pressure::default(),
            stream: None,
            readable: false,
            queued: false,
            finding,
            replaced: 0,
            replaced_since: None,
            established: false,
            flushing: false,
            over: false,
        }
    }

    /// Take a datagram that came from `from`, unless its peer uses more than it may; false when it is dropped unread.
    pub(crate) fn datagram(
        &mut self,
        event: quinn_proto::ConnectionEvent,
        from: SocketAddr,
        limits: &Limits,
        common: &mut CommonBudget,
        now: Instant,
        events: &mut VecDeque<Event>,
    ) -> bool {
        if !self.established {
            self.early += 1;
        }
        let too_early = !self.established && self.early > limits.early_datagrams;
        if too_early || self.address.strays(from, now) || !self.budget.allows(&limits.cpu, common, now) {
            if !self.throttled {
                self.throttled = true;
                events.push_back(Event::Throttled { key: self.key });
            }
            return false;
        }
        self.quic.handle_event(event);
        true
    }

    /// Have its peer pay for what a datagram took.
    pub(crate) fn charge(&mut self, cpu: &CpuLimits, used: Duration) {
        self.budget.charge(cpu, used);
    }

    /// Take new ids in place of one that the peer has retired, unless it does so without end.
    pub(crate) fn replace_id(
        &mut self,
        new: quinn_proto::ConnectionEvent,
        now: Instant,
        events: &mut VecDeque<Event>,
    ) {
        self.replaced += 1;
        let since = *self.replaced_since.get_or_insert(now);
        let seconds = now.saturating_duration_since(since).as_secs();
        if self.replaced <= REPLACED_AT_ONCE + seconds || self.over {
            self.quic.handle_event(new);
            return;
        }
        let reason = "too many connection ids were retired".to_owned();
        let told = format!("PROTOCOL_ERROR: {reason}").into_bytes();
        let (code, distrust) = (TOO_MANY_IDS, None);
        self.close(now, VarInt::from_u32(PROTOCOL_ERROR), told);
        let loss = Loss::Fault {
            code,
            reason,
            distrust,
        };
        events.push_back(Event::Lost { key: self.key, loss });
    }

    /// Take what quinn has to tell, and note whether there is something to be read.
    pub(crate) fn tell(&mut self, cpu: &CpuLimits, now: Instant, events: &mut VecDeque<Event>) {
        while let Some(event) = self.quic.poll() {
            match event {
                QuicEvent::Connected => {
                    self.budget.end_handshake(cpu);
                    self.connected(events);
                }
                QuicEvent::ConnectionLost { reason } => self.lost(reason, events),
                QuicEvent::Stream(event) => self.stream_event(&event, events),
                QuicEvent::HandshakeDataReady
                | QuicEvent::DatagramReceived
                | QuicEvent::DatagramsUnblocked => {}
            }
        }
        if self.over {
            return;
        }
        self.address
            .follow(self.quic.remote_address(), self.quic.rtt(), now);
        self.write();
    }

    /// Have the peer earn what was read and acknowledged, and tell the owner what it has acknowledged, or fails to, where
    /// that is of interest.
    pub(crate) fn judge(
        &mut self,
        marks: Marks,
        cpu: &CpuLimits,
        common: &mut CommonBudget,
        now: Instant,
        events: &mut VecDeque<Event>,
    ) {
        if self.over {
            return;
        }
        let moved = self.read + self.outflow.progress();
        self.budget.earn(cpu, common, moved - self.moved);
        self.moved = moved;
        let (pending, key) = (self.outflow.pending(), self.key);
        if self.flushing {
            if pending == 0 {
                self.flushing = false;
                events.push_back(Event::Flushed { key });
            }
            return;
        }
        match self.pressure.look(pending, self.outflow.progress(), marks, now) {
            Signal::None => {}
            Signal::Writable => events.push_back(Event::Writable { key }),
            Signal::Stalled => events.push_back(Event::Stalled { key }),
        }
    }

    /// Do what is due, and tell the owner if the time that it set has come.
    pub(crate) fn expire(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            events.push_back(Event::Due { key: self.key });
        }
        self.quic.handle_timeout(now);
    }

    /// When it has to be looked at again, whatever comes.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        [
            self.quic.poll_timeout(),
            self.due,
            self.pressure.deadline,
            self.address.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether more may be written; the owner is told once there is room again if not.
    pub(crate) fn is_ready(&mut self, marks: Marks) -> bool {
        let ready = self.outflow.pending() <= marks.high;
        self.pressure.owed |= !ready;
        ready
    }

    /// Put bytes on the stream, or behind those that wait for there to be one.
    pub(crate) fn push(&mut self, data: &[u8]) {
        if !self.over {
            self.outflow.push(data);
            self.write();
        }
    }

    /// Tell the owner when everything that was written is acknowledged; nothing is judged any more.
    pub(crate) fn flush(&mut self) {
        self.flushing = true;
        self.pressure.stop();
    }

    /// Close at once; what is not acknowledged is given up.
    pub(crate) fn close(&mut self, now: Instant, code: VarInt, reason: Vec<u8>) {
        self.quic.close(now, code, reason.into());
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        self.flushing = false;
        self.due = None;
        self.pressure.stop();
        self.outflow.clear();
    }

    fn connected(&mut self, events: &mut VecDeque<Event>) {
        self.established = true;
        let data = self.quic.crypto_session().handshake_data();
        let alpn = data
            .and_then(|data| data.downcast::<HandshakeData>().ok())
            .and_then(|data| data.protocol)
            .unwrap_or_default();
        if self.quic.side().is_client() {
            self.stream = self.quic.streams().open(Dir::Bi);
        }
        if !self.over {
            events.push_back(Event::Established { key: self.key, alpn });
        }
    }

    fn lost(&mut self, reason: ConnectionError, events: &mut VecDeque<Event>) {
        if self.over {
            return;
        }
        self.read_rest(events);
        if let Some(loss) = Loss::of(reason, self.finding.get().copied()) {
            events.push_back(Event::Lost { key: self.key, loss });
            self.end();
        }
    }

    fn stream_event(&mut self, event: &StreamEvent, events: &mut VecDeque<Event>) {
        match *event {
            StreamEvent::Opened { dir: Dir::Bi } => {
                let first = self.quic.streams().accept(Dir::Bi);
                if self.stream.is_none() {
                    self.stream = first;
                    self.readable = true;
                }
                if first != self.stream || self.quic.streams().accept(Dir::Bi).is_some() {
                    self.read_rest(events);
                    self.stream_over(StreamEnd::Another, events);
                }
            }
            StreamEvent::Opened { dir: Dir::Uni } => {
                self.read_rest(events);
                self.stream_over(StreamEnd::Another, events);
            }
            StreamEvent::Readable { id } if Some(id) == self.stream => self.readable = true,
            StreamEvent::Stopped { error_code, .. } => {
                self.read_rest(events);
                self.stream_over(StreamEnd::Stopped(error_code.into_inner()), events);
            }
            _ => {}
        }
    }

    /// Read `most` bytes of the stream at most; how many there were. It stays readable where there is more.
    pub(crate) fn read(&mut self, most: usize, events: &mut VecDeque<Event>) -> usize {
        self.readable = false;
        let Some(stream) = self.stream else { return 0 };
        let mut receiver = self.quic.recv_stream(stream);
        let Ok(mut chunks) = receiver.read(true) else {
            return 0;
        };
        let before = self.read;
        let mut left = most;
        let end = loop {
            match chunks.next(left) {
                Ok(Some(chunk)) => {
                    left -= chunk.bytes.len();
                    self.read += chunk.bytes.len() as u64;
                    if !self.over && !chunk.bytes.is_empty() {
                        let (key, bytes) = (self.key, chunk.bytes);
                        events.push_back(Event::Data { key, bytes });
                    }
                    if left == 0 {
                        self.readable = true;
                        break None;
                    }
                }
                Ok(None) => break Some(StreamEnd::Finished),
                Err(ReadError::Blocked) => break None,
                Err(ReadError::Reset(code)) => break Some(StreamEnd::Reset(code.into_inner())),
            }
        };
        // Credit for what was read goes out with the next packet, or in one of its own: flush() looks anyway.
        let _ = chunks.finalize();
        if let Some(end) = end {
            self.stream_over(end, events);
        }
        (self.read - before) as usize
    }

    /// Read what came before an end.
    fn read_rest(&mut self, events: &mut VecDeque<Event>) {
        if self.readable {
            self.read(usize::MAX, events);
        }
    }

    fn stream_over(&mut self, how: StreamEnd, events: &mut VecDeque<Event>) {
        if !self.over {
            events.push_back(Event::StreamOver { key: self.key, how });
        }
    }

    fn write(&mut self) {
        if let Some(stream) = self.stream
            && self.outflow.is_queued()
        {
            self.outflow.write_to(&mut self.quic.send_stream(stream));
        }
    }
}
