//! A socket that sessions share.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use quicgw_transport::{CID_LENGTH, ConnectionId, CpuLimits, Endpoint, Event, Ids, Key, Limits};
use ring::rand::{SecureRandom, SystemRandom};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::Failure;

const SOCKET_BUFFER: usize = 4 << 20;
/// Bytes of one session that the gateway has not taken, above which it is not asked for more: a gateway that reads
/// slower than requests are offered would be measured by what is queued here. Room for 5 Mbit/s at 100 ms.
const HIGH_WATER: usize = 64 << 10;

/// A socket and who uses it.
pub struct Line {
    /// QUIC on it.
    pub endpoint: Endpoint,
    /// The same socket, to wait for.
    socket: UdpSocket,
    /// By its connection, the number that its user has for the owner.
    pub users: HashMap<Key, usize>,
}

impl Line {
    /// Connect a socket of any free port.
    ///
    /// # Errors
    /// [`Failure`] when the operating system gives none.
    pub fn new(peer: SocketAddr) -> Result<Self, Failure> {
        let own: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&own.into())?;
        socket.connect(&peer.into())?;
        let socket = UdpSocket::from(socket);
        let mut reset_key = [0; 32];
        random(&mut reset_key);
        let ids = Ids::new(CID_LENGTH, new_id);
        let endpoint = Endpoint::new(socket.try_clone()?, 0.0, limits(), &reset_key, ids, None)
            .map_err(|error| Failure::Settings(error.to_string()))?;
        Ok(Self {
            endpoint,
            socket,
            users: HashMap::new(),
        })
    }

    /// What its sessions have to look at next.
    pub fn next_event(&mut self) -> Option<Event> {
        self.endpoint.read(usize::MAX);
        self.endpoint.next_event()
    }
}

/// Bounds that the gateway under load does not meet: it is the one that is tried.
fn limits() -> Limits {
    Limits {
        idle_timeout: 60.0,
        stream_window: 4 << 20,
        connection_window: 8 << 20,
        high_water: HIGH_WATER,
        low_water: HIGH_WATER / 2,
        stall_timeout: 3600.0,
        max_datagram: 2048,
        max_crypto: 64 << 10,
        early_datagrams: u32::MAX,
        cpu: CpuLimits {
            share: 1.0,
            burst: f64::MAX,
            common_share: 0.0,
            common_burst: f64::MAX,
            login: f64::MAX / 4.0,
            per_datagram: 0.0,
            per_byte: 0.0,
            per_step: 0.0,
        },
        stateless_reset: false,
    }
}

fn new_id() -> ConnectionId {
    let mut id = [0; CID_LENGTH];
    random(&mut id);
    ConnectionId::new(&id)
}

fn random(bytes: &mut [u8]) {
    // It fails only where the kernel gives no random bytes, and there is no TLS either.
    let _ = SystemRandom::new().fill(bytes);
}

/// Wait until something has come, for so many seconds at most.
///
/// # Errors
/// [`Failure::Socket`] when the operating system cannot wait.
pub fn wait(lines: &[Line], seconds: f64) -> Result<(), Failure> {
    let wanted = |line: &Line| {
        let out = if line.endpoint.is_blocked() {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        PollFlags::IN | out
    };
    let mut sockets: Vec<_> = lines
        .iter()
        .map(|line| PollFd::new(&line.socket, wanted(line)))
        .collect();
    let nanos = (seconds.max(0.0) * 1e9) as i64;
    let timeout = Timespec {
        tv_sec: nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    match poll(&mut sockets, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::Socket(error.into())),
    }
}
