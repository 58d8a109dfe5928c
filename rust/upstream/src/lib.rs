//! gRPC calls to one service over one HTTP/2 connection, without I/O and without a clock.
//!
//! Bytes of the connection come in and go out as values, time comes in as seconds of whatever clock the caller has:
//! [`Connection`] says how. HTTP/2 itself (frames, header compression, windows, limits) is the crate `h2`, which reads
//! from and writes into two buffers in place of a socket, and looks at a clock only to forget calls that were given up
//! long ago. What gRPC puts on top of it is here. Connecting, and when to connect again, is up to the caller.

#![forbid(unsafe_code)]

mod allowance;
mod call;
mod connection;
mod grpc;
mod outcome;
mod pipe;
mod wakes;

pub use connection::{CallId, Connection, Invalid, Service};
pub use outcome::{Failure, Outcome};
