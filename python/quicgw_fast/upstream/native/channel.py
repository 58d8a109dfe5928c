"""The channel to one upstream address: a connection after the other, and the calls over them.

While there is a connection, calls go over it. While the next one is being made, they wait; once an attempt to make it
has failed, they fail at once for its reason, until an attempt succeeds. When the service renews a connection, it is
replaced while the calls under way over it end by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast import completions
from quicgw_fast.ports import NO_METADATA
from quicgw_fast.upstream.causes import BROKE_OFF, DO_NOT_LAST, REFUSED_TLS
from quicgw_fast.upstream.errors import UpstreamFailed
from quicgw_fast.upstream.health import CallsUnderWay, ChannelHealth
from quicgw_fast.upstream.method import HEALTH_CHECK, PROCESS_REQUEST, parse_answer
from quicgw_fast.upstream.native.dialling import dial
from quicgw_fast.upstream.native.failures import (
    CallFailure,
    DeadlinePassed,
    HungUp,
    NeverLookedAt,
    NeverSent,
    NotConnected,
    StatusFailure,
)
from quicgw_fast.upstream.renewals import Renewals
from quicgw_fast.upstream.tls import authority_of

if TYPE_CHECKING:
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Metadata, ServiceRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.native.connection import NativeConnection
    from quicgw_fast.upstream.seam import ChannelListener
    from quicgw_fast.upstream.tls import UpstreamTls

_log = logging.getLogger("quicgw.upstream")

# Seconds from the beginning of an attempt to that of the next one: after the first attempt that failed, and at most;
# what comes back is used within about 2 s.
_AFTER_FAILURE = 0.1
_AT_MOST = 1.0
_GROWTH = 1.6
# Seconds by which a service that was told the deadline may seem to end too early: its clock is another one.
_CLOCKS_DIFFER = 0.01


class NativeChannel:
    """The ``Channel`` to one address, which it keeps dialling. Make it inside the running loop."""

    def __init__(self, instance: Instance, listener: ChannelListener, tls: UpstreamTls | None) -> None:
        self._instance = instance
        self._address = instance.address
        self._tls = tls
        self._health = ChannelHealth(instance, listener)
        self._calls = CallsUnderWay(instance)
        self._clock = asyncio.get_running_loop().time
        self._connection: NativeConnection | None = None
        """The one that takes calls."""
        self._unclosed: set[NativeConnection] = set()
        """That one, and those over which calls are under way still."""
        self._failure: CallFailure | None = None
        """Why calls fail without a connection."""
        self._news = asyncio.Event()
        """Set, and replaced, when there is a new connection or a failure."""
        self._leaving = False
        self._dialler = asyncio.create_task(self._stay_connected(), name=f"upstream-health-{instance.address}")

    def begin(
        self,
        request: ServiceRequest,
        timeout: float,
        done: Done[UpstreamResponse],
        metadata: Metadata = NO_METADATA,
    ) -> Cancellable:
        """See ``Channel``."""
        self._calls.begin()
        call = _ChannelCall(self, request.SerializeToString(), metadata, self._clock() + timeout, done)
        connection = self._connection
        if connection is None or connection.left.done():
            call.go_by_any()
        else:
            call.go_by(connection)
        return call

    async def call_by_any(self, message: bytes, metadata: Metadata, deadline: float, *, refused: bool) -> bytes:
        """Call over the connection that there is, or the next one; ``refused``: one did not look at the call."""
        while True:
            connection = self._connection
            if connection is None or connection.left.done():
                connection = await self._next_connection(deadline)
            try:
                return await completions.result(partial(connection.begin, message, deadline, metadata=metadata))
            except NeverSent:
                pass  # without harm, and as often as it may be: each time takes a new connection
            except NeverLookedAt:
                if refused:
                    raise
                refused = True

    def outcome_of(self, ended: bytes | Exception, deadline: float) -> UpstreamResponse | Exception:
        """What an encoded answer, or what happened to the connection, means for a call; not under way any more."""
        outcome: UpstreamResponse | Exception
        try:
            if isinstance(ended, bytes):
                outcome = parse_answer(self._address, ended)
            elif isinstance(ended, CallFailure):
                passed = self._clock() >= deadline - _CLOCKS_DIFFER
                outcome = ended.explained(self._address, passed=passed)
                outcome.__cause__ = ended
            else:
                outcome = ended
        except UpstreamFailed as error:
            # Its traceback ends here, in the frame that holds it: a circle, with the answer in it.
            outcome = error.with_traceback(None)
        self._calls.end(outcome)
        return outcome

    def gave_up(self) -> None:
        """A call is not under way any more, as nobody waits for it."""
        self._calls.end()

    async def _next_connection(self, deadline: float) -> NativeConnection:
        while (connection := self._connection) is None or connection.left.done():
            if connection is None and self._failure is not None:
                raise self._failure.with_traceback(None)  # of the last one who was told
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                raise DeadlinePassed from None
        return connection

    async def wait_reached(self, seconds: float) -> None:
        """See ``Channel``."""
        await self._health.wait_reached(seconds)

    async def lives(self, seconds: float) -> bool:
        """See ``Channel``. Over a connection of its own: that one comes about says most of it."""
        deadline = self._clock() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._dial(HEALTH_CHECK)
        except (NotConnected, TimeoutError):
            return False
        try:
            await completions.result(partial(connection.begin, b"", deadline))
        except StatusFailure:
            return True
        except CallFailure:
            return False
        finally:
            connection.hang_up()
        return True

    def renew(self, tls: UpstreamTls | None) -> None:
        """See ``Channel``."""
        self._tls = tls
        if self._connection is not None:
            self._connection.leave()

    async def drain(self) -> None:
        """See ``Channel``."""
        self._leaving = True
        await self._calls.ended()
        await self.close()

    async def close(self) -> None:
        """See ``Channel``."""
        self._leaving = True
        self._dialler.cancel()
        self._connection = None
        self._fail(HungUp())
        for connection in self._unclosed:
            connection.hang_up()
        await asyncio.wait({self._dialler, *(connection.closed for connection in self._unclosed)})

    async def _stay_connected(self) -> None:
        try:
            await self._dial_again_and_again()
        except Exception as error:
            # A fault of the program. Calls must not wait for a connection that nobody makes.
            _log.exception("upstream not followed any more", extra={"address": self._address})
            self._fail(NotConnected("nobody connects to it any more", repr(error)))

    async def _dial(self, path: str) -> NativeConnection:
        authority = authority_of(self._instance, self._tls)
        return await dial(self._address, path=path, authority=authority, tls=self._tls)

    async def _dial_again_and_again(self) -> None:
        pause, spoke = _AFTER_FAILURE, False
        renewals = Renewals()
        while True:
            began, tls = self._clock(), self._tls
            try:
                connection = await self._dial(PROCESS_REQUEST)
            except NotConnected as failure:
                # A service that stops closes its connections first: the next one may be taken still, and is dropped.
                # What that means for the service, the attempt after it tells.
                if not (spoke and failure.cause in {BROKE_OFF, REFUSED_TLS}):
                    self._down(failure)
                renewals.failed()
                wait, pause, spoke = pause, min(pause * _GROWTH, _AT_MOST), False
            else:
                self._up(connection)
                if tls is not self._tls:  # it was renewed meanwhile
                    connection.leave()
                await connection.left
                self._connection = None
                self._health.disconnected()
                # One that ended for what came over it was never of use.
                lasted = 0.0 if connection.violated else self._clock() - began
                wait, pause, spoke = renewals.over(lasted), _AFTER_FAILURE, True
                if renewals.too_often(wait):
                    self._down(NotConnected(BROKE_OFF, DO_NOT_LAST))
            await asyncio.sleep(began + wait - self._clock())

    def _up(self, connection: NativeConnection) -> None:
        self._unclosed.add(connection)
        connection.closed.add_done_callback(lambda _: self._unclosed.discard(connection))
        self._connection, self._failure = connection, None
        self._announce()
        if not self._leaving:
            self._health.up()

    def _down(self, failure: NotConnected) -> None:
        self._fail(failure)
        if self._health.would_be_news and not self._leaving:
            self._health.down(failure.cause)

    def _fail(self, failure: CallFailure) -> None:
        self._failure = failure
        self._announce()

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _ChannelCall:
    """One call under way: over the connection that it was begun on, which costs least, or over whichever comes."""

    __slots__ = ("_channel", "_deadline", "_done", "_message", "_metadata", "_way")

    def __init__(
        self,
        channel: NativeChannel,
        message: bytes,
        metadata: Metadata,
        deadline: float,
        done: Done[UpstreamResponse],
    ) -> None:
        self._channel = channel
        self._message = message
        self._metadata = metadata
        self._deadline = deadline
        self._done = done
        self._way: Cancellable

    def go_by(self, connection: NativeConnection) -> None:
        self._way = connection.begin(self._message, self._deadline, self._ended, self._metadata)

    def go_by_any(self, *, refused: bool = False) -> None:
        work = self._channel.call_by_any(self._message, self._metadata, self._deadline, refused=refused)
        self._way = completions.begin(work, self._conclude, "upstream-call")

    def cancel(self) -> None:
        self._way.cancel()
        self._channel.gave_up()

    def _ended(self, ended: bytes | Exception) -> None:
        if isinstance(ended, NeverSent | NeverLookedAt):
            self.go_by_any(refused=isinstance(ended, NeverLookedAt))
        else:
            self._conclude(ended)

    def _conclude(self, ended: bytes | Exception) -> None:
        self._done(self._channel.outcome_of(ended, self._deadline))
