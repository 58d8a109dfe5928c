//! Everything that can be refused, as one enum.

use std::fmt;

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call was refused. Unless said otherwise, the refusal changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message is longer than its bound; both in bytes.
    #[error("a message of {length} bytes is over the limit of {limit}")]
    FrameTooLarge {
        /// What it takes.
        length: u64,
        /// What it may take.
        limit: u64,
    },
    /// A notify does not fit into what may stay unacknowledged.
    #[error("the window of unacknowledged messages is full")]
    WindowFull,
    /// The memory that all sessions share is full.
    #[error("the memory that all sessions share has no room for {needed} bytes more")]
    BudgetFull {
        /// What it takes beyond what its session has.
        needed: u64,
    },
    /// Something had to be left out and was counted; the session can only go on by a reset.
    #[error("the session overflowed and can only be reset")]
    Overflowed,
    /// The session has ended.
    #[error("the outbox is closed")]
    Closed,
    /// The notifies held until login are at their bound.
    #[error("the cache of notifies before login is full")]
    CacheFull,
    /// A number is acknowledged that was never sent.
    #[error("{seq} is acknowledged, but the last number sent is {highest}")]
    FutureAck {
        /// The number acknowledged.
        seq: u64,
        /// The last number sent.
        highest: u64,
    },
    /// A reply to a request that was never accepted or has its reply already.
    #[error("request {seq} is not in flight")]
    NotInFlight {
        /// The request.
        seq: u64,
    },
    /// A notify cannot be bound.
    #[error("the notify cannot be bound: {0}")]
    BindRefused(BindCode),
    /// There are no more 64-bit numbers.
    #[error("the sequence numbers are used up")]
    NumbersUsedUp,
    /// The machine has no memory left for it.
    #[error("out of memory")]
    OutOfMemory,
    /// A parameter has a value that makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}

/// The error code for the sender of a notify (protocol §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindCode {
    /// Bound to request 0, which does not exist.
    SeqRequired,
    /// To go before a response that is gone.
    ResponseAlreadySent,
    /// Too many are bound already.
    Limit,
}

impl fmt::Display for BindCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeqRequired => "BIND_SEQ_REQUIRED",
            Self::ResponseAlreadySent => "RESPONSE_ALREADY_SENT",
            Self::Limit => "BIND_LIMIT",
        })
    }
}
