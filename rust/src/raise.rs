//! The one place where the core's errors become Python exceptions.

use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use quicgw_core::Error;

mod errors {
    use pyo3::import_exception;

    import_exception!(quicgw_fast.backend.errors, BindRefused);
    import_exception!(quicgw_fast.backend.errors, BudgetFull);
    import_exception!(quicgw_fast.backend.errors, CacheFull);
    import_exception!(quicgw_fast.backend.errors, FrameTooLarge);
    import_exception!(quicgw_fast.backend.errors, FutureAck);
    import_exception!(quicgw_fast.backend.errors, NotInFlight);
    import_exception!(quicgw_fast.backend.errors, NumbersUsedUp);
    import_exception!(quicgw_fast.backend.errors, OutboxClosed);
    import_exception!(quicgw_fast.backend.errors, Overflowed);
    import_exception!(quicgw_fast.backend.errors, WindowFull);
}

/// The exception for an error.
pub(crate) fn raise(error: Error) -> PyErr {
    match error {
        Error::FrameTooLarge { length, limit } => errors::FrameTooLarge::new_err((length, limit)),
        Error::WindowFull => errors::WindowFull::new_err(()),
        Error::BudgetFull { needed } => errors::BudgetFull::new_err(needed),
        Error::Overflowed => errors::Overflowed::new_err(()),
        Error::Closed => errors::OutboxClosed::new_err(()),
        Error::CacheFull => errors::CacheFull::new_err(()),
        Error::FutureAck { seq, highest } => errors::FutureAck::new_err((seq, highest)),
        Error::NotInFlight { seq } => errors::NotInFlight::new_err(seq),
        Error::BindRefused(code) => errors::BindRefused::new_err(code.to_string()),
        Error::NumbersUsedUp => errors::NumbersUsedUp::new_err(()),
        Error::OutOfMemory => PyMemoryError::new_err(error.to_string()),
        Error::Invalid(why) => PyValueError::new_err(why),
    }
}

/// The exception for a message that is too long, with the messages before it.
pub(crate) fn raise_with_messages(length: u64, limit: u64, messages: Py<PyAny>) -> PyErr {
    errors::FrameTooLarge::new_err((length, limit, messages))
}
