"""Hand what the outbox numbered to the connection, never faster than the client takes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.backend.errors import BudgetFull, Overflowed, WindowFull
from quicgw_fast.observe import Unit
from quicgw_fast.ports import Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend.engine import PushToAll
    from quicgw_fast.delivery.barrier import Barrier
    from quicgw_fast.errors import AnsweredError
    from quicgw_fast.observe import Metrics
    from quicgw_fast.ports import Link, TerminalReply

CHUNK = 64 << 10
"""Bytes that are taken from the outbox at once when a connection catches up."""

R = TypeVar("R", bound=Recipient)
T = TypeVar("T")


class OrderedSender(Generic[R]):
    """All numbered messages go through here; ``link`` gets them in order or not at all.

    While the connection is not ``ready``, messages stay in the outbox, where they are
    retained anyway, and ``pump`` continues from the cursor when the connection has room again. So a client that does
    not read costs no memory beyond its window.
    """

    def __init__(
        self,
        metrics: Metrics,
        on_overflow: Callable[[R], None],
        make_room: Callable[[int], bool],
        push_to_all: PushToAll,
        link_of: Callable[[R], Link | None],
    ) -> None:
        """``on_overflow`` is called once the recipient can only be reset (protocol §5).

        ``make_room(bytes)`` is called when the memory that all recipients share has no room for so many more; True
        when some was given back, so that another try has a point. ``push_to_all`` is the engine's. ``link_of`` gives
        the connection of a recipient; None also while nothing may be sent to it, which then waits for ``pump``.
        """
        help = "Bytes of numbered messages that connections were given, also of those that they were given again"
        self._sent = metrics.counter("sent", help, Unit.BYTES)
        self._on_overflow = on_overflow
        self._make_room = make_room
        self._push_to_all = push_to_all
        self._link_of = link_of
        self.barrier: Barrier[R] | None = None
        """Who has messages written before they are sent; None where nobody does."""

    def reply(self, to: R, client_seq: int, msg_id: int, reply: TerminalReply) -> bool:
        """Send the reply to request ``client_seq`` with the notifies bound to it, as one step.

        False when the session overflowed. Raises the engine's NotInFlight and FrameTooLarge.
        """
        fields = (reply.push_type, reply.code, reply.message, reply.data, reply.headers)
        return self._step(to, partial(to.outbox.reply, client_seq, msg_id, *fields))

    def refuse(self, to: R, msg_id: int, error: AnsweredError) -> bool:
        """Send a numbered error for a message that was not accepted; False when the session overflowed."""
        fields = (error.code, error.message, error.detail, error.headers)
        return self._step(to, partial(to.outbox.refuse, msg_id, *fields))

    def turn_away(self, to: R, messages: list[bytes], begin: int, body: bytes) -> int:
        """Refuse requests with which the messages begin, as the engine does it, and return how many."""
        outbox, link = to.outbox, self._link_of(to)
        # As in _flow. There is nothing for which others would have to make room.
        room = link if link is not None and to.cursor == outbox.last_seq and link.ready() else None
        count, frames = outbox.turn_away(messages, begin, body)
        if count:
            to.look_at = 0.0
            if room is None:
                self.pump(to)
            else:
                to.cursor = outbox.last_seq
                to.handed = max(to.handed, to.cursor)
                self._sent.value += len(frames)
                room.send(frames)
        return count

    def hold(self, to: R, body: bytes, ticket: int = 0, instead_of: int = 0) -> None:
        """Keep one notify until ``release``; raises the engine's CacheFull, BudgetFull or Overflowed.

        ``ticket`` and ``instead_of`` are as the engine has them.
        """
        try:
            to.outbox.hold(body, ticket, instead_of)
        except BudgetFull as full:
            self._with_room(to, partial(to.outbox.hold, body, ticket, instead_of), full)

    def release(self, to: R) -> bool:
        """Send of what was held as much as fits; the rest goes with ``acknowledged``, before anything new.

        False when the session overflowed.
        """
        outbox = to.outbox
        self._step(to, outbox.release)
        # One message always fits into an empty window: if none did, what all share is full.
        while outbox.held and not outbox.retained and self._make_room(0):
            self._step(to, outbox.release)
        return not outbox.overflowed

    def acknowledged(self, to: R) -> None:
        """Go on with what is held, now that the client made room."""
        if to.outbox.held:
            self.go_on(to)

    def takes(self, to: R) -> bool:
        """Whether what took its number now would leave now, or as soon as what is under way has."""
        link = self._link_of(to)
        return link is not None and to.cursor == to.outbox.last_seq and link.ready() and to.outbox.fill < 1.0

    def go_on(self, to: R) -> None:
        """Send of what is held what waits for room alone; nothing new may overtake what a ``release`` left behind."""
        if to.outbox.releasing or (to.may_release and self.takes(to)):
            self.release(to)

    def push(self, to: R, body: bytes, *, kept: bool = False) -> None:
        """Send one notify, of which the original may be ``kept`` elsewhere.

        Raises the engine's WindowFull or Overflowed, and then nothing was sent.
        """
        self._release_first(to)
        try:
            self._flow(to, partial(to.outbox.push, body, kept))
        except BudgetFull as error:
            raise WindowFull from error

    def push_to_all(self, many: list[R], body: bytes) -> list[R]:
        """Send one notify to many, and return those whom something hinders: nothing was sent to them.

        What that is ``push`` tells, or removes.
        """
        hindered = []
        for to, sent in zip(many, self._push_to_all([to.outbox for to in many], body), strict=True):
            if sent is None:
                hindered.append(to)
                continue
            to.look_at = 0.0
            (frame, number), link = sent, self._link_of(to)
            # As in _flow, where a link is asked first; between the step and here nothing has happened to this one.
            if link is not None and to.cursor == number - 1 and link.ready():
                to.cursor, to.handed = number, max(to.handed, number)
                self._sent.value += len(frame)
                link.send(frame)
            else:
                self.pump(to)
        return hindered

    def bind(self, to: R, client_seq: int, body: bytes, *, before: bool, expires_at: float, ticket: int = 0) -> bool:
        """Bind a notify to the reply of ``client_seq``; True when it was sent at once, False when it is kept.

        ``ticket`` is as the engine has it. Raises the engine's BindRefused, WindowFull, BudgetFull or Overflowed.
        """
        self._release_first(to)
        return bool(self._flow(to, partial(to.outbox.bind, client_seq, before, body, expires_at, ticket)))

    def overflow(self, to: R, *, notifies: int = 0) -> None:
        """Mark a session that had to miss something: it goes on only by a reset."""
        to.outbox.mark_overflow(notifies=notifies)
        self._on_overflow(to)

    def pump(self, to: R) -> None:
        """Hand over what is retained behind the cursor, as far as the connection has room."""
        self._hand_over(to, self._link_of(to), to.outbox.last_seq)
        self._release_waiting(to)

    def _release_waiting(self, to: R) -> None:
        """Send what waits for room alone; what a release left behind waits for an acknowledgement."""
        if to.outbox.held and not to.outbox.releasing and to.may_release and self.takes(to):
            self.release(to)

    def _hand_over(self, to: R, link: Link | None, last: int) -> None:
        """Hand over what is retained between the cursor and a number, that included, as far as there is room."""
        limit = CHUNK if last == to.outbox.last_seq else 1  # bytes: fewer than a message are one
        while link is not None and to.cursor < last and link.ready():
            frames, cursor = to.outbox.replay(to.cursor, limit)
            to.cursor, to.handed = cursor, max(to.handed, cursor)
            if not frames:  # overflowed: there is nothing to replay
                return
            self._sent.value += len(frames)
            link.send(frames)

    def _release_first(self, to: R) -> None:
        if to.outbox.releasing and not self.release(to):
            raise WindowFull  # to make room for what waited, this one had to go: what is new was never taken

    def _step(self, to: R, commit: Callable[[], bytes]) -> bool:
        """A commit that must not be refused: when it overflows, the session is marked and its connection told."""
        try:
            self._flow(to, commit)
        except BudgetFull:
            to.outbox.mark_overflow()
            return self._step(to, commit)  # which overflows now, and is counted by that
        except Overflowed:
            self._on_overflow(to)
            return False
        return True

    def _flow(self, to: R, commit: Callable[[], bytes]) -> bytes:
        outbox, link = to.outbox, self._link_of(to)
        caught_up = to.cursor == outbox.last_seq
        # Before the commit: a link that is not ready wakes the pump later, and what is new must not overtake.
        room = link if link is not None and caught_up and link.ready() else None
        try:
            frames = commit()
        except BudgetFull as full:
            frames = self._with_room(to, commit, full)
        to.look_at = 0.0
        if room is None:
            self.pump(to)  # in case the connection has room, but the cursor is behind: it must not stay there
        elif frames:
            to.cursor = outbox.last_seq
            to.handed = max(to.handed, to.cursor)
            self._sent.value += len(frames)
            room.send(frames)
        return frames

    def _with_room(self, to: R, commit: Callable[[], T], full: BudgetFull) -> T:
        """Make room as long as others can give some, and try again; BudgetFull if ``to`` had to give it itself."""
        while True:
            if not self._make_room(full.needed) or to.outbox.overflowed:
                raise full
            try:
                return commit()
            except BudgetFull as again:
                full = again
