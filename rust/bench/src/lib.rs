//! A load generator for quicgw_fast: many clients in one thread, which check what they are told while they measure.
//!
//! A [`Run`] does what a [`Plan`] says: its sessions connect and log in, send requests in a closed or an open loop
//! ([`Loop`]), and leave. Whoever has another handle on it reads the [`Tally`] meanwhile, or ends it early.
//!
//! In an open loop a reply's latency counts from the time at which its request was meant to leave, not from when it
//! did: so a gateway that stalls is not asked less while it does.

mod agenda;
mod breach;
mod echo;
mod failure;
mod fleet;
mod ledger;
mod line;
mod message;
mod plan;
mod run;
mod session;
mod tally;

pub use failure::Failure;
pub use hdrhistogram::Histogram;
pub use line::{Line, wait};
pub use plan::{Loop, Mix, Plan};
pub use quicgw_transport::{Authority, Distrust};
pub use run::Run;
pub use tally::{Phase, Tally, Window};
