"""One connection to a service: what the compiled client makes of bytes, put between the loop's socket and the calls.

Everything happens in bursts. What one turn of the loop submits goes out with one write at the end of that turn, and
what one read brings is handed out at once. There is one timer for the deadlines of all calls, set to the first.

A connection is ``greeted`` when the service has shown that it speaks HTTP/2; ``left`` when it takes no more calls, as
the service renews it or it broke off; and ``closed`` when its socket is gone. Between the last two, calls under way end
by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, NamedTuple, cast

from quicgw_fast._core import Http2Connection
from quicgw_fast.ports import NO_METADATA
from quicgw_fast.upstream.method import LARGEST_ANSWER, PROCESS_REQUEST
from quicgw_fast.upstream.native.failures import HungUp

if TYPE_CHECKING:
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Metadata


_log = logging.getLogger("quicgw.upstream")


class KeepAlive(NamedTuple):
    """When a connection with calls under way is asked for a sign of life; both in seconds."""

    after: float
    """The silence that makes us ask."""
    within: float
    """The silence after that which is the answer: it is gone."""


KEEP_ALIVE = KeepAlive(310.0, 10.0)
"""A ping every 5 minutes is the most that default gRPC servers tolerate."""


class NativeConnection(asyncio.Protocol):
    """Made for ``loop.create_connection``; the service is told to be called by ``address``; ``path`` is the method."""

    def __init__(self, address: str, keep_alive: KeepAlive = KEEP_ALIVE, path: str = PROCESS_REQUEST) -> None:
        self._loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self.left: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.broke_off = False
        """It is over because its socket is, and not for anything that came."""
        self.authority = address
        self._core = Http2Connection(address, path, LARGEST_ANSWER)
        self._calls: dict[int, Done[bytes]] = {}
        self._transport: asyncio.Transport
        self._writable = True
        self._flush_due = False
        self._first_deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        """For the first deadline."""
        self._keep_alive = keep_alive
        self._heard = False
        """Since the last look at the silence."""
        self._silence: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> str | None:
        """Why it is over; None while it is not."""
        return self._core.ended

    @property
    def violated(self) -> bool:
        """Whether it is over for what came, which broke the protocol or was too much."""
        return self._core.ended is not None and not self.broke_off

    def begin(
        self, message: bytes, deadline: float, done: Done[bytes], metadata: Metadata = NO_METADATA
    ) -> Cancellable:
        """Begin a call with an encoded request; ``deadline`` in seconds of the loop's clock.

        ``done`` is told the encoded answer, or a CallFailure.
        """
        number = self._core.submit(message, deadline, metadata)
        self._calls[number] = done
        if deadline < self._first_deadline:
            self._wake_at(deadline)
        self._flush_soon()
        return _ConnectionCall(self, number)

    def cancel(self, number: int) -> None:
        """Give a call up; nothing for one that has ended."""
        if self._calls.pop(number, None) is not None:
            self._core.cancel(number)
            self._flush_soon()

    def leave(self) -> None:
        """Take no more calls; close when those under way have ended by themselves."""
        if not self.left.done():
            self.left.set_result(None)
            self._flush_soon()

    def hang_up(self) -> None:
        """Close; calls under way raise HungUp, and the service is told that nobody waits for them."""
        calls, self._calls = self._calls, {}
        for number, done in calls.items():
            self._core.cancel(number)
            _tell(done, HungUp())
        if not self._transport.is_closing():
            self._flush()
            self._close()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the beginning."""
        self._transport = cast("asyncio.Transport", transport)
        self._silence = self._loop.call_later(self._keep_alive.after, self._look_at_silence)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand out what came."""
        self._heard = True
        if not self._core.receive(data):
            self._transport.pause_reading()
        self._settle()
        # Answers, and what those who waited for them submit next, go out together.
        self._flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is left."""
        for timer in (self._timer, self._silence):
            if timer is not None:
                timer.cancel()
        self.broke_off = self._core.ended is None
        self._core.lost(str(exc) if exc is not None else "it was closed")
        self._settle()
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Leave what is to be sent where it is: each call can still be cancelled there."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self._writable = True
        self._flush()

    # What follows from it

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._transport.is_closing():
            return
        now = self._loop.time()
        while self._writable and (data := self._core.output(now)):
            self._transport.write(data)
        if not self._transport.is_reading() and self._core.receive(b""):
            self._transport.resume_reading()
        self._settle()
        if self._core.ended is not None or (self.left.done() and not self._core.under_way):
            self._close()

    def _close(self) -> None:
        if self._transport.get_write_buffer_size():
            # Nobody reads it, or not soon.
            self._transport.abort()
        else:
            self._transport.close()

    def _settle(self) -> None:
        """Hand out what became of calls, and say what became of the connection."""
        if not self._core.open:
            self._not_open()
        elif not self.greeted.done():
            self.greeted.set_result(None)
        for number, outcome in self._core.done():
            if (done := self._calls.pop(number, None)) is not None:  # else it was given up in this turn
                _tell(done, outcome)

    def _not_open(self) -> None:
        if self.greeted.done() or self._core.ended is not None:
            for milestone in (self.greeted, self.left):
                if not milestone.done():
                    milestone.set_result(None)

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._first_deadline = deadline
        self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        # A loop may wake us a little too early by its own clock.
        self._core.expire(max(self._loop.time(), self._first_deadline))
        self._settle()
        self._flush_soon()
        self._timer, self._first_deadline = None, math.inf
        # Most calls have ended long before their deadline, and the first one that is left is far from now.
        if (deadline := self._core.next_deadline) is not None:
            self._wake_at(deadline)

    def _look_at_silence(self) -> None:
        after, check = self._keep_alive.after, self._look_at_silence
        if not self._heard and self._core.under_way:
            self._core.ping()
            self._flush_soon()
            after, check = self._keep_alive.within, self._look_for_life
        self._heard = False
        self._silence = self._loop.call_later(after, check)

    def _look_for_life(self) -> None:
        if self._heard:
            self._look_at_silence()
        else:
            self._core.lost("no sign of life")
            self._settle()
            self._transport.abort()


def _tell(done: Done[bytes], outcome: bytes | Exception) -> None:
    """Tell one call of its end; a bug in whatever follows from it must not cost the others theirs."""
    try:
        done(outcome)
    except Exception:
        _log.exception("end of a call not handled")


class _ConnectionCall:
    """One call of a connection."""

    __slots__ = ("_connection", "_number")

    def __init__(self, connection: NativeConnection, number: int) -> None:
        self._connection = connection
        self._number = number

    def cancel(self) -> None:
        self._connection.cancel(self._number)
