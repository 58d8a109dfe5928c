"""Everything that a session sends in order: the only place where its sequence numbers are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from quicgw_fast.backend.errors import (
    BIND_SEQ_REQUIRED,
    RESPONSE_ALREADY_SENT,
    BindRefused,
    NotInFlight,
    OutboxClosed,
    Overflowed,
    WindowFull,
)
from quicgw_fast.backend.python import checks, wire
from quicgw_fast.backend.python.hold import HoldCache
from quicgw_fast.backend.python.notify import NotifyBuffers
from quicgw_fast.backend.python.sequence import SequenceAllocator, check_left
from quicgw_fast.backend.python.window import ByteBudget, Window

if TYPE_CHECKING:
    from collections.abc import Mapping


class Message(NamedTuple):
    """A message that has no number yet."""

    msg_id: int
    body: bytes
    response: bool


def _notify(body: bytes) -> Message:
    return Message(0, body, False)


@final
class Outbox:
    """The ordered way down of one session (contract §4, §5).

    Each step numbers, encodes, frames and retains its messages at once, and takes numbers only when nothing
    can fail any more. What a step returns are the frames as they go on the stream; they are kept until ack().
    Bodies are what encode_body() returns. Nothing reads a clock; an outbox belongs to one thread.

    after: the number that the first message follows. window_messages, window_bytes: bound of what is not
    acknowledged, frames counted with their length prefix, at least 1 each, else ValueError; replies may go a
    quarter beyond it, and one message always fits into an empty window. max_body: longest message in bytes,
    below 2**32. budget: a bound that many outboxes share. bind_per_request, bind_total: as in NotifyBuffers.
    hold_messages, hold_bytes: bound of hold().

    After an overflow nothing is sent any more and what would be counts as dropped; only a reset helps the
    session.
    """

    __slots__ = (
        "__weakref__",
        "_binds",
        "_closed",
        "_dropped",
        "_held",
        "_max_body",
        "_numbers",
        "_open",
        "_overflowed",
        "_window",
    )

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
        self._numbers = SequenceAllocator(after)
        window_messages, window_bytes = checks.u64(window_messages), checks.u64(window_bytes)
        self._max_body = checks.u32(max_body)
        if not isinstance(budget, (ByteBudget, type(None))):
            raise TypeError(f"budget must be a ByteBudget or None, not {type(budget).__name__}")
        self._binds = NotifyBuffers(bind_per_request, bind_total)
        self._held = HoldCache(checks.u64(hold_messages), checks.u64(hold_bytes))
        if window_messages == 0 or window_bytes == 0:
            raise ValueError("a window needs room for at least one message and one byte")
        self._window = Window(window_messages, window_bytes, budget)
        self._open: set[int] = set()
        self._dropped = (0, 0)
        self._overflowed = False
        self._closed = False

    # Requests on their way up

    def accept(self, seq: int) -> int:
        """Accept the client's next request as SequenceAllocator.accept(); it is in flight until its reply."""
        seq = checks.u64(seq)
        self._check_closed()
        expected = self._numbers.accept(seq)
        if expected == 0:
            self._open.add(seq)
        return expected

    def is_open(self, seq: int) -> bool:
        """Whether request seq is in flight: accepted and not replied to."""
        return checks.u64(seq) in self._open

    # Messages on their way down

    def reply(
        self,
        grid: int,
        msg_id: int,
        push_type: int,
        code: int,
        message: str,
        data: bytes,
        headers: Mapping[str, str],
    ) -> bytes:
        """Reply to request grid, with the notifies bound before and after it, as one step.

        The arguments from push_type on are those of encode_body(). Raises NotInFlight if grid has no reply to
        get, FrameTooLarge if the reply is too long (both change nothing), Overflowed if the step does not
        fit: then grid has had its reply, and that and its notifies count as dropped.
        """
        grid = checks.u64(grid)
        msg_id = checks.u32(msg_id)
        body = wire.tail(
            checks.i32(push_type),
            checks.i32(code),
            checks.text(message),
            checks.octets(data),
            checks.headers(headers),
        )
        self._check_closed()
        if grid not in self._open:
            raise NotInFlight(grid)
        wire.check_length(body, self._max_body)
        if not self._overflowed:
            check_left(self._numbers.last, self._binds.count(grid) + 1)
        self._open.remove(grid)
        return self._send_or_overflow(
            [
                *map(_notify, self._binds.take_before(grid)),
                Message(msg_id, body, True),
                *map(_notify, self._binds.take_after(grid)),
            ]
        )

    def refuse(self, msg_id: int, code: int, message: str, detail: str, headers: Mapping[str, str]) -> bytes:
        """Send a numbered PUSH_ERROR for a request that was not accepted.

        The payload is ErrorMessage; the other arguments are as in encode_body(). Raises FrameTooLarge or
        Overflowed as reply() does.
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
        return self._send_or_overflow([Message(msg_id, body, True)])

    def push(self, body: bytes) -> bytes:
        """Send a notify now. Raises WindowFull and FrameTooLarge, which change nothing, and Overflowed."""
        body = checks.octets(body)
        self._check_closed()
        wire.check_length(body, self._max_body)
        return self._push(body)

    def bind(self, grid: int, before: bool, body: bytes, expires_at: float) -> bytes:
        """Bind a notify to the reply to request grid: keep it and return b"" while that reply is to come.

        It is to come when grid is in flight or above all requests accepted. Else a notify for after the reply
        is sent as by push(), and one for before it raises BindRefused RESPONSE_ALREADY_SENT. Raises
        BindRefused BIND_SEQ_REQUIRED for grid 0, FrameTooLarge, and BindRefused BIND_LIMIT as
        NotifyBuffers.bind() does.
        """
        grid = checks.u64(grid)
        before, body, expires_at = checks.flag(before), checks.octets(body), checks.seconds(expires_at)
        self._check_closed()
        if grid == 0:
            raise BindRefused(BIND_SEQ_REQUIRED)
        wire.check_length(body, self._max_body)
        if grid in self._open or grid > self._numbers.max_client_seq:
            self._binds.bind(grid, before, body, expires_at)
            return b""
        if before:
            raise BindRefused(RESPONSE_ALREADY_SENT)
        return self._push(body)

    def expire(self, now: float) -> int:
        """Drop bound notifies as NotifyBuffers.expire(), and return how many."""
        return self._binds.expire(now)

    def hold(self, body: bytes) -> None:
        """Keep a notify until release(). Raises FrameTooLarge, and CacheFull over the bound."""
        body = checks.octets(body)
        self._check_closed()
        wire.check_length(body, self._max_body)
        self._held.add(body)

    def release(self) -> bytes:
        """Send what was held, in order, as one step. Raises Overflowed as reply() does."""
        self._check_closed()
        if not self._overflowed:
            check_left(self._numbers.last, self.held)
        return self._send_or_overflow([*map(_notify, self._held.take())])

    # Acknowledgement and resume

    def ack(self, seq: int) -> int:
        """Acknowledge all up to seq and return how many frames were freed; FutureAck above last_seq."""
        acked = self._numbers.acked
        return self._window.free(seq - acked) if self._numbers.ack(seq) else 0

    def replay(self, after: int, max_bytes: int) -> tuple[bytes, int]:
        """Return retained frames numbered above after, oldest first, and the number of the last one of them.

        As many as max_bytes hold, but at least one if there is one; if there is none, b"" and the higher one
        of after and acked_seq.
        """
        after, max_bytes = max(checks.u64(after), self.acked_seq), checks.u64(max_bytes)
        frames: list[bytes] = []
        size = 0
        for frame in self._window.after(after - self.acked_seq):
            size += len(frame)
            if frames and size > max_bytes:
                break
            frames.append(frame)
        return b"".join(frames), after + len(frames)

    def mark_overflow(self, responses: int = 0, notifies: int = 0) -> None:
        """Overflow now: drop the retained frames, and count so many messages more as dropped."""
        responses, notifies = checks.u32(responses), checks.u32(notifies)
        self._overflowed = True
        self._dropped = (self._dropped[0] + responses, self._dropped[1] + notifies)
        self._window.drop()

    def missed(self, after: int) -> tuple[int, int]:
        """Count (responses, notifies) numbered above after that are not acknowledged, retained or not."""
        return self._window.kinds(max(checks.u64(after) - self.acked_seq, 0))

    def close(self) -> None:
        """End: drop frames, requests in flight, bound and held notifies; missed() still tells."""
        self._closed = True
        self._window.drop()
        self._open.clear()
        self._binds = NotifyBuffers(0, 0)
        self._held.take()

    # What can be read

    @property
    def in_flight(self) -> int:
        """How many requests are accepted and not replied to."""
        return len(self._open)

    @property
    def bound(self) -> int:
        """How many notifies wait for the reply to their request."""
        return len(self._binds)

    @property
    def held(self) -> int:
        """How many notifies wait for release()."""
        return len(self._held.bodies)

    @property
    def max_client_seq(self) -> int:
        """The number of the last request accepted, 0 before the first."""
        return self._numbers.max_client_seq

    @property
    def last_seq(self) -> int:
        """The number of the last message sent."""
        return self._numbers.last

    @property
    def acked_seq(self) -> int:
        """The number of the last message acknowledged."""
        return self._numbers.acked

    @property
    def retained(self) -> int:
        """How many messages are kept for a resume."""
        return len(self._window.frames)

    @property
    def retained_bytes(self) -> int:
        """Bytes of the frames that are kept for a resume."""
        return self._window.bytes

    @property
    def fill(self) -> float:
        """How full the window is, by messages or bytes, whichever is more: 1.0 is full, more the reserve."""
        return max(self.retained / self._window.limit, self.retained_bytes / self._window.bytes_limit)

    @property
    def overflowed(self) -> bool:
        """Whether the session overflowed."""
        return self._overflowed

    @property
    def dropped(self) -> tuple[int, int]:
        """How many (responses, notifies) never took a number because the session overflowed."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    # Steps

    def _check_closed(self) -> None:
        if self._closed:
            raise OutboxClosed

    def _push(self, body: bytes) -> bytes:
        if self._overflowed:
            self.mark_overflow(notifies=1)
            raise Overflowed
        return self._send([_notify(body)], reserve=False)

    def _send_or_overflow(self, messages: list[Message]) -> bytes:
        """Send messages that may use the reserve, or drop and count all of them."""
        try:
            if not self._overflowed:
                return self._send(messages, reserve=True)
        except WindowFull:
            pass
        responses = sum(message.response for message in messages)
        self.mark_overflow(responses, len(messages) - responses)
        raise Overflowed

    def _send(self, messages: list[Message], *, reserve: bool) -> bytes:
        """Number, encode, frame and retain messages, or raise WindowFull and change nothing."""
        if not messages:
            return b""
        last = self._numbers.last
        check_left(last, len(messages))
        frames = [wire.frame(message.msg_id, seq, message.body) for seq, message in enumerate(messages, last + 1)]
        if not self._window.retain(frames, [message.response for message in messages], reserve):
            raise WindowFull
        self._numbers.next_many(len(frames))
        return b"".join(frames)
