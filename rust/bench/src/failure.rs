//! Why nothing was measured.

use std::io;
use std::net::SocketAddr;

use quicgw_transport::{Distrust, Loss};

/// Close codes from here on mean "come back as you are" (protocol §6).
const COME_BACK: u64 = 0x200;
/// CONNECTION_REFUSED (RFC 9000 §20.1).
const REFUSED: u64 = 2;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// TLS or QUIC cannot use what it was given.
    #[error("{0}")]
    Settings(String),
    /// The operating system refuses.
    #[error("UDP socket: {0}")]
    Socket(#[from] io::Error),
    /// The kernel says so.
    #[error("nothing listens on {0} (UDP): is the gateway running, and on that port?")]
    NothingListens(SocketAddr),
    /// A session was not logged in in time.
    #[error("no answer from {0}: a session was not logged in within {1} s")]
    NoAnswer(SocketAddr, f64),
    /// The certificate is not trusted.
    #[error("the certificate of {0} is not accepted: {words}", words = distrust(*.1))]
    Distrust(SocketAddr, Distrust),
    /// The gateway does not let a session in.
    #[error("START or hello was refused: {code} {words}")]
    Refused {
        /// ErrorCode, or the code of the service.
        code: i32,
        /// Its words.
        words: String,
    },
    /// The handshake failed.
    #[error("no connection to {0}: {2} (QUIC code {1:#x})")]
    Broken(SocketAddr, u64, String),
}

fn distrust(distrust: Distrust) -> &'static str {
    match distrust {
        Distrust::Expired => "it has expired",
        Distrust::NotYetValid => "it is not valid yet",
        Distrust::AnotherName => "it is for another name",
        Distrust::UnknownAuthority => "nobody who is trusted vouches for it",
    }
}

impl Failure {
    /// Why there is no connection to a gateway that does not want this client, or that the client does not want.
    pub(crate) fn of(peer: SocketAddr, loss: Loss) -> Self {
        match loss {
            Loss::Fault {
                distrust: Some(distrust),
                ..
            } => Self::Distrust(peer, distrust),
            Loss::Fault { code, reason, .. } => Self::Broken(peer, code, reason),
            Loss::ClosedByPeer { code, reason } | Loss::FaultByPeer { code, reason } => {
                Self::Broken(peer, code, String::from_utf8_lossy(&reason).into_owned())
            }
            Loss::Reset | Loss::Idle => Self::Broken(peer, 0, "the connection was lost".to_owned()),
        }
    }
}

/// Whether a connection that ended so may be tried again.
pub(crate) fn may_come_back(loss: &Loss) -> bool {
    match loss {
        Loss::ClosedByPeer { code, .. } => *code >= COME_BACK,
        Loss::FaultByPeer { code, .. } => *code == REFUSED,
        Loss::Fault { .. } => false,
        Loss::Reset | Loss::Idle => true,
    }
}
