"""Everything that a session sends in order: the only place where its sequence numbers are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from quicgw_fast.backend.errors import (
    BindRefused,
    CacheFull,
    EngineError,
    NotInFlight,
    OutboxClosed,
    Overflowed,
    WindowFull,
)
from quicgw_fast.backend.python import checks, wire
from quicgw_fast.backend.python.budget import ByteBudget, cost
from quicgw_fast.backend.python.hold import HoldCache
from quicgw_fast.backend.python.line import Line, Message
from quicgw_fast.backend.python.moving import Moving
from quicgw_fast.backend.python.notify import BoundNotify, NotifyBuffers
from quicgw_fast.backend.python.resuming import Resuming
from quicgw_fast.backend.python.sequence import SequenceAllocator, check_left
from quicgw_fast.backend.python.tickets import NO_TICKET, Tickets
from quicgw_fast.backend.python.turning_away import TurningAway
from quicgw_fast.backend.python.window import Kind, Window, add_counts
from quicgw_fast.codes import BindCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.backend.python.window import Counts

_NOTHING: Final = (0, 0)
_RESPONSE: Final = (1, 0)
_NOTIFY: Final = (0, 1)


def _cost(bodies: list[bytes]) -> int:
    return cost(len(bodies), sum(map(len, bodies)))


@final
class Outbox(TurningAway, Resuming, Moving):
    """The ordered way down of one session (protocol §4, §5).

    Each step numbers, encodes, frames and retains its messages at once, and takes numbers only when nothing
    can fail any more. What a step returns are the frames as they go on the stream; they are kept until ack().
    Bodies are what encode_body() returns. Nothing reads a clock; an outbox belongs to one thread.

    after: the number that the first message follows. window_messages, window_bytes: bound of what is not
    acknowledged, frames counted with their length prefix, at least 1 each, else ValueError; replies may go a
    quarter beyond it, and one step always fits into an empty window. max_body: longest message in bytes,
    below 2**32. budget: a bound that many outboxes share, of what is retained, bound and held; nothing is
    excepted from it. bind_per_request, bind_total: as in NotifyBuffers. hold_messages, hold_bytes: bound of
    hold(), which the window's holds for too.

    What a call needs and the budget or the machine does not have is BudgetFull or MemoryError, and nothing
    changed. After an overflow nothing is sent any more and what would be counts as dropped; only a reset
    helps the session.
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self,
        *,
        after: int = 0,
        window_messages: int = 1024,
        window_bytes: int = 1048576,
        max_body: int = 1048576,
        budget: ByteBudget | None = None,
        bind_per_request: int = 64,
        bind_total: int = 1024,
        hold_messages: int = 64,
        hold_bytes: int = 65536,
    ) -> None:
        numbers = SequenceAllocator(after)
        window_messages, window_bytes = checks.u64(window_messages), checks.u64(window_bytes)
        self._max_body = checks.u32(max_body)
        if not isinstance(budget, (ByteBudget, type(None))):
            raise TypeError(f"budget must be a ByteBudget or None, not {type(budget).__name__}")
        self._binds = NotifyBuffers(bind_per_request, bind_total)
        # What could never be sent is not held.
        self._held = HoldCache(
            min(checks.u64(hold_messages), window_messages), min(checks.u64(hold_bytes), window_bytes)
        )
        if window_messages == 0 or window_bytes == 0:
            raise ValueError("a window needs room for at least one message and one byte")
        self._line = Line(numbers, Window(window_messages, window_bytes), budget)
        self._open: set[int] = set()
        self._tickets = Tickets()
        self._accepted = self._delivered = self._lost = self._dropped = _NOTHING
        self._saved = 0
        self._releasing = False
        self._overflowed = False
        self._closed = False

    # Requests on their way up

    def accept(self, seq: int) -> int:
        """Accept the client's next request as SequenceAllocator.accept(); it is in flight until its reply."""
        seq = checks.u64(seq)
        self._check_closed()
        expected = self._line.numbers.accept(seq)
        if expected == 0:
            self._open.add(seq)
            self._accepted = add_counts(self._accepted, _RESPONSE)
        return expected

    def is_open(self, seq: int) -> bool:
        """Whether request seq is in flight: accepted and not replied to."""
        return checks.u64(seq) in self._open

    # Messages on their way down

    def reply(
        self,
        client_seq: int,
        msg_id: int,
        push_type: int,
        code: int,
        message: str,
        data: bytes,
        headers: Mapping[str, str],
    ) -> bytes:
        """Reply to request client_seq, with the notifies bound before and after it, as one step.

        The arguments from push_type on are those of encode_body(). Raises NotInFlight if client_seq has no reply to
        get, FrameTooLarge if the reply is too long, BudgetFull (these change nothing), Overflowed if the step
        does not fit: then client_seq has had its reply, and that and its notifies count as dropped.
        """
        client_seq = checks.u64(client_seq)
        msg_id = checks.u32(msg_id)
        body = wire.tail(
            checks.i32(push_type),
            checks.i32(code),
            checks.text(message),
            checks.octets(data),
            checks.headers(headers),
        )
        self._check_closed()
        if client_seq not in self._open:
            raise NotInFlight(client_seq)
        wire.check_length(body, self._max_body)
        before, after = self._binds._waiting(client_seq)
        step = [
            *(Message(0, notify.body, Kind.ATTACHED) for notify in before),
            Message(msg_id, body, Kind.RESPONSE),
            *(Message(0, notify.body, Kind.ATTACHED) for notify in after),
        ]
        tickets = [*(notify.ticket for notify in before), NO_TICKET, *(notify.ticket for notify in after)]
        try:
            sent = self._send_or_overflow(step, freed=_cost([notify.body for notify in [*before, *after]]))
        except Overflowed:  # its notifies were dropped as all that were bound
            self._open.remove(client_seq)
            raise
        self._open.remove(client_seq)
        self._tickets.decide(tickets, self.last_seq + 1 - len(step))
        self._binds.take_before(client_seq)
        self._binds.take_after(client_seq)
        return sent

    def refuse(self, msg_id: int, code: int, message: str, detail: str, headers: Mapping[str, str]) -> bytes:
        """Send a numbered PUSH_ERROR for a request that was not accepted.

        The payload is ErrorMessage; the other arguments are as in encode_body(). Raises FrameTooLarge,
        BudgetFull or Overflowed as reply() does.
        """
        msg_id = checks.u32(msg_id)
        body = wire.tail(
            wire.PUSH_ERROR,
            checks.i32(code),
            checks.text(message),
            checks.text(detail),
            checks.headers(headers),
        )
        self._check_closed()
        wire.check_length(body, self._max_body)
        try:
            sent = self._send_or_overflow([Message(msg_id, body, Kind.RESPONSE)])
        except Overflowed:
            self._accepted = add_counts(self._accepted, _RESPONSE)
            raise
        self._accepted = add_counts(self._accepted, _RESPONSE)
        return sent

    def push(self, body: bytes, kept: bool = False) -> bytes:
        """Send a notify now.

        kept: its original is kept elsewhere, so that its loss is none and it is in no account. Raises
        FrameTooLarge, WindowFull, also while releasing, and BudgetFull, which change nothing, and Overflowed.
        """
        body, kept = checks.octets(body), checks.flag(kept)
        self._check_closed()
        wire.check_length(body, self._max_body)
        return self._push(body, Kind.KEPT if kept else Kind.NOTIFY)

    def _push_unhindered(self, body: bytes) -> tuple[bytes, int] | None:
        """Send a notify now and return its number with it; None, and nothing has changed, where something hinders."""
        if self._overflowed:
            return None  # which push() would count
        try:
            return self.push(body), self.last_seq
        except EngineError:
            return None

    def bind(self, client_seq: int, before: bool, body: bytes, expires_at: float, ticket: int = 0) -> bytes:
        """Bind a notify to the reply to request client_seq: keep it and return b"" while that reply is to come.

        It is to come when client_seq is in flight or above all requests accepted. Else a notify for after the reply
        is sent as by push(), and one for before it raises BindRefused RESPONSE_ALREADY_SENT. Raises
        BindRefused BIND_SEQ_REQUIRED for client_seq 0, FrameTooLarge, Overflowed, BudgetFull, and BindRefused
        BIND_LIMIT as NotifyBuffers.bind() does, or if its step would have more messages, or all that is bound
        more bytes, than the window.
        ticket: names it for withdraw() and fates() if it is kept; 0 for none, else one that nothing here has.
        """
        client_seq, ticket = checks.u64(client_seq), checks.u64(ticket)
        before, body, expires_at = checks.flag(before), checks.octets(body), checks.seconds(expires_at)
        self._check_closed()
        if client_seq == 0:
            raise BindRefused(BindCode.SEQ_REQUIRED)
        wire.check_length(body, self._max_body)
        if client_seq not in self._open and client_seq <= self.max_client_seq:
            if before:
                raise BindRefused(BindCode.RESPONSE_ALREADY_SENT)
            return self._push(body, Kind.ATTACHED)
        if self._overflowed:
            raise Overflowed
        self._binds._check_room(client_seq)
        # With its reply it must be able to go out: messages of the step, bytes of all steps.
        window = self._line.window
        if self._binds.count(client_seq) + 2 > window.limit or self._binds.size + len(body) > window.bytes_limit:
            raise BindRefused(BindCode.LIMIT)
        self._line.share.take(cost(1, len(body)), reserve=False)
        self._binds._bind(client_seq, before, BoundNotify(body, expires_at, ticket))
        self._tickets.add(ticket)
        self._accepted = add_counts(self._accepted, _NOTIFY)
        return b""

    def expire(self, now: float) -> int:
        """Drop bound notifies as NotifyBuffers.expire(), and return how many."""
        expired = self._binds._expire(checks.seconds(now))
        self._line.share.give_back(_cost([notify.body for notify in expired]))
        self._lost = add_counts(self._lost, (0, len(expired)))
        self._tickets.decide(sorted(notify.ticket for notify in expired), 0)
        return len(expired)

    def hold(self, body: bytes, ticket: int = 0, instead_of: int = 0) -> None:
        """Keep a notify until release(). Raises FrameTooLarge, Overflowed, BudgetFull, and CacheFull over the bound.

        ticket: names it as in bind(). instead_of: the ticket of one that is held, which is withdrawn in the same step;
        the new one comes last nevertheless. Where none is held with it, it means nothing.
        """
        body, ticket, instead_of = checks.octets(body), checks.u64(ticket), checks.u64(instead_of)
        self._check_closed()
        wire.check_length(body, self._max_body)
        if self._overflowed:
            raise Overflowed
        if instead_of not in self._held.tickets:
            instead_of = NO_TICKET
        if not self._held.has_room(len(body), instead_of):
            raise CacheFull
        self._line.share.take(cost(1, len(body)), reserve=False)
        if instead_of != NO_TICKET:
            self.withdraw(instead_of)
        self._held.add(body, ticket)
        self._tickets.add(ticket)
        self._accepted = add_counts(self._accepted, _NOTIFY)

    def withdraw(self, ticket: int) -> bool:
        """Drop the notify with that ticket, which is held or bound and counts as lost; False where there is none."""
        ticket = checks.u64(ticket)
        if ticket == NO_TICKET:
            return False
        size = self._held.remove(ticket) if ticket in self._held.tickets else self._binds._withdraw(ticket)
        if size is None:
            return False
        self._releasing = self._releasing and self.held > 0
        self._line.share.give_back(cost(1, size))
        self._lost = add_counts(self._lost, _NOTIFY)
        self._tickets.withdraw(ticket)
        return True

    def fates(self) -> list[tuple[int, int]]:
        """Return what became of notifies with a ticket since the last call, as (ticket, number).

        The number that it took, or 0 for one that expire() dropped.
        """
        return self._tickets.take()

    def release(self) -> bytes:
        """Send what was held, in order, as far as it fits, and keep the rest: b"" when nothing fits now.

        It may use the reserve. While something is left behind, nothing new overtakes it, see releasing. Raises
        Overflowed after an overflow.
        """
        self._check_closed()
        if self._overflowed:
            raise Overflowed
        check_left(self.last_seq, self.held)
        bodies = self._held.bodies[: self._line.fitting(self._held.bodies)]
        messages = [Message(0, body, Kind.NOTIFY) for body in bodies]
        sent = self._line.send(messages, reserve=True, freed=_cost(bodies))
        self._tickets.decide(self._held.forget(len(bodies)), self.last_seq + 1 - len(bodies))
        self._releasing = self.held > 0
        return sent

    # Ends

    def mark_overflow(self, responses: int = 0, notifies: int = 0) -> None:
        """Overflow now: drop what is retained, bound and held, the latter two counted as dropped.

        responses, notifies: so many more were to be sent and count as dropped.
        """
        owed = checks.u32(responses), checks.u32(notifies)
        self._accepted = add_counts(self._accepted, owed)
        self._overflow(owed)

    def close(self, saved: int = 0) -> None:
        """End: drop frames, requests in flight, bound and held notifies; missed() still tells.

        saved: so many of the notifies that were open are kept elsewhere now, at most all of them; the others are
        lost. A second call changes nothing.
        """
        saved = checks.u64(saved)
        if self._closed:
            return
        responses, notifies = add_counts(self.missed(0), (self.in_flight, self.bound + self.held))
        self._saved = min(saved, notifies)
        self._lost = add_counts(self._lost, (responses, notifies - self._saved))
        self._closed = True
        self._open.clear()
        self._drop_waiting()

    # Steps

    def _check_closed(self) -> None:
        if self._closed:
            raise OutboxClosed

    def _push(self, body: bytes, kind: Kind) -> bytes:
        counts = _NOTHING if kind is Kind.KEPT else _NOTIFY
        if self._overflowed:
            self.mark_overflow(*counts)
            raise Overflowed
        if self._releasing:
            raise WindowFull
        sent = self._line.send([Message(0, body, kind)], reserve=False)
        self._accepted = add_counts(self._accepted, counts)
        return sent

    def _send_or_overflow(self, step: list[Message], *, freed: int = 0) -> bytes:
        """Send a step with a response, which may use the reserve; if it does not fit, overflow and count that."""
        try:
            if not self._overflowed:
                return self._line.send(step, reserve=True, freed=freed)
        except WindowFull:
            pass
        self._overflow(_RESPONSE)
        raise Overflowed

    def _overflow(self, owed: Counts) -> None:
        """Drop what is retained or waits, which can never go out: its memory is of use to others.

        owed is dropped too, and so is counted already as accepted.
        """
        dropped = add_counts(owed, (0, self.bound + self.held))
        self._overflowed = True
        self._dropped = add_counts(self._dropped, dropped)
        self._lost = add_counts(self._lost, dropped)
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        self._binds._clear()
        self._held.forget(self.held)
        self._tickets.clear()
        self._releasing = False
        self._line.drop_frames()


def push_to_all(outboxes: list[Outbox], body: bytes) -> list[tuple[bytes, int] | None]:
    """Send one notify on each of many outboxes, and return of each the frame and its number.

    None where something stands in the way: nothing has changed there, and push() with the same body says what it is.
    """
    body = checks.octets(body)
    for outbox in outboxes:
        if not isinstance(outbox, Outbox):
            raise TypeError(f"an outbox is needed, not {type(outbox).__name__}")
    return [outbox._push_unhindered(body) for outbox in outboxes]
