//! How a call can end.

use bytes::Bytes;

/// The bytes of the answer's message, or why there is none.
pub type Outcome = Result<Bytes, Failure>;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It ended with a gRPC status that is not OK, or did what gRPC has that status for.
    Status {
        /// The number of the status.
        code: i32,
        /// What the service says of it.
        message: String,
    },
    /// Its answer is larger than the limit; of this many bytes.
    TooLarge(u32),
    /// It did not go out before the connection took no more calls.
    NeverSent,
    /// The service said that it did not look at it.
    NeverLookedAt,
    /// The connection broke off. Nobody knows what the service has done.
    Broken(String),
    /// The deadline passed.
    TooLate,
}

impl Failure {
    /// A status of ours: for what the service did against the protocol.
    pub(crate) fn status(code: i32, message: impl Into<String>) -> Self {
        Self::Status {
            code,
            message: message.into(),
        }
    }
}
