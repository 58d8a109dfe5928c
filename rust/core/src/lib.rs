//! The engine of quicgw_fast: what happens to every message, without Python, sockets or a clock.
//!
//! The readable reference of the same behaviour is the Python package `quicgw_fast.backend.python`; a module here
//! has the name of the module there. A difference between the two is a bug in one of them.

#![forbid(unsafe_code)]

mod budget;
mod envelope;
mod error;
mod forward;
mod frame;
mod hold;
mod line;
mod notify;
mod outbox;
mod queue;
mod rate;
mod sequence;
mod sync;
mod tally;
mod tickets;
mod window;
mod wire;

pub use budget::{ByteBudget, MESSAGE_COST};
pub use error::{BindCode, Error, Result};
pub use forward::Business;
pub use frame::FrameDecoder;
pub use notify::{Bound, NotifyBuffers, Place};
pub use outbox::{BoundState, Limits, Outbox, OutboxState};
pub use queue::{PushError, Queue};
pub use rate::{Rate, TokenBucket};
pub use sequence::SequenceAllocator;
pub use tally::{Account, Tally};
pub use tickets::Ticket;
pub use window::Counts;
pub use wire::{HEAD_MAX, PUSH_ERROR, SharedBody, Tail, sort_headers};
