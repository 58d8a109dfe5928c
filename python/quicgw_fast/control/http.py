"""Connections to the admin pages that say nothing, or not enough, do not stay: uvicorn itself would let them."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from quicgw_fast.control.errors import failed

if TYPE_CHECKING:
    import asyncio

REQUEST_TIMEOUT = 5.0
"""Seconds for a request and its answer, from the connection or the last answer on."""
MOST = 128
"""Connections at once. One more takes the place of the one that has been silent longest, so that whoever asks is
answered, however many others are silent."""

PATIENCE = "quicgw.patience"
"""Key of the scope: how many seconds a page needs beyond those of every answer, set by it before it needs them."""

_RESET = struct.pack("ii", 1, 0)
_CLOSE = {"connection": "close"}


class AdminConnection(H11Protocol):
    """uvicorn's connection, with an end: also for half a request, an unread answer, a peer that is gone."""

    def __init__(self, *arguments: Any, timeout: float = REQUEST_TIMEOUT, most: int = MOST, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timeout = timeout
        self._most = most
        self._late: asyncio.TimerHandle | None = None

    @property
    def deadline(self) -> float:
        """When it is closed unless a request is answered before, in the loop's time."""
        return 0.0 if self._late is None else self._late.when()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give it its time, and make room when there are too many (asyncio)."""
        super().connection_made(transport)
        self._arm()
        others = [other for other in self.connections if isinstance(other, AdminConnection) and other is not self]
        if len(others) >= self._most:
            longest = min(others, key=lambda other: (other.answering, other.deadline))
            # Many may come in one turn of the loop, and what was aborted hears of it only in the next one.
            self.connections.discard(longest)
            longest.drop()

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        """Give it its time for the next request (uvicorn)."""
        super().on_response_complete()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline (asyncio)."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the sentence is our own
        """Answer what is no request as all errors are answered (uvicorn)."""
        told = failed(400, "BAD_REQUEST", "this is no HTTP request", "ask for example with curl or a browser", _CLOSE)
        for event in (
            h11.Response(status_code=400, headers=told.raw_headers, reason=b"Bad Request"),
            h11.Data(data=bytes(told.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def drop(self) -> None:
        """Close at once. What a deaf peer has not read is thrown away, in the kernel too."""
        if self.transport.get_write_buffer_size():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _arm(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(self._timeout, self._due)

    def _due(self) -> None:
        scope: dict[str, Any] = self.scope if self.answering else {}  # type: ignore[assignment]
        patience = scope.pop(PATIENCE, 0.0)
        if patience:
            self._late = self.loop.call_later(patience, self._due)
        else:
            self.drop()
