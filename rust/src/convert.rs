//! Conversions that several bindings need.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString};
use quicgw_core::{Error, Tail, sort_headers};

use crate::raise::raise;

/// A core object behind its lock.
///
/// No call of the core runs Python code, so nobody can come back for a lock that is held, and none is held for long.
pub(crate) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    pub(crate) fn new(core: T) -> Self {
        Self(Mutex::new(core))
    }

    /// A core that panicked would be a bug; its object stays usable as it is, since no step leaves one half done.
    pub(crate) fn lock(&self, py: Python<'_>) -> MutexGuard<'_, T> {
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mapping of strings, sorted by key.
pub(crate) struct Headers(Vec<(PyBackedStr, PyBackedStr)>);

impl Headers {
    pub(crate) fn sorted(&self) -> &[(PyBackedStr, PyBackedStr)] {
        &self.0
    }

    /// What is encoded from these headers and the other parts of a message.
    pub(crate) fn tail<'a>(
        &'a self,
        push_type: i32,
        code: i32,
        message: &'a str,
        data: &'a [u8],
    ) -> Tail<'a, PyBackedStr> {
        Tail::new(push_type, code, message, data, &self.0)
    }
}

impl<'py> FromPyObject<'_, 'py> for Headers {
    type Error = PyErr;

    fn extract(headers: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut items = Vec::new();
        if let Ok(dict) = headers.cast_exact::<PyDict>() {
            items
                .try_reserve_exact(dict.len())
                .map_err(|_| raise(Error::OutOfMemory))?;
            for (key, value) in dict.iter() {
                items.push((string(key)?, string(value)?));
            }
        } else {
            for item in headers.cast::<PyMapping>()?.items()? {
                let (key, value) = item.extract()?;
                items.push((string(key)?, string(value)?));
            }
        }
        sort_headers(&mut items);
        Ok(Self(items))
    }
}

/// Python bytes; MemoryError when there is no memory for them.
pub(crate) fn bytes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, data.len(), |target| {
        target.copy_from_slice(data);
        Ok(())
    })
}

/// Makes Python bytes of what a step gives, within the step: no Python code runs in that either.
pub(crate) fn give<'py>(py: Python<'py>) -> impl Fn(&[u8]) -> quicgw_core::Result<Bound<'py, PyBytes>> {
    move |data| bytes(py, data).map_err(|_| Error::OutOfMemory)
}

fn string(object: Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    object.cast_into::<PyString>()?.try_into()
}

/// Encode type, payload and headers of a message to the client (fields 3, 4 and 5 of ServerPush).
///
/// The payload is {1: int32 code, 2: string message, 3: bytes data}, the shape that BusinessResponse and
/// ErrorMessage share. Headers go sorted by key; fields that have their default are left out. limit: bytes of
/// the whole message. Raises FrameTooLarge if it could become longer than that with the largest numbers at
/// its head.
#[pyfunction]
#[pyo3(signature = (push_type, code, message, data, headers, limit = 1048576))]
pub(crate) fn encode_body<'py>(
    py: Python<'py>,
    push_type: i32,
    code: i32,
    message: &str,
    data: &[u8],
    headers: Headers,
    limit: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let tail = headers
        .tail(push_type, code, message, data)
        .check(limit)
        .map_err(raise)?;
    bytes(py, &tail.encode().map_err(raise)?)
}
