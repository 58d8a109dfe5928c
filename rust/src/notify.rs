//! `NotifyBuffers`.

use pyo3::prelude::*;
use pyo3::types::PyList;
use quicgw_core::Place;

use crate::convert::{Locked, bytes};
use crate::raise::raise;

/// Notifies bound to requests, by the request's number, the "client_seq" (protocol §4).
///
/// per_request: most notifies of one request, before and after together; total: most of all requests.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct NotifyBuffers(Locked<quicgw_core::NotifyBuffers>);

#[pymethods]
impl NotifyBuffers {
    #[new]
    #[pyo3(signature = (per_request = 64, total = 1024))]
    fn new(per_request: u64, total: u64) -> Self {
        Self(Locked::new(quicgw_core::NotifyBuffers::new(per_request, total)))
    }

    /// Keep a notify for the reply to client_seq, behind those kept already.
    ///
    /// expires_at: seconds on the clock of expire(). Raises BindRefused BIND_LIMIT over a bound.
    fn bind(
        &self,
        py: Python<'_>,
        client_seq: u64,
        before: bool,
        body: &[u8],
        expires_at: f64,
    ) -> PyResult<()> {
        self.0
            .lock(py)
            .bind(client_seq, place(before), body, expires_at)
            .map_err(raise)
    }

    /// Take out what goes before the reply to g, in the order it was bound.
    fn take_before<'py>(&self, py: Python<'py>, g: u64) -> PyResult<Bound<'py, PyList>> {
        self.take(py, g, Place::Before)
    }

    /// Take out what goes after the reply to g, in the order it was bound.
    fn take_after<'py>(&self, py: Python<'py>, g: u64) -> PyResult<Bound<'py, PyList>> {
        self.take(py, g, Place::After)
    }

    /// Drop the notifies whose expires_at is not after now, and return how many.
    fn expire(&self, py: Python<'_>, now: f64) -> u64 {
        self.0.lock(py).expire(now)
    }

    /// How many notifies are kept for g.
    fn count(&self, py: Python<'_>, g: u64) -> u64 {
        self.0.lock(py).count(g)
    }

    /// Bytes of the notifies that are kept.
    #[getter]
    fn size(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).bytes()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.0.lock(py).len() as usize
    }
}

impl NotifyBuffers {
    fn take<'py>(&self, py: Python<'py>, client_seq: u64, place: Place) -> PyResult<Bound<'py, PyList>> {
        let taken = PyList::empty(py); // not under the lock: a new list may set off a garbage collection
        let mut core = self.0.lock(py);
        for body in core.bodies(client_seq, place) {
            taken.append(bytes(py, &body)?)?;
        }
        core.take(client_seq, place);
        Ok(taken)
    }
}

/// Where a flag says that a notify goes.
pub(crate) fn place(before: bool) -> Place {
    if before { Place::Before } else { Place::After }
}
