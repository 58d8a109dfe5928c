//! QUIC for quicgw_fast: quinn's state machine (RFC 9000) on one UDP socket that somebody else's event loop watches.
//!
//! Nothing here waits, and there is no thread. The owner of an [`Endpoint`] calls [`Endpoint::receive`] when its socket
//! can be read or the time of [`Endpoint::deadline`] has come, handles the [`Event`]s that it brought about, and calls
//! [`Endpoint::flush`] once for all of them: so one packet may carry the answers to several, and the acknowledgement
//! of all. Times are seconds of whatever monotonic clock the owner has.
//!
//! Every connection has one bidirectional stream, which its client opens. Who may connect is not decided here: the
//! first packet of a connection is an event, and is accepted, refused, sent a Retry or ignored by the owner's word.

mod address;
mod arrivals;
mod batch;
mod budget;
mod certificate;
mod clock;
mod config;
mod congestion;
mod connection;
mod door;
mod endpoint;
mod event;
mod ids;
mod invariants;
mod links;
mod outflow;
mod pressure;
mod reading;
mod refusal;
mod socket;
mod timers;

pub use budget::CpuLimits;
pub use config::{Authority, ClientSettings, ConfigError, Limits, ServerSettings};
pub use endpoint::{BATCH, ConnectError, Counters, Endpoint, EndpointError, Key};
pub use event::{Distrust, Event, Loss, StreamEnd};
pub use ids::{CID_LENGTH, Ids};
pub use quinn_proto::ConnectionId;
