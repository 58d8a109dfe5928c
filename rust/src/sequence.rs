//! `SequenceAllocator`.

use pyo3::prelude::*;

use crate::convert::Locked;
use crate::raise::raise;

/// Numbers of one session (protocol §3, §4, §5), all unsigned 64 bit.
///
/// after: the number that the first next() follows; everything up to it counts as acknowledged.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct SequenceAllocator(Locked<quicgw_core::SequenceAllocator>);

#[pymethods]
impl SequenceAllocator {
    #[new]
    #[pyo3(signature = (after = 0))]
    fn new(after: u64) -> Self {
        Self(Locked::new(quicgw_core::SequenceAllocator::new(after)))
    }

    /// The number taken last.
    #[getter]
    fn last(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).last()
    }

    /// The highest number acknowledged.
    #[getter]
    fn acked(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).acked()
    }

    /// The highest number accepted from the client, 0 before the first.
    #[getter]
    fn max_client_seq(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).max_client_seq()
    }

    /// Take the next number; NumbersUsedUp after the last one there is.
    fn next(&self, py: Python<'_>) -> PyResult<u64> {
        self.next_many(py, 1)
    }

    /// Take n consecutive numbers and return the first; ValueError for 0, NumbersUsedUp as in next().
    fn next_many(&self, py: Python<'_>, n: u64) -> PyResult<u64> {
        self.0.lock(py).next_many(n).map_err(raise)
    }

    /// Accept the client's next number and return 0, or change nothing and return the number expected.
    ///
    /// 0 is never accepted. The first number may be any other, then each must be one more than the one
    /// before. After the highest number there is, nothing more can be accepted: NumbersUsedUp.
    fn accept(&self, py: Python<'_>, seq: u64) -> PyResult<u64> {
        self.0.lock(py).accept(seq).map(expected).map_err(raise)
    }

    /// Acknowledge everything up to seq; False if that is not news, FutureAck if it was never sent.
    fn ack(&self, py: Python<'_>, seq: u64) -> PyResult<bool> {
        self.0.lock(py).ack(seq).map(|news| news > 0).map_err(raise)
    }
}

/// 0 for an accepted number, else the number expected, which is never 0.
pub(crate) fn expected(accepted: Result<(), u64>) -> u64 {
    accepted.err().unwrap_or(0)
}
