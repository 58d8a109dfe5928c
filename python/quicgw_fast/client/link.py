"""One connection: dial, START, messages, and how it ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.addresses import join_address
from quicgw_fast.backend import FrameDecoder, FrameTooLarge
from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.client import wire
from quicgw_fast.client.errors import ConnectionFailed, ProtocolFailure, ReplyError, TooLarge
from quicgw_fast.client.heartbeats import Heartbeats
from quicgw_fast.clock import SystemClock
from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import GATESVR
from quicgw_fast.proto.client_pb2 import PUSH_ERROR, PUSH_HEARTBEAT_RESP, PUSH_START_RESP
from quicgw_fast.transport import ConnectFailed, Problem, TransportLimits, dial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.client.errors import QuicgwClientError
    from quicgw_fast.client.messages import ClientStats, StopReason
    from quicgw_fast.client.observer import Observation
    from quicgw_fast.client.options import ClientOptions
    from quicgw_fast.client.wire import ResumeClaim, StartAnswer
    from quicgw_fast.proto.client_pb2 import ServerPush
    from quicgw_fast.transport import Connection

LIMITS = TransportLimits()


@dataclass(slots=True, frozen=True)
class LinkEnd:
    """How a connection ended, or why there was none.

    by_peer: the gateway closed it, and ``code`` is one of protocol §6; else it was lost or given up here.
    error: why START was refused (ReplyError), or what went wrong on this side.
    """

    code: int = CloseCode.NORMAL
    reason: str = ""
    by_peer: bool = False
    error: QuicgwClientError | None = None


class LinkOwner(Protocol):
    """Who uses a link; every method is called in the event loop, in the order of the messages."""

    def started(self, link: ClientLink, answer: StartAnswer) -> None:
        """START was accepted; what this method sends goes first. May raise ProtocolFailure."""

    def pushed(self, link: ClientLink, push: ServerPush, now: float, size: int) -> None:
        """A message of ``size`` bytes came, neither a START_RESP nor a HEARTBEAT_RESP. May raise ProtocolFailure."""

    def paused(self) -> None:
        """Everything that came together has been handed over."""

    def writable(self, link: ClientLink) -> None:
        """What was congested flows again."""

    def token_expires(self, seconds: float | None) -> None:
        """A HEARTBEAT_RESP says how long the token still lives, None: not in a way that is understood."""


class ClientLink:
    """One attempt at a connection, from dial to end; use it once."""

    def __init__(
        self,
        owner: LinkOwner,
        address: tuple[str, int],
        options: ClientOptions,
        stats: ClientStats,
        observation: Observation | None = None,
    ) -> None:
        """``address`` is where it goes: that of the options, or another gateway that the client was sent to."""
        self._owner = owner
        self._address = address
        self._options = options
        self._stats = stats
        self._observation = observation
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._decoder = FrameDecoder(MAX_BODY)
        self._msg_ids = 0
        self._settled: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[LinkEnd] = self._loop.create_future()
        self._heartbeats: Heartbeats | None = None
        self.started_at: float | None = None
        """The loop's time at which START was accepted."""

    # One life

    async def run(self, token: str, claim: ResumeClaim, limit: float) -> LinkEnd:
        """Dial, START within ``limit`` seconds, then live until the end; returns how it ended."""
        try:
            await self._open(token, claim, limit)
            return await self._ended
        except asyncio.CancelledError:
            self.drop("given up")
            raise

    async def _open(self, token: str, claim: ResumeClaim, limit: float) -> None:
        """Dial, send START and wait for its answer; every failure becomes the end of the link."""
        options = self._options
        try:
            async with asyncio.timeout(limit):
                await dial(
                    *self._address,
                    factory=self._attach,
                    ca=options.tls.ca,
                    insecure=options.tls.insecure,
                    server_name=options.tls.server_name or options.host,
                    timeout=limit,
                    alpn=(GATESVR,),
                    limits=LIMITS,
                    clock=SystemClock(),  # of this event loop
                    maker=options.transport,
                )
                self.send(wire.start_frame(self._next_msg_id(), options.openid, token, claim))
                await self._settled
        except ConnectFailed as error:
            failed = ConnectionFailed(str(error), error.problem, error.retry_after)
            failed.__cause__ = error
            self._end(LinkEnd(error=failed))
        except TimeoutError:
            self.drop("it took too long", self.too_late(limit))
        except TooLarge as error:
            self.drop("START is too large", error)

    def too_late(self, limit: float) -> ConnectionFailed:
        """Say what is still missing after ``limit`` seconds: the connection, or the answer to START."""
        limit = round(limit, 2)  # without the fractions that were used up before dialing
        where = join_address(*self._address)
        if self._connection is not None:
            return ConnectionFailed(f"{where}: connected, but START was not answered within {limit:g} s")
        return ConnectionFailed(
            f"{where}: no answer within {limit:g} s: is the host up, and does a firewall let UDP through to it?",
            Problem.NO_ANSWER,
        )

    @property
    def heartbeats(self) -> Heartbeats:
        """There are none before the owner's started()."""
        assert self._heartbeats is not None
        return self._heartbeats

    def send(self, frames: bytes) -> None:
        """Queue whole frames."""
        if self._connection is not None and not self._ended.done():
            self._connection.send(frames)
            if self._observation is not None:
                self._observation.frames_sent(self._number, frames)

    def ready(self) -> bool:
        """Whether more may be sent now; False promises the owner's writable() unless the connection is over."""
        return self._connection is not None and not self._ended.done() and self._connection.ready()

    @property
    def room(self) -> int:
        """Bytes that take the connection over its high water mark; then ready() says no."""
        return LIMITS.high_water + 1 - self._connection.pending if self._connection is not None else 0

    def stop(self, reason: StopReason) -> None:
        """Send STOP: the gateway ends the session and closes the connection."""
        self.send(wire.stop_frame(self._next_msg_id(), reason))

    def drop(self, why: str, error: QuicgwClientError | None = None, code: int = CloseCode.NORMAL) -> None:
        """Close from this side without STOP: for the gateway the session is detached (protocol §5)."""
        self._end(LinkEnd(code, why, error=error))
        if self._connection is not None:
            self._connection.close(code, f"{CloseCode(code).name}: {why}")

    async def wait_ended(self, limit: float) -> None:
        """Wait until the connection has ended, at most ``limit`` seconds."""
        await asyncio.wait([self._ended], timeout=limit)

    async def wait_gone(self) -> None:
        """Wait until nothing is left of an ended connection, its socket included."""
        if self._connection is not None:
            await self._connection.wait_closed()

    def abandon(self) -> None:
        """Leave nothing behind, now: what has not been acknowledged is not waited for."""
        if self._connection is not None:
            self._connection.abort(CloseCode.NORMAL, CloseCode.NORMAL.phrase("given up"))

    # What the transport calls

    def _attach(self, connection: Connection) -> ClientLink:
        self._connection = connection
        if self._observation is not None:
            self._number = self._observation.connection_up()
        return self

    def received(self, data: bytes) -> None:
        """Stream bytes in order."""
        if self._ended.done():
            return
        now = self._loop.time()
        if self._heartbeats is not None:
            self._heartbeats.heard(now)
        broken: FrameTooLarge | None = None
        try:
            bodies = self._decoder.feed(data)
        except FrameTooLarge as error:
            bodies, broken = error.messages, error
        try:
            for body in bodies:
                push = wire.parse_push(body)
                if self._observation is not None:
                    self._observation.push_received(self._number, push)
                self._dispatch(push, now, len(body))
                if self._ended.done():
                    return
            if broken is not None:
                raise ProtocolFailure(str(broken)) from broken
        except ProtocolFailure as error:
            self.drop(str(error), error, CloseCode.PROTOCOL_ERROR)
        else:
            self._owner.paused()

    def writable(self) -> None:
        """The connection took what was pending."""
        if self._heartbeats is not None and not self._ended.done():
            self._owner.writable(self)

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        """The connection is over."""
        self._end(LinkEnd(code, reason, by_peer))
        if self._observation is not None:
            self._observation.connection_down(self._number, code, reason, by_peer)

    # Messages

    def _next_msg_id(self) -> int:
        """Return a msg_id for a message that is not a request."""
        self._msg_ids += 1
        return wire.control_msg_id(self._msg_ids)

    def _dispatch(self, push: ServerPush, now: float, size: int) -> None:
        if self._heartbeats is None:
            self._begin(push, now)
        elif push.type == PUSH_HEARTBEAT_RESP:
            headers = dict(push.headers)
            self._heartbeats.answered(push.msg_id, headers, now)
            if wire.EXPIRES_HEADER in headers:
                self._owner.token_expires(wire.expires_in(headers))
        elif push.type == PUSH_START_RESP:
            raise ProtocolFailure("a second START_RESP came")
        else:
            self._owner.pushed(self, push, now, size)

    def _begin(self, push: ServerPush, now: float) -> None:
        if push.type == PUSH_ERROR:
            return self._refused(wire.parse_error(push))
        if push.type != PUSH_START_RESP:
            raise ProtocolFailure("the first message is not a START_RESP")
        try:
            answer = wire.parse_start(push)
        except ReplyError as refusal:
            return self._refused(refusal)
        self.started_at = now
        interval = self._options.heartbeat
        if answer.heartbeat_interval > 0:
            interval = min(interval, answer.heartbeat_interval)
        self._heartbeats = Heartbeats(
            interval, self._options.max_missed, self._stats, send=self._send_heartbeat, silent=self._silent
        )
        self._owner.started(self, answer)
        if not self._settled.done():
            self._settled.set_result(None)
        return None

    def _refused(self, refusal: ReplyError) -> None:
        self.drop("START was refused", refusal)

    def _send_heartbeat(self, headers: Mapping[str, str] | None) -> int:
        msg_id = self._next_msg_id()
        self.send(wire.heartbeat_frame(msg_id, time.time_ns() // 1_000_000, headers))
        return msg_id

    def _silent(self, seconds: float) -> None:
        self.drop("no answer to heartbeats", ConnectionFailed(f"nothing came from the gateway for {seconds:g} s"))

    # End

    def _end(self, end: LinkEnd) -> None:
        if self._ended.done():
            return
        self._ended.set_result(end)
        if not self._settled.done():
            self._settled.set_result(None)
        if self._heartbeats is not None:
            self._heartbeats.end()
