//! `Outbox` and `ByteBudget`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use quicgw_core::{Counts, Limits, PUSH_ERROR, SharedBody};

use crate::convert::{Headers, Locked, bytes, give};
use crate::moving::{ExportedState, exported, shown_tally};
use crate::notify::place;
use crate::raise::raise;
use crate::sequence::expected;

/// Bytes that many outboxes may take together for what they keep: retained, bound and held messages.
///
/// limit: bytes, of which each message takes 96 on top of its own. Replies may go a quarter beyond it, and nothing
/// beyond that.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct ByteBudget(Arc<quicgw_core::ByteBudget>);

#[pymethods]
impl ByteBudget {
    #[new]
    fn new(limit: u64) -> Self {
        Self(Arc::new(quicgw_core::ByteBudget::new(limit)))
    }

    /// The bound in bytes, without the reserve for replies.
    #[getter]
    fn limit(&self) -> u64 {
        self.0.limit()
    }

    /// Bytes taken now.
    #[getter]
    fn used(&self) -> u64 {
        self.0.used()
    }
}

/// The ordered way down of one session (protocol §4, §5).
///
/// Each step numbers, encodes, frames and retains its messages at once, and takes numbers only when nothing
/// can fail any more. What a step returns are the frames as they go on the stream; they are kept until ack().
/// Bodies are what encode_body() returns. Nothing reads a clock; an outbox belongs to one thread.
///
/// after: the number that the first message follows. window_messages, window_bytes: bound of what is not
/// acknowledged, frames counted with their length prefix, at least 1 each, else ValueError; replies may go a
/// quarter beyond it, and one step always fits into an empty window. max_body: longest message in bytes,
/// below 2**32. budget: a bound that many outboxes share, of what is retained, bound and held; nothing is
/// excepted from it. bind_per_request, bind_total: as in NotifyBuffers. hold_messages, hold_bytes: bound of
/// hold(), which the window's holds for too.
///
/// What a call needs and the budget or the machine does not have is BudgetFull or MemoryError, and nothing
/// changed. After an overflow nothing is sent any more and what would be counts as dropped; only a reset
/// helps the session.
#[pyclass(frozen, weakref, module = "quicgw_fast._core")]
pub(crate) struct Outbox(Locked<quicgw_core::Outbox>);

#[pymethods]
impl Outbox {
    #[new]
    #[pyo3(signature = (
        *,
        after = 0,
        window_messages = 1024,
        window_bytes = 1048576,
        max_body = 1048576,
        budget = None,
        bind_per_request = 64,
        bind_total = 1024,
        hold_messages = 64,
        hold_bytes = 65536
    ))]
    #[expect(clippy::too_many_arguments, reason = "these are the parameters in Python")]
    fn new(
        after: u64,
        window_messages: u64,
        window_bytes: u64,
        max_body: u32,
        budget: Option<Bound<'_, ByteBudget>>,
        bind_per_request: u64,
        bind_total: u64,
        hold_messages: u64,
        hold_bytes: u64,
    ) -> PyResult<Self> {
        let limits = Limits {
            window_messages,
            window_bytes,
            max_body,
            bind_per_request,
            bind_total,
            hold_messages,
            hold_bytes,
        };
        let budget = budget.map(|budget| Arc::clone(&budget.get().0));
        let core = quicgw_core::Outbox::new(after, limits, budget).map_err(raise)?;
        Ok(Self(Locked::new(core)))
    }

    /// Accept the client's next request as SequenceAllocator.accept(); it is in flight until its reply.
    fn accept(&self, py: Python<'_>, seq: u64) -> PyResult<u64> {
        self.0.lock(py).accept(seq).map(expected).map_err(raise)
    }

    /// Whether request seq is in flight: accepted and not replied to.
    fn is_open(&self, py: Python<'_>, seq: u64) -> bool {
        self.0.lock(py).is_open(seq)
    }

    /// Reply to request client_seq, with the notifies bound before and after it, as one step.
    ///
    /// The arguments from push_type on are those of encode_body(). Raises NotInFlight if client_seq has no reply to
    /// get, FrameTooLarge if the reply is too long, BudgetFull (these change nothing), Overflowed if the step
    /// does not fit: then client_seq has had its reply, and that and its notifies count as dropped.
    #[expect(clippy::too_many_arguments, reason = "these are the parameters in Python")]
    fn reply<'py>(
        &self,
        py: Python<'py>,
        client_seq: u64,
        msg_id: u32,
        push_type: i32,
        code: i32,
        message: &str,
        data: &[u8],
        headers: Headers,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let tail = headers.tail(push_type, code, message, data);
        self.0
            .lock(py)
            .reply(client_seq, msg_id, tail, give(py))
            .map_err(raise)
    }

    /// Send a numbered PUSH_ERROR for a request that was not accepted.
    ///
    /// The payload is ErrorMessage; the other arguments are as in encode_body(). Raises FrameTooLarge,
    /// BudgetFull or Overflowed as reply() does.
    fn refuse<'py>(
        &self,
        py: Python<'py>,
        msg_id: u32,
        code: i32,
        message: &str,
        detail: &str,
        headers: Headers,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let tail = headers.tail(PUSH_ERROR, code, message, detail.as_bytes());
        self.0.lock(py).refuse(msg_id, tail, give(py)).map_err(raise)
    }

    /// Accept and refuse many requests at once, and return how many, with their frames.
    ///
    /// messages: envelopes as they came, from the one at begin on. body: the error that each of them gets, of
    /// encode_body(). Ends before the first message that is not an ordinary request with the number expected, or is
    /// a login, or to which something is bound; does fewer, and none after an overflow, where they do not fit: those
    /// are to be taken one by one. Raises FrameTooLarge, which changes nothing.
    fn turn_away<'py>(
        &self,
        py: Python<'py>,
        messages: Vec<Bound<'py, PyBytes>>,
        begin: usize,
        body: &[u8],
    ) -> PyResult<(usize, Bound<'py, PyBytes>)> {
        let from = messages.iter().skip(begin).map(PyBytesMethods::as_bytes);
        self.0.lock(py).turn_away(from, body, give(py)).map_err(raise)
    }

    /// Send a notify now.
    ///
    /// kept: its original is kept elsewhere, so that its loss is none and it is in no account. Raises
    /// FrameTooLarge, WindowFull, also while releasing, and BudgetFull, which change nothing, and Overflowed.
    #[pyo3(signature = (body, kept = false))]
    fn push<'py>(&self, py: Python<'py>, body: &[u8], kept: bool) -> PyResult<Bound<'py, PyBytes>> {
        self.0.lock(py).push(body, kept, give(py)).map_err(raise)
    }

    /// Bind a notify to the reply to request client_seq: keep it and return b"" while that reply is to come.
    ///
    /// It is to come when client_seq is in flight or above all requests accepted. Else a notify for after the reply
    /// is sent as by push(), and one for before it raises BindRefused RESPONSE_ALREADY_SENT. Raises
    /// BindRefused BIND_SEQ_REQUIRED for client_seq 0, FrameTooLarge, Overflowed, BudgetFull, and BindRefused
    /// BIND_LIMIT as NotifyBuffers.bind() does, or if its step would have more messages, or all that is bound
    /// more bytes, than the window.
    /// ticket: names it for withdraw() and fates() if it is kept; 0 for none, else one that nothing here has.
    #[pyo3(signature = (client_seq, before, body, expires_at, ticket = 0))]
    fn bind<'py>(
        &self,
        py: Python<'py>,
        client_seq: u64,
        before: bool,
        body: &[u8],
        expires_at: f64,
        ticket: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.0
            .lock(py)
            .bind(client_seq, place(before), body, expires_at, ticket, give(py))
            .map_err(raise)
    }

    /// Drop bound notifies as NotifyBuffers.expire(), and return how many.
    fn expire(&self, py: Python<'_>, now: f64) -> u64 {
        self.0.lock(py).expire(now)
    }

    /// Keep a notify until release(). Raises FrameTooLarge, Overflowed, BudgetFull, and CacheFull over the bound.
    ///
    /// ticket: names it as in bind(). instead_of: the ticket of one that is held, which is withdrawn in the same step;
    /// the new one comes last nevertheless. Where none is held with it, it means nothing.
    #[pyo3(signature = (body, ticket = 0, instead_of = 0))]
    fn hold(&self, py: Python<'_>, body: &[u8], ticket: u64, instead_of: u64) -> PyResult<()> {
        self.0.lock(py).hold(body, ticket, instead_of).map_err(raise)
    }

    /// Drop the notify with that ticket, which is held or bound and counts as lost; False where there is none.
    fn withdraw(&self, py: Python<'_>, ticket: u64) -> bool {
        self.0.lock(py).withdraw(ticket)
    }

    /// Return what became of notifies with a ticket since the last call, as (ticket, number).
    ///
    /// The number that it took, or 0 for one that expire() dropped.
    fn fates(&self, py: Python<'_>) -> Vec<(u64, u64)> {
        self.0.lock(py).fates()
    }

    /// Send what was held, in order, as far as it fits, and keep the rest: b"" when nothing fits now.
    ///
    /// It may use the reserve. While something is left behind, nothing new overtakes it, see releasing. Raises
    /// Overflowed after an overflow.
    fn release<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.lock(py).release(give(py)).map_err(raise)
    }

    /// Acknowledge all up to seq and return how many frames were freed; FutureAck above last_seq.
    fn ack(&self, py: Python<'_>, seq: u64) -> PyResult<u64> {
        self.0.lock(py).ack(seq).map_err(raise)
    }

    /// Return retained frames numbered above after, oldest first, and the number of the last one of them.
    ///
    /// As many as max_bytes hold, but at least one if there is one; if there is none, b"" and the higher one
    /// of after and acked_seq.
    fn replay<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        max_bytes: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, u64)> {
        let (joined, last) = self.0.lock(py).replay(after, max_bytes).map_err(raise)?;
        Ok((bytes(py, &joined)?, last))
    }

    /// Overflow now: drop what is retained, bound and held, the latter two counted as dropped.
    ///
    /// responses, notifies: so many more were to be sent and count as dropped.
    #[pyo3(signature = (responses = 0, notifies = 0))]
    fn mark_overflow(&self, py: Python<'_>, responses: u32, notifies: u32) {
        self.0.lock(py).mark_overflow(responses.into(), notifies.into());
    }

    /// Count (responses, notifies) numbered above after that are not acknowledged, retained or not.
    ///
    /// Without notifies that were pushed as kept.
    fn missed(&self, py: Python<'_>, after: u64) -> Counts {
        self.0.lock(py).missed(after)
    }

    /// Return the bodies of notifies numbered above after, oldest first, and then of those held.
    ///
    /// Without what is bound to a request or was, and without notifies that were pushed as kept. Changes
    /// nothing.
    fn unsent<'py>(&self, py: Python<'py>, after: u64) -> PyResult<Bound<'py, PyList>> {
        let bodies = self.0.lock(py).unsent(after);
        let unsent = PyList::empty(py);
        for body in bodies {
            unsent.append(bytes(py, &body)?)?;
        }
        Ok(unsent)
    }

    /// Return of each notify of unsent() the number, and of one without a number 0 and its ticket.
    fn unsent_names(&self, py: Python<'_>, after: u64) -> Vec<(u64, u64)> {
        self.0.lock(py).unsent_names(after)
    }

    /// End: drop frames, requests in flight, bound and held notifies; missed() still tells.
    ///
    /// saved: so many of the notifies that were open are kept elsewhere now, at most all of them; the others are
    /// lost. A second call changes nothing.
    #[pyo3(signature = (saved = 0))]
    fn close(&self, py: Python<'_>, saved: u64) {
        self.0.lock(py).close(saved);
    }

    /// Return all that there is, of messages those above a number, for restore(). OutboxClosed after close().
    #[pyo3(signature = (after = 0))]
    fn export<'py>(&self, py: Python<'py>, after: u64) -> PyResult<Bound<'py, PyAny>> {
        let state = self.0.lock(py).export(after).map_err(raise)?;
        exported(py, &state)
    }

    /// Become what export() returned elsewhere. What is kept may be beyond the bounds here; nothing is dropped.
    ///
    /// ValueError for a state that no outbox can be in, and where this one has done anything yet. BudgetFull where
    /// the reserve of the budget has no room for all of it.
    fn restore(&self, py: Python<'_>, state: ExportedState) -> PyResult<()> {
        self.0.lock(py).restore(&state.into_core()).map_err(raise)
    }

    /// How many requests are accepted and not replied to.
    #[getter]
    fn in_flight(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).in_flight()
    }

    /// How many notifies wait for the reply to their request.
    #[getter]
    fn bound(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).bound()
    }

    /// How many notifies wait for release().
    #[getter]
    fn held(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).held()
    }

    /// Whether release() left something behind, which goes before anything new: push() raises WindowFull.
    #[getter]
    fn releasing(&self, py: Python<'_>) -> bool {
        self.0.lock(py).releasing()
    }

    /// The number of the last request accepted, 0 before the first.
    #[getter]
    fn max_client_seq(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).numbers().max_client_seq()
    }

    /// The number of the last message sent.
    #[getter]
    fn last_seq(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).numbers().last()
    }

    /// The number of the last message acknowledged.
    #[getter]
    fn acked_seq(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).numbers().acked()
    }

    /// How many messages are kept for a resume.
    #[getter]
    fn retained(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).retained()
    }

    /// Bytes of the frames that are kept for a resume.
    #[getter]
    fn retained_bytes(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).retained_bytes()
    }

    /// Bytes taken from the budget: of what is retained, bound and held, and 96 for each message.
    #[getter]
    fn memory(&self, py: Python<'_>) -> u64 {
        self.0.lock(py).memory()
    }

    /// How full the window is, by messages or bytes, whichever is more: 1.0 is full, more the reserve.
    #[getter]
    fn fill(&self, py: Python<'_>) -> f64 {
        self.0.lock(py).fill()
    }

    /// Whether the session overflowed.
    #[getter]
    fn overflowed(&self, py: Python<'_>) -> bool {
        self.0.lock(py).overflowed()
    }

    /// How many (responses, notifies) never took a number because the session overflowed.
    #[getter]
    fn dropped(&self, py: Python<'_>) -> Counts {
        self.0.lock(py).dropped()
    }

    /// The accounts of the session: what was accepted for delivery, and what became of it.
    ///
    /// Without notifies that were pushed as kept. What took a number stays open until it is acknowledged or the
    /// session ends, also after an overflow.
    #[getter]
    fn tally<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let tally = self.0.lock(py).tally();
        shown_tally(py, &tally)
    }

    /// Whether close() was called.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        self.0.lock(py).closed()
    }
}

/// Send one notify on each of many outboxes, and return of each the frame and its number.
///
/// None where something stands in the way: nothing has changed there, and push() with the same body says what it is.
#[pyfunction]
pub(crate) fn push_to_all<'py>(
    py: Python<'py>,
    outboxes: Vec<Bound<'py, Outbox>>,
    body: &[u8],
) -> PyResult<Bound<'py, PyList>> {
    let body = SharedBody::copy(body).map_err(raise)?;
    let push = |outbox: Bound<'py, Outbox>| outbox.get().0.lock(py).push_shared(&body, give(py));
    PyList::new(py, outboxes.into_iter().map(push))
}
