//! What the owner of an endpoint is told, in the order in which it happened.

use std::net::SocketAddr;

use bytes::Bytes;
use quinn_proto::ConnectionError;

use crate::Key;

/// Something that the owner has to look at.
#[derive(Debug)]
pub enum Event {
    /// A client's first packet; the owner says what becomes of it before it comes back to the endpoint.
    Incoming {
        /// What names it.
        ticket: u64,
        /// Where it came from.
        peer: SocketAddr,
        /// It carried the token of a Retry: the address is the sender's.
        proven: bool,
    },
    /// A packet that can be sent in answer to one that anybody can forge: a negotiation, a stateless reset, or the refusal
    /// of a token. The owner says whether it is.
    Answer {
        /// What [`crate::Endpoint::answer`] and [`crate::Endpoint::withhold`] name.
        ticket: u64,
    },
    /// The handshake is complete.
    Established {
        /// Which connection.
        key: Key,
        /// The application protocol that was agreed.
        alpn: Vec<u8>,
    },
    /// Bytes of the stream, in order.
    Data {
        /// Which connection.
        key: Key,
        /// What came in one packet, or less.
        bytes: Bytes,
    },
    /// The peer is done with its stream.
    StreamOver {
        /// Which connection.
        key: Key,
        /// How.
        how: StreamEnd,
    },
    /// There is room again on a connection whose owner was told that there is none.
    Writable {
        /// Which connection.
        key: Key,
    },
    /// The peer has acknowledged nothing for the stall time-out while too much was unacknowledged.
    Stalled {
        /// Which connection.
        key: Key,
    },
    /// The time that the owner set for the connection has come.
    Due {
        /// Which connection.
        key: Key,
    },
    /// Everything that was written is acknowledged; told once after `flush_then_close` was asked for.
    Flushed {
        /// Which connection.
        key: Key,
    },
    /// QUIC has ended the connection; never told of one that the owner closed.
    Lost {
        /// Which connection.
        key: Key,
        /// How.
        loss: Loss,
    },
    /// Nothing is left of the connection, and its key means nothing any more.
    Released {
        /// Which connection.
        key: Key,
    },
    /// Packets of a connection are dropped unread since now: its peer uses more time than it may.
    Throttled {
        /// Which connection.
        key: Key,
    },
}

/// How a peer ends its stream before it ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With FIN.
    Finished,
    /// With RESET_STREAM and this code.
    Reset(u64),
    /// It reads no more: STOP_SENDING with this code.
    Stopped(u64),
    /// It opens another one, of which there are none.
    Another,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for another name.
    AnotherName,
    /// Nobody who is trusted vouches for it.
    UnknownAuthority,
}

/// How QUIC ended a connection.
#[derive(Debug)]
pub enum Loss {
    /// The peer's application closed it (RFC 9000 §19.19).
    ClosedByPeer {
        /// Its application error code.
        code: u64,
        /// Its words, as they came.
        reason: Vec<u8>,
    },
    /// The peer's QUIC closed it.
    FaultByPeer {
        /// Transport error code (RFC 9000 §20.1).
        code: u64,
        /// Its words, as they came.
        reason: Vec<u8>,
    },
    /// The peer broke a rule of QUIC or TLS, or this side cannot go on.
    Fault {
        /// Transport error code.
        code: u64,
        /// Which rule.
        reason: String,
        /// What was found wrong with the certificate of a server, where that is why.
        distrust: Option<Distrust>,
    },
    /// A stateless reset: the peer has forgotten the connection.
    Reset,
    /// Nothing was heard for the idle time-out.
    Idle,
}

impl Loss {
    /// How quinn says it; `None` for an end that came from the owner.
    pub(crate) fn of(reason: ConnectionError, distrust: Option<Distrust>) -> Option<Self> {
        Some(match reason {
            ConnectionError::ApplicationClosed(close) => Self::ClosedByPeer {
                code: close.error_code.into_inner(),
                reason: close.reason.to_vec(),
            },
            ConnectionError::ConnectionClosed(close) => Self::FaultByPeer {
                code: close.error_code.into(),
                reason: close.reason.to_vec(),
            },
            ConnectionError::TransportError(error) => Self::Fault {
                code: error.code.into(),
                reason: error.reason,
                distrust,
            },
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::Idle,
            ConnectionError::LocallyClosed => return None,
            error @ (ConnectionError::VersionMismatch | ConnectionError::CidsExhausted) => Self::Fault {
                code: 1,
                reason: error.to_string(),
                distrust: None,
            },
        })
    }
}
