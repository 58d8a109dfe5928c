//! What an outbox exports and restores: the named tuples of `quicgw_fast.backend.outbox_state`.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};
use quicgw_core::{Account, BoundState, OutboxState, Place, Tally};

use crate::convert::bytes;
use crate::notify::place;

const STATES: &str = "quicgw_fast.backend.outbox_state";

/// An `OutboxState` of Python.
#[derive(FromPyObject)]
pub(crate) struct ExportedState {
    acked: u64,
    max_client_seq: u64,
    kinds: PyBackedBytes,
    frames: PyBackedBytes,
    open: Vec<u64>,
    bound: Vec<ExportedBound>,
    held: Vec<ExportedHeld>,
    fates: Vec<(u64, u64)>,
    releasing: bool,
    overflowed: bool,
    dropped: (u64, u64),
    tally: (u64, u64, u64, u64, u64, u64, u64),
}

#[derive(FromPyObject)]
struct ExportedBound {
    client_seq: u64,
    before: bool,
    body: PyBackedBytes,
    expires_at: f64,
    ticket: u64,
}

#[derive(FromPyObject)]
struct ExportedHeld {
    body: PyBackedBytes,
    ticket: u64,
}

impl ExportedState {
    pub(crate) fn into_core(self) -> OutboxState<PyBackedBytes> {
        let tally = self.tally;
        let account = |accepted, delivered, lost| Account {
            accepted,
            delivered,
            lost,
        };
        OutboxState {
            acked: self.acked,
            max_client_seq: self.max_client_seq,
            kinds: self.kinds,
            frames: self.frames,
            open: self.open,
            bound: self.bound.into_iter().map(ExportedBound::into_core).collect(),
            held: self
                .held
                .into_iter()
                .map(|held| (held.body, held.ticket))
                .collect(),
            fates: self.fates,
            releasing: self.releasing,
            overflowed: self.overflowed,
            dropped: self.dropped,
            tally: Tally {
                responses: account(tally.0, tally.1, tally.2),
                notifies: account(tally.3, tally.4, tally.5),
                saved: tally.6,
            },
        }
    }
}

impl ExportedBound {
    fn into_core(self) -> BoundState<PyBackedBytes> {
        BoundState {
            client_seq: self.client_seq,
            place: place(self.before),
            body: self.body,
            expires_at: self.expires_at,
            ticket: self.ticket,
        }
    }
}

/// The `OutboxState` of Python.
pub(crate) fn exported<'py, B: AsRef<[u8]>>(
    py: Python<'py>,
    state: &OutboxState<B>,
) -> PyResult<Bound<'py, PyAny>> {
    static WHOLE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static BOUND: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static HELD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let bound = PyList::empty(py);
    for each in &state.bound {
        let before = each.place == Place::Before;
        bound.append(BOUND.import(py, STATES, "BoundState")?.call1((
            each.client_seq,
            before,
            bytes(py, each.body.as_ref())?,
            each.expires_at,
            each.ticket,
        ))?)?;
    }
    let held = PyList::empty(py);
    for (body, ticket) in &state.held {
        held.append(
            HELD.import(py, STATES, "HeldState")?
                .call1((bytes(py, body.as_ref())?, *ticket))?,
        )?;
    }
    WHOLE.import(py, STATES, "OutboxState")?.call1((
        state.acked,
        state.max_client_seq,
        bytes(py, state.kinds.as_ref())?,
        bytes(py, state.frames.as_ref())?,
        PyList::new(py, &state.open)?,
        bound,
        held,
        PyList::new(py, &state.fates)?,
        state.releasing,
        state.overflowed,
        state.dropped,
        shown_tally(py, &state.tally)?,
    ))
}

/// The `Tally` of Python.
pub(crate) fn shown_tally<'py>(py: Python<'py>, tally: &Tally) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let (responses, notifies) = (tally.responses, tally.notifies);
    CLASS.import(py, "quicgw_fast.backend.tally", "Tally")?.call1((
        responses.accepted,
        responses.delivered,
        responses.lost,
        notifies.accepted,
        notifies.delivered,
        notifies.lost,
        tally.saved,
    ))
}
