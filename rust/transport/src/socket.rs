//! The UDP socket: batches in, batches out, and what the kernel has no room for kept a while.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_proto::Transmit;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};

use crate::batch::Batch;

/// Datagrams that are kept while the kernel's buffer is full; QUIC sends again what is dropped beyond.
const MOST_UNSENT: usize = 4096;

pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    size: usize,
    /// What leaves with the next `send_queued`.
    queued: Batch,
    unsent: VecDeque<(Transmit, Vec<u8>)>,
    pub(crate) failure: Option<io::Error>,
}

impl Socket {
    /// `datagram` bytes are read of one at most.
    pub(crate) fn new(socket: UdpSocket, datagram: usize) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let size = datagram * state.gro_segments();
        Ok(Self {
            socket,
            state,
            buffers: vec![0; size * BATCH_SIZE],
            metas: [RecvMeta::default(); BATCH_SIZE],
            size,
            queued: Batch::default(),
            unsent: VecDeque::new(),
            failure: None,
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    pub(crate) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Read what is there, a batch at most; how many messages there were, each of one datagram or more.
    pub(crate) fn receive(&mut self) -> io::Result<usize> {
        let mut slices = Vec::with_capacity(BATCH_SIZE);
        slices.extend(self.buffers.chunks_mut(self.size).map(IoSliceMut::new));
        match self
            .state
            .recv(UdpSockRef::from(&self.socket), &mut slices, &mut self.metas)
        {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Where one of the messages that were read last came from, and what is known of it.
    pub(crate) fn meta(&self, message: usize) -> RecvMeta {
        self.metas[message]
    }

    /// Its datagram that begins `at` bytes in.
    pub(crate) fn datagram(&self, message: usize, at: usize) -> &[u8] {
        let meta = &self.metas[message];
        let end = meta.len.min(at + meta.stride.max(1));
        &self.buffers[message * self.size..][at..end]
    }

    /// Send at once, or keep for `resume` when the kernel has no room.
    pub(crate) fn send(&mut self, transmit: &Transmit, contents: &[u8]) {
        if !self.unsent.is_empty() || !self.try_send(transmit, contents) {
            self.keep(transmit, contents);
        }
    }

    /// Send with others, at the next `send_queued` at the latest. A train of segments is a batch by itself.
    pub(crate) fn queue(&mut self, transmit: Transmit, contents: &[u8]) {
        if transmit.segment_size.is_some() {
            self.send_queued(); // what is before it, as it may be for the same peer
            self.send(&transmit, contents);
            return;
        }
        self.queued.push(transmit, contents);
        if self.queued.is_full() {
            self.send_queued();
        }
    }

    /// Send what is queued, or keep it for `resume` when the kernel has no room.
    pub(crate) fn send_queued(&mut self) {
        let queued = std::mem::take(&mut self.queued);
        let mut next = 0;
        while next < queued.len() {
            if self.unsent.is_empty() && next + 1 < queued.len() {
                match queued.send(next, &self.socket) {
                    Ok(sent) => {
                        next += sent;
                        continue;
                    }
                    Err(error) => self.note_unreachable(error),
                }
            }
            // Alone, where a failure is seen for what it is: no room, or a fault of this one.
            let (transmit, contents) = queued.get(next);
            self.send(transmit, contents);
            next += 1;
        }
        self.queued = queued; // whose memory is used again
        self.queued.clear();
    }

    /// Whether something waits for the kernel to have room.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Go on with what waited.
    pub(crate) fn resume(&mut self) {
        while let Some((transmit, contents)) = self.unsent.pop_front() {
            if !self.try_send(&transmit, &contents) {
                self.unsent.push_front((transmit, contents));
                return;
            }
        }
    }

    /// The system tells once that nobody is there: to send again does not show it.
    fn note_unreachable(&mut self, error: io::Error) {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        if matches!(
            error.kind(),
            ConnectionRefused | HostUnreachable | NetworkUnreachable
        ) {
            self.failure = Some(error);
        }
    }

    fn keep(&mut self, transmit: &Transmit, contents: &[u8]) {
        if self.unsent.len() < MOST_UNSENT {
            let &Transmit {
                destination,
                ecn,
                size,
                segment_size,
                src_ip,
            } = transmit;
            let copy = Transmit {
                destination,
                ecn,
                size,
                segment_size,
                src_ip,
            };
            self.unsent.push_back((copy, contents.to_vec()));
        }
    }

    /// False when there is no room; any other failure is one of this datagram alone, and QUIC sends it again.
    fn try_send(&mut self, transmit: &Transmit, contents: &[u8]) -> bool {
        let transmit = quinn_udp::Transmit {
            destination: transmit.destination,
            ecn: transmit
                .ecn
                .and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
            contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // A probe that is too long for the path: that is what it was to find out.
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => true,
            Err(error) => {
                self.failure = Some(error);
                true
            }
            Ok(()) => true,
        }
    }
}
