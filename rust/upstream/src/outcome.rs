//! How a call can end.

use bytes::Bytes;
use h2::Reason;

use crate::grpc;

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

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        // A GOAWAY ends only the calls with higher numbers than the last that the peer looked at.
        let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        if refused && error.is_remote() {
            return Self::NeverLookedAt;
        }
        match error.reason() {
            Some(reason) if error.is_reset() => {
                Self::status(grpc::status_of_reset(reason), error.to_string())
            }
            _ => Self::Broken(error.to_string()),
        }
    }
}
