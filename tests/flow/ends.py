"""The two ends of the house: a link in place of the QUIC connection, and a function in place of the services."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from tests.support.wire import Splitter

if TYPE_CHECKING:
    from quicgw_fast.ports import Carrier, Metadata, ServiceRequest

HIGH_WATER = 512 << 10


class Link:
    """A connection that remembers what was sent on it and how it ended."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.alpn = "gatesvr"
        self.closed = False
        self.departed = False
        """Whether the client had closed already when what it sent is looked at."""
        self.pending = 0
        self.progress = 0
        self.counts_pending = False
        """Whether what is sent stays unacknowledged, until ``relieve``."""
        self.sent: list[pb.ServerPush] = []
        self.writes = 0
        """In how many pieces that came."""
        self.ended: tuple[CloseCode, str] | None = None
        self.flushed: bool | None = None
        """Whether the gateway's close was to wait until everything before it had arrived."""
        self.handler: Carrier
        self._splitter = Splitter()

    def ready(self) -> bool:
        return not self.closed and self.pending <= HIGH_WATER

    def send(self, data: bytes) -> None:
        if self.closed:
            return
        self.writes += 1
        self.sent += [pb.ServerPush.FromString(body) for body in self._splitter.feed(data)]
        assert not self._splitter.partial, "half a message was sent"
        if self.counts_pending:
            self.pending += len(data)
        else:
            self.progress += len(data)

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        if not self.closed:
            self.closed = True
            self.ended = (CloseCode(code), reason)
            self.flushed = flush
            # As the transport does: in the loop's next turn.
            asyncio.get_running_loop().call_soon(self.handler.closed, code, reason, False)

    def lose(self, code: int = 0) -> None:
        """The client disappears, or closes."""
        self.closed = True
        self.handler.closed(code, "", True)

    def read(self, count: int) -> None:
        """The client's QUIC acknowledged that many bytes."""
        self.pending -= count
        self.progress += count

    def relieve(self) -> None:
        """The client read everything."""
        self.read(self.pending)
        self.handler.writable()


@dataclass
class Call:
    """One call of a service, that ``answer`` or ``fail`` ends."""

    request: UpstreamRequest
    timeout: float
    metadata: Metadata
    result: asyncio.Future[UpstreamResponse]

    def answer(self, code: int = 200, message: str = "ok", data: bytes = b"", **headers: str) -> None:
        self.result.set_result(UpstreamResponse(code=code, message=message, data=data, headers=headers))

    def fail(self, reason: Exception) -> None:
        self.result.set_exception(reason)


@dataclass
class Upstream:
    """All services: an action in ``held`` waits for the test, the others are answered at once."""

    held: set[str] = field(default_factory=set)
    answers: dict[str, UpstreamResponse | Exception] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    async def __call__(self, encoded: ServiceRequest, timeout: float, metadata: Metadata) -> UpstreamResponse:
        request = UpstreamRequest.FromString(encoded.SerializeToString())
        call = Call(request, timeout, metadata, asyncio.get_running_loop().create_future())
        self.calls.append(call)
        if request.action in self.held:
            return await call.result
        answer = self.answers.get(request.action, UpstreamResponse(code=200, message="ok", data=request.data))
        if isinstance(answer, Exception):
            call.result.cancel()
            raise answer
        call.result.set_result(answer)
        return answer

    def waiting(self, action: str | None = None) -> list[Call]:
        """The calls that were not ended yet."""
        return [c for c in self.calls if not c.result.done() and (c.request.action == action or not action)]

    def called(self) -> list[str]:
        return [call.request.action for call in self.calls]
