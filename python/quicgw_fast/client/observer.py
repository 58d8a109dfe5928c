"""Listening in on a client: every message as it goes over the wire, for tests, traces and demonstrations.

An observer only looks. It is called in the application's event loop, in the order of the messages; what it raises goes
to the loop's exception handler and changes nothing. Without an observer none of this runs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, runtime_checkable

from quicgw_fast.backend import FrameDecoder
from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.proto.client_pb2 import ClientRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.client.home import Home
    from quicgw_fast.proto.client_pb2 import ServerPush

P = ParamSpec("P")


@runtime_checkable
class ClientObserver(Protocol):
    """Is told what one client sends and receives; ``connection`` counts the client's connections from 1."""

    def connection_up(self, connection: int) -> None:
        """A connection was made; START follows on it."""

    def request_sent(self, connection: int, request: ClientRequest) -> None:
        """A message was given to the connection: a request, an acknowledgement, a heartbeat, START or STOP."""

    def push_received(self, connection: int, push: ServerPush) -> None:
        """A message came, and the client has not looked at it yet: it may still be a duplicate or break a rule."""

    def connection_down(self, connection: int, code: int, reason: str, by_peer: bool) -> None:
        """The connection has ended, by the gateway (``by_peer``, with a code of protocol §6) or on this side."""


class Observation:
    """Numbers the connections of one client and tells its observer about them."""

    def __init__(self, observer: ClientObserver, home: Home) -> None:
        self._observer = observer
        self._home = home
        self._connections = 0

    def connection_up(self) -> int:
        """Return the number of the new connection."""
        self._connections += 1
        self._tell(self._observer.connection_up, self._connections)
        return self._connections

    def frames_sent(self, connection: int, frames: bytes) -> None:
        """Take whole frames apart again: only who is observed pays for that."""
        for body in FrameDecoder(MAX_BODY).feed(frames):
            request = ClientRequest.FromString(body)
            self._tell(self._observer.request_sent, connection, request)

    def push_received(self, connection: int, push: ServerPush) -> None:
        """Pass it on."""
        self._tell(self._observer.push_received, connection, push)

    def connection_down(self, connection: int, code: int, reason: str, by_peer: bool) -> None:
        """Pass it on."""
        self._tell(self._observer.connection_down, connection, code, reason, by_peer)

    def _tell(self, method: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        self._home.tell("the client's observer failed", partial(method, *args, **more))
