"""The client side: one connection on a socket of its own."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.configuration import client_configuration
from quicgw_fast.transport.aioquic.connection import AioquicConnection
from quicgw_fast.transport.aioquic.core import GatewayQuic
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.packets import LongHeader, carries_token
from quicgw_fast.transport.problems import Problem, explain, no_answer, told_delay
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

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
    return await Dialer(sock, factory, trust, alpn, limits, connection_ids, clock).connect()


class Dialer:
    """The owner of one dialed connection and its socket."""

    closing_ptos = 1.0
    draining_ptos = 0.0
    longest_period = 0.2

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
        self._peer = sock.getpeername()
        self._where = format_address(self._peer)
        configuration = client_configuration(trust, limits, alpn, connection_ids.length)
        self._endpoint = Endpoint(
            sock, limits, self._unmatched, id_length=connection_ids.length, connected=True, clock=clock
        )
        self._endpoint.on_socket_error = self._socket_error
        self._socket_problem: tuple[Problem, str] | None = None
        self._outcome: asyncio.Future[Connection] = self._endpoint.loop.create_future()

        def make_core(cid_issued: Callable[[bytes], None]) -> GatewayQuic:
            return GatewayQuic(
                configuration=configuration,
                limits=limits,
                cid_issued=cid_issued,
                connection_ids=connection_ids.make,
            )

        self._connection = AioquicConnection(self._endpoint, self, make_core)

    async def connect(self) -> Connection:
        """Do the handshake; raises ConnectFailed. Leaves nothing behind when it fails or is cancelled."""
        self._connection.start(self._peer)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._connection.abort(CloseCode.NORMAL, CloseCode.NORMAL.phrase("not wanted any more"))
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
        self._endpoint.close()

    def _explain(self, termination: Termination | None, reason: str) -> tuple[Problem, str]:
        if self._socket_problem is not None:
            return self._socket_problem
        if termination is not None:
            return explain(termination, self._where, self._trust.server_name, self._alpn)
        if self._connection.core.untouched():
            return no_answer(self._where)
        return Problem.OTHER, f"{self._where} answered, but then: {reason}"

    # The socket

    def _unmatched(self, data: bytes, _address: Any, header: LongHeader | None, _now: float, /) -> None:
        if header is None and carries_token(data, self._connection.core.peer_reset_tokens()):
            self._connection.reset_by_peer()

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
