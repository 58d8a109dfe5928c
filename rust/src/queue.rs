//! `TaskQueue`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;
use quicgw_core::Queue;

/// A bounded queue for producers and consumers in any threads. Nothing here ever waits for room or work.
///
/// capacity: tasks, 1 to 16777216, else ValueError. Tasks of one producer come out in the order they went in.
/// A closed queue takes no more tasks and can be drained.
#[pyclass(frozen, generic, weakref, module = "quicgw_fast._core")]
pub(crate) struct TaskQueue {
    /// In a place of its own, as its parts lie in cache lines of their own and Python's objects do not.
    queue: Box<Queue<Py<PyAny>>>,
}

#[pymethods]
impl TaskQueue {
    #[new]
    fn new(capacity: u64) -> PyResult<Self> {
        match usize::try_from(capacity).ok().and_then(Queue::new) {
            Some(queue) => Ok(Self {
                queue: Box::new(queue),
            }),
            None => Err(PyValueError::new_err(format!(
                "capacity must be 1 to {}, not {capacity}",
                Queue::<Py<PyAny>>::MAX_CAPACITY
            ))),
        }
    }

    /// The most tasks that the queue holds.
    #[getter]
    fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// Whether close() was called.
    #[getter]
    fn closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Put a task in; False if the queue is full or closed. None cannot be a task: TypeError.
    fn try_push(&self, task: Bound<'_, PyAny>) -> PyResult<bool> {
        if task.is_none() {
            return Err(PyTypeError::new_err("None cannot be a task"));
        }
        Ok(self.queue.try_push(task.unbind()).is_ok())
    }

    /// Take the oldest task out; None if there is none.
    fn try_pop(&self) -> Option<Py<PyAny>> {
        self.queue.try_pop()
    }

    /// Take out the n oldest tasks, or as many as there are.
    fn pop_many<'py>(&self, py: Python<'py>, n: u64) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.queue.pop_many(usize::try_from(n).unwrap_or(usize::MAX)))
    }

    /// Take no more tasks. When this returns, every task that try_push accepted is there to be drained.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.queue.close());
    }

    fn __len__(&self) -> usize {
        self.queue.len()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A collection runs while no other thread runs Python, and push and pop never let go of it half way:
        // the queue stands still, as visit() needs. Tasks are moved, so no reference count changes.
        self.queue.visit(|task| visit.call(task))
    }

    fn __clear__(&self) {
        // All are out of the queue before the first goes: what runs when it does may use the queue again.
        drop(self.queue.pop_many(usize::MAX));
    }
}
