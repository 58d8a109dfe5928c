"""Clients that come and go: a visit to a gateway, and every way in which one can end."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import TYPE_CHECKING

from quicgw_fast.clock import SystemClock
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport import TransportLimits, dial
from tests.support.raw_initial import first_packet
from tests.support.wire import Splitter, business, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.transport import Connection

PATIENCE = 30.0
"""Seconds after which a visit that goes nowhere is a fault."""
_LIMITS = TransportLimits(linger=0.0)
_CLOCK = SystemClock()
_visitors = itertools.count()


class Visit:
    """One connection; the SDK is not used, as it does its best to end well."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._splitter = Splitter()
        self._pushes: asyncio.Queue[pb.ServerPush | None] = asyncio.Queue()
        """What came; None at its end."""
        self._end: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count(1)
        self._msg_ids = itertools.count(1)

    def received(self, data: bytes, /) -> None:
        """Keep what came (``ConnectionHandler``)."""
        for body in self._splitter.feed(data):
            self._pushes.put_nowait(pb.ServerPush.FromString(body))

    def writable(self) -> None:
        """Nothing waits (``ConnectionHandler``)."""

    def closed(self, code: int, reason: str, _by_peer: bool, /) -> None:
        """Note how it ended (``ConnectionHandler``)."""
        self._end.set_result((code, reason))
        self._pushes.put_nowait(None)

    async def start(self, openid: str, session: pb.StartResponse | None = None) -> pb.StartResponse:
        """Begin a session, or go on with that of an earlier visit which acknowledged one message."""
        claim = pb.StartRequest(openid=openid)
        if session is not None:
            claim = pb.StartRequest(
                openid=openid, last_acked_seq_id=1, session_id=session.connection_id, epoch=session.epoch
            )
        self._send(pb.REQUEST_START, claim.SerializeToString())
        return pb.StartResponse.FromString((await self._next()).payload)

    async def log_in(self, openid: str) -> pb.StartResponse:
        """Begin a session and say hello."""
        started = await self.start(openid)
        assert started.success, started.error
        self.ask("hello")
        assert business(await self._next()).code == 200
        self._send(pb.REQUEST_ACK, pb.ClientAck(acked_seq_id=1).SerializeToString())
        return started

    def ask(self, action: str, data: bytes = b"", **params: str) -> None:
        """Send a request."""
        request = pb.BusinessRequest(action=action, params=params, data=data)
        self._send(pb.REQUEST_BUSINESS, request.SerializeToString(), next(self._numbers))

    def write(self, data: bytes) -> None:
        """Put bytes on the stream as they are."""
        self.connection.send(data)

    async def stop(self) -> None:
        """End the session, and wait until the gateway closes."""
        self._send(pb.REQUEST_STOP, pb.StopRequest(reason=pb.StopRequest.USER_LOGOUT).SerializeToString())
        await self.end(CloseCode.NORMAL)

    async def end(self, code: CloseCode) -> None:
        """Wait until the gateway closes in this way."""
        async with asyncio.timeout(PATIENCE):
            found, reason = await self._end
        assert found == code, f"closed with {found:#x} ({reason}) in place of {code.name}"
        await self.connection.wait_closed()

    async def leave(self) -> None:
        """Close, without STOP."""
        self.connection.close(0)
        await self.connection.wait_closed()

    async def vanish(self) -> None:
        """Be gone, and tell nobody."""
        self.connection.abort(0, "", tell_peer=False)
        await self.connection.wait_closed()

    async def _next(self) -> pb.ServerPush:
        async with asyncio.timeout(PATIENCE):
            push = await self._pushes.get()
        assert push is not None, f"closed in place of an answer: {self._end.result()}"
        return push

    def _send(self, kind: pb.RequestType, payload: bytes, seq: int = 0) -> None:
        request = pb.ClientRequest(msg_id=next(self._msg_ids), seq_id=seq, type=kind, payload=payload)
        self.write(frame(request.SerializeToString()))


class Visited:
    """The gateway that is visited."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)

    def name(self) -> str:
        """An openid that nobody else has."""
        return f"visitor-{next(_visitors)}"

    async def connect(self) -> Visit:
        """Do a handshake."""
        visits: list[Visit] = []

        def begin(connection: Connection) -> Visit:
            visits.append(Visit(connection))
            return visits[0]

        await dial(
            *self.address, factory=begin, insecure=True, timeout=PATIENCE, alpn=("gatesvr",), limits=_LIMITS,
            clock=_CLOCK, maker="quinn",
        )  # fmt: skip
        return visits[0]

    async def online(self) -> Visit:
        """Do a handshake and log in."""
        visit = await self.connect()
        await visit.log_in(self.name())
        return visit


ENDINGS: dict[str, Callable[[Visited], Awaitable[None]]] = {}


def ending(function: Callable[[Visited], Awaitable[None]]) -> Callable[[Visited], Awaitable[None]]:
    """Make a visit known by its name."""
    ENDINGS[function.__name__] = function
    return function


@ending
async def stop(visited: Visited) -> None:
    """As an honest client does it."""
    visit = await visited.online()
    await visit.stop()


@ending
async def close(visited: Visited) -> None:
    """Without STOP: the session waits for a resume that never comes."""
    visit = await visited.online()
    await visit.leave()


@ending
async def vanish(visited: Visited) -> None:
    """As a process that is killed: nothing is ever heard of it again."""
    visit = await visited.online()
    await visit.vanish()


@ending
async def resume(visited: Visited) -> None:
    """The connection is lost, and the session goes on over another one."""
    name = visited.name()
    first = await visited.connect()
    session = await first.log_in(name)
    await first.vanish()
    second = await visited.connect()
    again = await second.start(name, session)
    assert again.resumed, again
    await second.stop()


@ending
async def take_over(visited: Visited) -> None:
    """Somebody else of the same name comes while the first one is there."""
    name = visited.name()
    first, second = await visited.connect(), await visited.connect()
    await first.log_in(name)
    await second.log_in(name)
    await first.end(CloseCode.SUPERSEDED)
    await second.stop()


@ending
async def refused_start(visited: Visited) -> None:
    """START without an openid."""
    visit = await visited.connect()
    assert not (await visit.start("")).success
    await visit.end(CloseCode.PROTOCOL_ERROR)


@ending
async def no_start(visited: Visited) -> None:
    """A handshake, and then nothing."""
    visit = await visited.connect()
    await visit.vanish()


@ending
async def half_a_handshake(visited: Visited) -> None:
    """A first packet that is genuine, and then nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(first_packet(), visited.address)
    await asyncio.sleep(0)


@ending
async def half_a_message(visited: Visited) -> None:
    """Gone in the middle of a message."""
    visit = await visited.online()
    visit.write((50_000).to_bytes(4, "big") + bytes(20_000))
    await asyncio.sleep(0.01)
    await visit.vanish()


@ending
async def no_message(visited: Visited) -> None:
    """Bytes that are none."""
    visit = await visited.online()
    visit.write(frame(b"\xff" * 40))
    await visit.end(CloseCode.PROTOCOL_ERROR)


@ending
async def gone_while_asking(visited: Visited) -> None:
    """Gone while a service works for it."""
    visit = await visited.online()
    visit.ask("sleep", ms="1000")
    await asyncio.sleep(0.01)
    await visit.vanish()
