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

/// At multiples of so many bytes Python lays its objects. One that needs more would be used where it must not be.
const PYTHON_ALIGNMENT: usize = 16;

const _: () = {
    assert!(align_of::<forward::ForwardedRequest>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<frame::FrameDecoder>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<notify::NotifyBuffers>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<outbox::ByteBudget>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<outbox::Outbox>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<queue::TaskQueue>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<rate::Rate>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<rate::TokenBucket>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<sequence::SequenceAllocator>() <= PYTHON_ALIGNMENT);
};

#[cfg(feature = "bench")]
const _: () = {
    assert!(align_of::<bench::Latency>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<bench::LoadRun>() <= PYTHON_ALIGNMENT);
    assert!(align_of::<bench::LoadSnapshot>() <= PYTHON_ALIGNMENT);
};

#[cfg(feature = "transport")]
const _: () = assert!(align_of::<transport::QuicEndpoint>() <= PYTHON_ALIGNMENT);

#[cfg(feature = "upstream")]
const _: () = assert!(align_of::<upstream::Http2Connection>() <= PYTHON_ALIGNMENT);

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
