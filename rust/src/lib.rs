//! The compiled engine as the Python module `quicgw_fast._core`.
//!
//! A binding converts arguments, calls `quicgw_core`, and converts the result or maps the error. Behaviour belongs to
//! the core. Documentation here is what Python shows, word for word that of `quicgw_fast.backend.python`.

#[cfg(feature = "bench")]
mod bench;
mod convert;
mod frame;
mod notify;
mod outbox;
mod queue;
mod raise;
mod rate;
mod sequence;
#[cfg(feature = "transport")]
mod transport;

use pyo3::pymodule;

/// The engine, compiled; quicgw_fast.backend says what is in it.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    const NAME: &str = "rust";

    #[pymodule_export]
    use super::{
        convert::encode_body,
        frame::FrameDecoder,
        notify::NotifyBuffers,
        outbox::{ByteBudget, Outbox},
        queue::TaskQueue,
        rate::TokenBucket,
        sequence::SequenceAllocator,
    };

    #[cfg(feature = "bench")]
    #[pymodule_export]
    use super::bench::{Latency, LoadRun, LoadSnapshot};

    #[cfg(feature = "transport")]
    #[pymodule_export]
    use super::transport::QuicEndpoint;
}
