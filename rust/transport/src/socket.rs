//! The UDP socket: batches in, and what the kernel has no room for kept a while.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_proto::Transmit;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};

/// Datagrams that are kept while the kernel's buffer is full; QUIC sends again what is dropped beyond.
const MOST_UNSENT: usize = 4096;

pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
    size: usize,
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
            size,
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

    /// Read what is there, a batch at most, and give each datagram to `take`; how many there were.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(&[u8], &RecvMeta)) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices = Vec::with_capacity(BATCH_SIZE);
        slices.extend(self.buffers.chunks_mut(self.size).map(IoSliceMut::new));
        let count = match self
            .state
            .recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas)
        {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        drop(slices);
        let mut datagrams = 0;
        for (buffer, meta) in self.buffers.chunks(self.size).zip(&metas[..count]) {
            for data in buffer[..meta.len].chunks(meta.stride.max(1)) {
                take(data, meta);
                datagrams += 1;
            }
        }
        Ok(datagrams)
    }

    /// Send, or keep for `resume` when the kernel has no room.
    pub(crate) fn send(&mut self, transmit: Transmit, contents: &[u8]) {
        if (!self.unsent.is_empty() || !self.try_send(&transmit, contents)) && self.unsent.len() < MOST_UNSENT
        {
            self.unsent.push_back((transmit, contents.to_vec()));
        }
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
            Err(error) => {
                self.failure = Some(error);
                true
            }
            Ok(()) => true,
        }
    }
}
