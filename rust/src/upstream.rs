//! `Http2Connection`.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList};
use quicgw_upstream::{Connection, Failure, Invalid, Outcome, Service};

use crate::convert::{Locked, bytes};

mod failures {
    use super::import_exception;

    import_exception!(quicgw_fast.upstream.native.failures, AnswerOverLimit);
    import_exception!(quicgw_fast.upstream.native.failures, ConnectionBroken);
    import_exception!(quicgw_fast.upstream.native.failures, DeadlinePassed);
    import_exception!(quicgw_fast.upstream.native.failures, NeverLookedAt);
    import_exception!(quicgw_fast.upstream.native.failures, NeverSent);
    import_exception!(quicgw_fast.upstream.native.failures, StatusFailure);
}

/// One HTTP/2 connection to a gRPC service and the calls over it, without I/O: bytes come in and go out as values.
///
/// authority: host:port; path: of the method; largest_answer in bytes. Times are seconds of one monotonic clock. After
/// anything was handed in, output has what is to be sent, and done what became of calls. Raises ValueError for what
/// HTTP does not allow.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct Http2Connection(Locked<Connection>);

#[pymethods]
impl Http2Connection {
    #[new]
    fn new(authority: String, path: String, largest_answer: u32) -> PyResult<Self> {
        let service = Service {
            authority,
            path,
            largest_answer,
        };
        Ok(Self(Locked::new(Connection::new(&service).map_err(invalid)?)))
    }

    /// Whether it takes calls: the service's first frame is there, and it has not announced the end.
    #[getter]
    fn open(&self, py: Python<'_>) -> bool {
        self.0.lock(py).open()
    }

    /// Why the connection is over; None while it is not.
    #[getter]
    fn ended(&self, py: Python<'_>) -> Option<String> {
        self.0.lock(py).ended().map(str::to_owned)
    }

    /// Calls that have no outcome yet.
    #[getter]
    fn under_way(&self, py: Python<'_>) -> usize {
        self.0.lock(py).under_way()
    }

    /// The first deadline of all calls; None without calls.
    #[getter]
    fn next_deadline(&self, py: Python<'_>) -> Option<f64> {
        self.0
            .lock(py)
            .next_deadline()
            .map(|deadline| deadline.as_secs_f64())
    }

    /// Make a call, which goes out with the next output; returns its number.
    ///
    /// metadata: names in lower case and their values. Raises ValueError for a message of 4 GiB or more, and for
    /// metadata that HTTP does not allow.
    fn submit(
        &self,
        py: Python<'_>,
        message: &[u8],
        deadline: f64,
        metadata: Vec<(PyBackedStr, PyBackedStr)>,
    ) -> PyResult<u64> {
        let deadline = time(deadline)?;
        self.0
            .lock(py)
            .submit(message, deadline, &metadata)
            .map_err(invalid)
    }

    /// Give a call up; nothing for one that has ended. It has no outcome.
    fn cancel(&self, py: Python<'_>, call: u64) {
        self.0.lock(py).cancel(call);
    }

    /// End the calls whose deadline has come.
    fn expire(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        let now = time(now)?;
        self.0.lock(py).expire(now);
        Ok(())
    }

    /// Send a ping; anything that is received after it is the answer.
    fn ping(&self, py: Python<'_>) {
        self.0.lock(py).ping();
    }

    /// Take what came from the service; False when no more should come for now. Empty data asks again.
    fn receive(&self, py: Python<'_>, data: &[u8]) -> bool {
        self.0.lock(py).receive(data)
    }

    /// Nothing comes any more, for the reason why: calls that have no outcome yet fail.
    fn lost(&self, py: Python<'_>, why: &str) {
        self.0.lock(py).lost(why);
    }

    /// What is to be sent, some 64 KiB at once; empty when there is nothing more for now.
    fn output<'py>(&self, py: Python<'py>, now: f64) -> PyResult<Bound<'py, PyBytes>> {
        let now = time(now)?;
        let output = self.0.lock(py).output(now);
        bytes(py, &output)
    }

    /// The calls that have ended since the last time, in that order: each with its answer or its failure.
    fn done<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        // Making Python objects may run Python code, so the lock is gone by then.
        let done = self.0.lock(py).done();
        let list = PyList::empty(py);
        for (call, outcome) in done {
            list.append((call, told(py, outcome)?))?;
        }
        Ok(list)
    }
}

fn told(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    let failure = match outcome {
        Ok(answer) => return Ok(bytes(py, &answer)?.into_any()),
        Err(Failure::Status { code, message }) => failures::StatusFailure::new_err((code, message)),
        Err(Failure::TooLarge(size)) => failures::AnswerOverLimit::new_err(size),
        Err(Failure::NeverSent) => failures::NeverSent::new_err(()),
        Err(Failure::NeverLookedAt) => failures::NeverLookedAt::new_err(()),
        Err(Failure::Broken(why)) => failures::ConnectionBroken::new_err(why),
        Err(Failure::TooLate) => failures::DeadlinePassed::new_err(()),
    };
    Ok(failure.into_value(py).into_bound(py).into_any())
}

fn time(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| PyValueError::new_err(format!("{seconds} s: {error}")))
}

fn invalid(error: Invalid) -> PyErr {
    PyValueError::new_err(error.to_string())
}
