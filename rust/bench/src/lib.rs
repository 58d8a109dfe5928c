//! A load generator for quicgw_fast: many clients in one thread, which check what they are told while they measure.
//!
//! A [`Run`] does what a [`Plan`] says: its sessions connect and log in, send requests in a closed or an open loop
//! ([`Loop`]), and leave. Whoever has another handle on it reads the [`Tally`] meanwhile, or ends it early.
//!
//! In an open loop a reply's latency counts from the time at which its request was meant to leave, not from when it
//! did: so a gateway that stalls is not asked less while it does.

mod check;
mod fleet;
mod message;
mod plan;
mod run;
mod session;
mod tally;

pub use hdrhistogram::Histogram;
pub use plan::{Loop, Mix, Plan};
pub use run::{Failure, Run};
pub use quicgw_transport::Distrust;
pub use tally::{Phase, Tally, Window};
