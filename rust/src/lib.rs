//! What is compiled as the Python module `quicgw_fast._core`: the engine, and by features the makers of other seams.
//!
//! A binding converts arguments, calls the crate that it is for, and converts the result or maps the error. Behaviour
//! belongs to the crates. Documentation here is what Python shows: of the engine word for word that of
//! `quicgw_fast.backend.python`.

#[cfg(feature = "bench")]
mod bench;
mod convert;
mod forward;
mod frame;
mod moving;
mod notify;
mod outbox;
mod queue;
mod raise;
mod rate;
mod sequence;
#[cfg(feature = "transport")]
mod transport;
#[cfg(feature = "upstream")]
mod upstream;

use pyo3::pymodule;

/// The engine, compiled; quicgw_fast.backend says what is in it.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    const NAME: &str = "rust";

    #[pymodule_export]
    use super::{
        convert::encode_body,
        forward::{ForwardedRequest, forward},
        frame::FrameDecoder,
        notify::NotifyBuffers,
        outbox::{ByteBudget, Outbox, push_to_all},
        queue::TaskQueue,
        rate::{Rate, TokenBucket},
        sequence::SequenceAllocator,
    };

    #[cfg(feature = "bench")]
    #[pymodule_export]
    use super::bench::{Latency, LoadRun, LoadSnapshot};

    #[cfg(feature = "transport")]
    #[pymodule_export]
    use super::transport::QuicEndpoint;

    #[cfg(feature = "upstream")]
    #[pymodule_export]
    use super::upstream::Http2Connection;
}
