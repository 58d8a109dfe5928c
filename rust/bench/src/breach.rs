//! Promises that were broken, in words.

use std::fmt;

use crate::plan::Bound;

/// A promise that was broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// Another number than the next one.
    Number { expected: u64, came: u64 },
    /// A reply to nothing that is under way.
    Reply { msg_id: u32 },
    /// Other data than were sent.
    Echo {
        seq: u64,
        sent: usize,
        came: usize,
        differs_at: usize,
    },
    /// A notify that is bound to a request, somewhere else.
    Misplaced { seq: u64, place: Bound },
    /// Something else than the rest of what is bound to a request.
    Missing {
        seq: u64,
        place: Bound,
        came: u32,
        promised: u32,
    },
    /// Bound notifies in another order than they were pushed.
    Order { seq: u64, expected: u64, came: u64 },
    /// No reply.
    Unanswered { seq: u64 },
    /// Bytes that are no message.
    Unreadable,
    /// A kind of message that does not belong here.
    Unexpected { kind: i32 },
}

impl fmt::Display for Breach {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { expected, came } => write!(to, "number {came} came where {expected} was due"),
            Self::Reply { msg_id } => write!(
                to,
                "a reply to message {msg_id}, which has had one or was never sent"
            ),
            Self::Echo {
                seq,
                sent,
                came,
                differs_at,
            } => write!(
                to,
                "the answer to request {seq} is not what was sent: {sent} bytes left, {came} came back, \
                 the first difference is at byte {differs_at}"
            ),
            Self::Misplaced { seq, place } => {
                write!(
                    to,
                    "a notify bound {} the reply to request {seq} came elsewhere",
                    word(*place)
                )
            }
            Self::Missing {
                seq,
                place,
                came,
                promised,
            } => write!(
                to,
                "{came} notifies came directly {} the reply to request {seq}, {promised} were pushed",
                word(*place)
            ),
            Self::Order { seq, expected, came } => {
                write!(
                    to,
                    "notify {came} bound to request {seq} came where its notify {expected} was due"
                )
            }
            Self::Unanswered { seq } => write!(to, "request {seq} has no reply"),
            Self::Unreadable => write!(to, "a message cannot be read"),
            Self::Unexpected { kind } => write!(
                to,
                "a message of type {kind} came, which is not for a client at work"
            ),
        }
    }
}

fn word(place: Bound) -> &'static str {
    match place {
        Bound::Before => "before",
        Bound::After => "after",
    }
}
