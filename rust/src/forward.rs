//! `forward` and `ForwardedRequest`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use quicgw_core::Business;

use crate::convert::{Headers, bytes};
use crate::raise::raise;

/// A request as its service gets it: what the gateway has to know of it, and its encoding as an UpstreamRequest.
///
/// entries: how many parameters and headers it has.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct ForwardedRequest {
    session_id: Py<PyString>,
    openid: Py<PyString>,
    action: Py<PyString>,
    client_seq_id: u64,
    entries: usize,
    encoded: Py<PyBytes>,
}

#[pymethods]
impl ForwardedRequest {
    /// Whose it is.
    #[getter]
    fn session_id(&self, py: Python<'_>) -> Py<PyString> {
        self.session_id.clone_ref(py)
    }

    /// Likewise.
    #[getter]
    fn openid(&self, py: Python<'_>) -> Py<PyString> {
        self.openid.clone_ref(py)
    }

    /// What is asked for.
    #[getter]
    fn action(&self, py: Python<'_>) -> Py<PyString> {
        self.action.clone_ref(py)
    }

    /// The client's number of the request.
    #[getter]
    fn client_seq_id(&self) -> u64 {
        self.client_seq_id
    }

    /// How many parameters and headers it has.
    #[getter]
    fn entries(&self) -> usize {
        self.entries
    }

    /// Return it as it goes to the service.
    #[pyo3(name = "SerializeToString")]
    fn serialize(&self, py: Python<'_>) -> Py<PyBytes> {
        self.encoded.clone_ref(py)
    }
}

/// Make what a service gets of a BUSINESS message, without parsing more of its payload than that takes.
///
/// payload: a BusinessRequest; headers: of the envelope; own: encoded entries of UpstreamRequest.headers that come
/// behind them, so that of two with one name these count. None for a payload that is not in the ordinary form (known
/// fields alone, each once but for the parameters), which does not say whether it is valid.
#[pyfunction]
pub(crate) fn forward(
    py: Python<'_>,
    session_id: Bound<'_, PyString>,
    openid: Bound<'_, PyString>,
    client_seq_id: u64,
    payload: &[u8],
    headers: Headers,
    own: &[u8],
) -> PyResult<Option<ForwardedRequest>> {
    let Some(business) = Business::read(payload) else {
        return Ok(None);
    };
    let encoded = business
        .encode(
            session_id.to_str()?,
            openid.to_str()?,
            headers.sorted(),
            own,
            client_seq_id,
        )
        .map_err(raise)?;
    Ok(Some(ForwardedRequest {
        action: PyString::new(py, business.action).unbind(),
        entries: business.params() + headers.sorted().len(),
        encoded: bytes(py, &encoded)?.unbind(),
        session_id: session_id.unbind(),
        openid: openid.unbind(),
        client_seq_id,
    }))
}
