"""The client side: one connection on a socket of its own."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.problems import Problem, explain, no_answer, told_delay
from quicgw_fast.transport.quinn.connection import QuinnConnection, Side
from quicgw_fast.transport.quinn.driver import Driver
from quicgw_fast.transport.reset_key import new_reset_key
from quicgw_fast.transport.text import format_address
from quicgw_fast.transport.trusted import trusted

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.transport.connection_ids import ConnectionIds
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.seam import Connection, ConnectionHandler, HandlerFactory, Trust
    from quicgw_fast.transport.termination import Termination

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})


async def connect(
    sock: socket.socket,
    factory: HandlerFactory,
    *,
    trust: Trust,
    alpn: Sequence[str],
    limits: TransportLimits,
    connection_ids: ConnectionIds,
    clock: Clock,
) -> Connection:
    """Do the handshake with the peer of ``sock``; see ``seam.TransportMaker``."""
    return await QuinnDialer(sock, factory, trust, alpn, limits, connection_ids, clock).connect()


class QuinnDialer:
    """The owner of one dialed connection and its socket."""

    closing_period = 0.2
    draining_period = 0.0

    def __init__(
        self,
        sock: socket.socket,
        factory: HandlerFactory,
        trust: Trust,
        alpn: Sequence[str],
        limits: TransportLimits,
        connection_ids: ConnectionIds,
        clock: Clock,
    ) -> None:
        self._factory = factory
        self._trust = trust
        self._alpn = alpn
        host, port = sock.getpeername()[:2]
        self._where = format_address((host, port))
        self._socket_problem: tuple[Problem, str] | None = None
        self._driver = Driver(sock, limits, reset_key=new_reset_key(), connection_ids=connection_ids, clock=clock)
        self._driver.on_socket_error = self._socket_error
        self._outcome: asyncio.Future[Connection] = self._driver.loop.create_future()
        key = self._driver.core.connect(
            host, port, trust.server_name, trusted(trust), [name.encode() for name in alpn], self._driver.now()
        )
        self._connection = QuinnConnection(self._driver, key, self, Side(client=True), self._where)

    async def connect(self) -> Connection:
        """Do the handshake; raises ConnectFailed. Leaves nothing behind when it fails or is cancelled."""
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._connection.abort(CloseCode.NORMAL, CloseCode.NORMAL.phrase("not wanted any more"))
            raise
        except ConnectFailed:
            await self._connection.wait_closed()  # the peer is told, and the socket is closed
            raise

    # What the connection reports

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Make the handler and give the connection to who waits for it."""
        handler = self._factory(connection)
        if not self._outcome.done():
            self._outcome.set_result(connection)
        return handler

    def ended(self, _connection: Connection, termination: Termination | None, reason: str, /) -> None:
        """Tell who waits for the connection that there will be none."""
        if not self._outcome.done():
            problem, why = self._explain(termination, reason)
            self._outcome.set_exception(ConnectFailed(why, problem, told_delay(why)))

    def released(self, _connection: Connection, /) -> None:
        """Close the socket."""
        self._driver.close()

    def throttled(self, _connection: Connection, /) -> None:
        """Nothing: who dials a server wants to hear it."""

    def _explain(self, termination: Termination | None, reason: str) -> tuple[Problem, str]:
        if self._socket_problem is not None:
            return self._socket_problem
        if termination is not None:
            return explain(termination, self._where, self._trust.server_name, self._alpn)
        if not self._driver.heard:
            return no_answer(self._where)
        return Problem.OTHER, f"{self._where} answered, but then: {reason}"

    # The socket

    def _socket_error(self, error: OSError) -> None:
        # ICMP messages can be forged: they only count while there is no connection to lose.
        if self._outcome.done():
            return
        if isinstance(error, ConnectionRefusedError):
            told = f"nothing listens on {self._where} (UDP): is the gateway running, and on that port?"
            self._socket_problem = Problem.NOTHING_LISTENS, told
        elif error.errno in _NO_WAY:
            self._socket_problem = Problem.UNREACHABLE, f"there is no way to {self._where} ({error.strerror})"
        else:
            return
        self._connection.abort(CloseCode.INTERNAL, self._socket_problem[1], tell_peer=False)
