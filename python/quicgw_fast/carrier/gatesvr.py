"""The carrier ``gatesvr``: messages on a connection's stream, each with its length before it (protocol §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.carrier.incoming import parse_envelope
from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import FrameDecoder
    from quicgw_fast.ports import Crowd, Inflow, MessageReceiver, SlowSender

MAX_BODY = 1 << 20
"""Bytes of one message (protocol §1)."""
MAX_BODY_BEFORE_START = 4 << 10
"""Bytes of the first message, from a client that nobody knows yet (protocol §1)."""
HELD_COST = 128
"""Bytes that keeping one of them costs on top of its body."""


class GatesvrCarrier:
    """The transport's handler of one connection; nothing that a client sends raises out of here."""

    # A gateway keeps one for each of many thousand clients.
    __slots__ = (
        "_crowd", "_decoder", "_held", "_held_bytes", "_inflow", "_now", "_partial_at", "_partial_since", "_receiver",
        "_slow"
    )  # fmt: skip

    def __init__(
        self,
        receiver: MessageReceiver,
        make_decoder: Callable[[int, int], FrameDecoder],
        now: Callable[[], float],
        slow: SlowSender,
        crowd: Crowd,
        inflow: Inflow,
    ) -> None:
        """``now`` gives monotonic seconds; while there is a ``crowd``, requests may be refused many at once.

        ``inflow`` is told of all that comes.
        """
        self._receiver = receiver
        self._decoder = make_decoder(MAX_BODY, MAX_BODY_BEFORE_START)
        self._now = now
        self._slow = slow
        self._crowd = crowd
        self._inflow = inflow
        self._partial_since: float | None = None
        """When the message began that is incomplete; None at a border between messages."""
        self._partial_at = 0.0
        """When the last bytes of it came."""
        self._held: list[bytes] | None = None
        """Messages that came while the receiver takes none; None while it takes them."""
        self._held_bytes = 0

    def received(self, data: bytes, /) -> None:
        """Take bytes of the stream."""
        receiver = self._receiver
        if receiver.over:
            return
        self._inflow.bytes += len(data)
        self._inflow.began = self._now()
        try:
            bodies, failure = self._decoder.feed(data), None
        except FrameTooLarge as error:
            bodies, failure = error.messages, ProtocolError(ErrorCode.TOO_LARGE, "message too large", str(error))
        if self._crowd.crowded:
            self._take_many(bodies)
        else:
            for body in bodies:
                if receiver.over:
                    return
                self._message(body)
        if failure is not None and not receiver.over:
            receiver.fail(failure)
        if self._decoder.partial or self._partial_since is not None:
            self._watch_partial(progress=bool(bodies))

    # What has nothing to do with bytes goes from the transport to the receiver without a stop.

    @property
    def writable(self) -> Callable[[], None]:
        """The receiver's."""
        return self._receiver.writable

    @property
    def closed(self) -> Callable[[int, str, bool], None]:
        """The receiver's."""
        return self._receiver.closed

    @property
    def incomplete(self) -> bool:
        """Whether a message has begun that is not complete."""
        return self._decoder.partial > 0

    @property
    def unfinished(self) -> int:
        """Bytes of a message that is not complete, and of those that are kept back."""
        return self._decoder.partial + self._held_bytes

    @property
    def held(self) -> bool:
        """Whether messages are kept back."""
        return self._held is not None

    def hold(self) -> None:
        """Keep the messages that come from now on until ``let_go``, and parse none of them."""
        self._held, self._held_bytes = [], 0

    def let_go(self) -> None:
        """Go on with what was kept, in order."""
        bodies, self._held = self._held or [], None
        self._held_bytes = 0
        self._inflow.began = self._now()
        for body in bodies:
            if self._receiver.over:
                return
            self._message(body)
        self._receiver.watch(self.incomplete)

    def slow_for(self, now: float) -> str:
        """Say what is too slow about the message that is incomplete at ``now``; empty when nothing is (protocol §3)."""
        if self._partial_since is None:
            return ""
        pause, rate = self._slow
        if now - self._partial_at > pause:
            return f"no byte of a message for {pause:g} s"
        # The rate counts from where a message of nothing but pauses would have been given up.
        due = (now - self._partial_since - pause) * rate
        return f"a message came with less than {rate} bytes a second" if self._decoder.partial < due else ""

    def _take_many(self, bodies: list[bytes]) -> None:
        """Take messages of which the receiver may refuse many at once, unparsed."""
        receiver, at = self._receiver, 0
        while at < len(bodies) and not receiver.over:
            refused = receiver.turn_away(bodies, at) if self._held is None else 0
            if not refused:
                self._message(bodies[at])
            at += refused or 1

    def _message(self, body: bytes) -> None:
        if self._held is not None:
            self._held.append(body)
            self._held_bytes += len(body) + HELD_COST
            self._receiver.kept(self._held_bytes)
            return
        self._inflow.size = len(body)
        try:
            self._receiver.message(parse_envelope(body))
        except ProtocolError as error:
            self._receiver.fail(error)

    def _watch_partial(self, *, progress: bool) -> None:
        incomplete = self.incomplete
        if not incomplete:
            self._partial_since = None
        else:
            self._partial_at = self._now()
            if self._partial_since is None or progress:
                self._partial_since = self._partial_at
        self._receiver.watch(incomplete)
