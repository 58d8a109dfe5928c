//! `Rate` and `TokenBucket`.

use pyo3::prelude::*;

use crate::convert::Locked;
use crate::raise::raise;

/// How many tokens a second, and how many at once, all buckets grant that were made of it, also when it changes.
///
/// ValueError unless rate is finite and above 0 and burst at least 1.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct Rate(quicgw_core::Rate);

#[pymethods]
impl Rate {
    #[new]
    fn new(rate: f64, burst: i64) -> PyResult<Self> {
        let made = quicgw_core::Rate::new(rate, burst.try_into().unwrap_or_default());
        Ok(Self(made.map_err(raise)?))
    }

    /// Change it for all its buckets: who was granted more than the new burst waits for one token at most.
    ///
    /// ValueError as for a new one; nothing has changed then.
    fn configure(&self, rate: f64, burst: i64) -> PyResult<()> {
        let changed = self.0.configure(rate, burst.try_into().unwrap_or_default());
        changed.map_err(raise)
    }

    /// Make a bucket that is full from that time on, in monotonic seconds.
    #[pyo3(signature = (full_at = 0.0))]
    fn bucket(&self, full_at: f64) -> TokenBucket {
        TokenBucket(Locked::new(self.0.bucket(full_at)))
    }
}

/// Grants rate tokens per second in the long run, and burst at once. It starts full.
///
/// ValueError unless rate is finite and above 0 and burst at least 1.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct TokenBucket(Locked<quicgw_core::TokenBucket>);

#[pymethods]
impl TokenBucket {
    #[new]
    fn new(rate: f64, burst: i64) -> PyResult<Self> {
        let bucket = quicgw_core::TokenBucket::new(rate, burst.try_into().unwrap_or_default());
        Ok(Self(Locked::new(bucket.map_err(raise)?)))
    }

    /// Take one token at now (monotonic seconds) and return 0.0.
    ///
    /// If there is none, nothing is taken, and the seconds until there is one are returned.
    fn take(&self, py: Python<'_>, now: f64) -> f64 {
        self.0.lock(py).take(now)
    }

    /// Return the seconds until there is a token, 0.0 if there is one at now; takes nothing.
    fn wait(&self, py: Python<'_>, now: f64) -> f64 {
        self.0.lock(py).wait(now)
    }

    /// From when on it is full, if nothing is taken meanwhile: so the allowance of who goes elsewhere goes on.
    #[getter]
    fn full_at(&self, py: Python<'_>) -> f64 {
        self.0.lock(py).full_at()
    }
}
