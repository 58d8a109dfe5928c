//! `FrameDecoder`.

use pyo3::prelude::*;
use pyo3::types::PyList;
use quicgw_core::Error;

use crate::convert::{Locked, give};
use crate::raise::{raise, raise_with_messages};

/// Cuts a stream into messages: each is a 4-byte big-endian length and that many bytes (protocol §1).
///
/// max_body: longest message in bytes; first_max_body: the same for the first message alone, None for no
/// difference. Memory is taken only for bytes that have arrived.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct FrameDecoder(Locked<quicgw_core::FrameDecoder>);

#[pymethods]
impl FrameDecoder {
    #[new]
    #[pyo3(signature = (max_body, first_max_body = None))]
    fn new(max_body: u64, first_max_body: Option<u64>) -> Self {
        Self(Locked::new(quicgw_core::FrameDecoder::new(
            max_body,
            first_max_body,
        )))
    }

    /// Bytes kept of an unfinished message and its length, 0 between messages and after an error.
    #[getter]
    fn partial(&self, py: Python<'_>) -> usize {
        self.0.lock(py).partial()
    }

    /// Take the next bytes and return the messages that they complete, without their lengths.
    ///
    /// Raises FrameTooLarge as soon as the length of a too long message is there. The messages completed
    /// before it are in the error; every later feed raises it again, without any. MemoryError changes nothing.
    fn feed<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let messages = PyList::empty(py);
        let fed = self.0.lock(py).feed(data, |message| {
            give(py)(message).and_then(|message| messages.append(message).map_err(|_| Error::OutOfMemory))
        });
        match fed {
            Ok(()) => Ok(messages),
            Err(Error::FrameTooLarge { length, limit }) => {
                Err(raise_with_messages(length, limit, messages.into_any().unbind()))
            }
            Err(error) => Err(raise(error)),
        }
    }
}
