"""The client side: one connection on a socket of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from quicgw_fast.transport.aioquic_private import GatewayQuic
from quicgw_fast.transport.certificates import load_authorities
from quicgw_fast.transport.configuration import ALPN, client_configuration
from quicgw_fast.transport.connection import Connection
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.limits import TransportLimits
from quicgw_fast.transport.packets import LongHeader, carries_token
from quicgw_fast.transport.sockets import Target, dialing_socket, resolve
from quicgw_fast.transport.text import format_address
from quicgw_fast.types import CloseCode

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from aioquic.quic.configuration import QuicConfiguration

    from quicgw_fast.transport.handler import ConnectionHandler, HandlerFactory

CERTIFICATE_ALERTS = range(0x100 + 42, 0x100 + 50)
"""QUIC errors for the TLS alerts bad_certificate … access_denied (RFC 8446 §6)."""

NO_APPLICATION_PROTOCOL = 0x100 + 120


async def dial(
    host: str,
    port: int,
    *,
    factory: HandlerFactory,
    ca: Path | None = None,
    insecure: bool = False,
    server_name: str | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109 - it is divided between addresses
    limits: TransportLimits | None = None,
    local_addr: tuple[str, int] | None = None,
) -> Connection:
    """Connect to a gateway and return the connection, whose handler ``factory`` has made by then.

    The server's certificate is verified against the PEM file ``ca`` (default: the public authorities) and
    for ``server_name`` (default: ``host``); ``insecure`` skips both. Every address of the host is tried in
    turn. Raises ConnectFailed, after ``timeout`` seconds at the latest.
    """
    where = format_address((host, port))
    deadline = monotonic() + timeout
    limits = limits or TransportLimits()
    configuration = client_configuration(
        limits,
        server_name=server_name or host,
        authorities=None if ca is None or insecure else _authorities(ca),
        insecure=insecure,
    )
    failure = ConnectFailed(f"no connection to {where}: no address")
    targets = await _addresses(host, port, where, timeout)
    for index, target in enumerate(targets):
        share = (deadline - monotonic()) / (len(targets) - index)
        try:
            sock = dialing_socket(target, local_addr)
        except OSError as error:
            failure = ConnectFailed(f"no connection to {where}: {error.strerror or error}")
            continue
        dialer = Dialer(sock, target, configuration, factory, replace(limits, handshake_timeout=max(share, 0.0)))
        try:
            return await dialer.connect()
        except ConnectFailed as error:
            failure = ConnectFailed(f"no connection to {where}: {error}")
    raise failure


class Dialer:
    """The owner of one dialed connection and its socket."""

    closing_ptos = 1.0
    draining_ptos = 0.0
    longest_farewell = 0.2

    def __init__(
        self,
        sock: socket.socket,
        target: Target,
        configuration: QuicConfiguration,
        factory: HandlerFactory,
        limits: TransportLimits,
    ) -> None:
        self._factory = factory
        self._where = format_address(target.address)
        self._endpoint = Endpoint(sock, limits, self._stranger, connected=True)
        self._endpoint.on_socket_error = self._socket_error
        self._outcome: asyncio.Future[Connection] = self._endpoint.loop.create_future()
        self._peer = sock.getpeername()

        def make_core(cid_issued: Callable[[bytes], None]) -> GatewayQuic:
            return GatewayQuic(configuration=configuration, limits=limits, cid_issued=cid_issued)

        self._connection = Connection(self._endpoint, self, make_core)

    async def connect(self) -> Connection:
        """Do the handshake; raises ConnectFailed. Leaves nothing behind when it fails or is cancelled."""
        self._connection.start(self._peer)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._connection.abort(CloseCode.NORMAL, CloseCode.NORMAL.phrase("not wanted any more"))
            raise

    # What the connection reports

    def established(self, connection: Connection) -> ConnectionHandler | None:
        """Make the handler and give the connection to who waits for it."""
        handler = self._factory(connection)
        if not self._outcome.done():
            self._outcome.set_result(connection)
        return handler

    def ended(self, connection: Connection, _code: int, reason: str, /) -> None:
        """Tell who waits for the connection that there will be none."""
        if not self._outcome.done():
            self._outcome.set_exception(ConnectFailed(self._explain(connection, reason)))

    def released(self, _connection: Connection, /) -> None:
        """Close the socket."""
        self._endpoint.close()

    def _explain(self, connection: Connection, reason: str) -> str:
        ended = connection.core.ended()
        if ended is None or ended.frame_type is None:
            return reason
        if ended.error_code in CERTIFICATE_ALERTS and not ended.by_peer:
            return f"the certificate of {self._where} was not accepted ({ended.reason}): give its authority as CA"
        if ended.error_code == NO_APPLICATION_PROTOCOL:
            return f"{self._where} does not speak {ALPN!r}"
        return reason

    # The socket

    def _stranger(self, data: bytes, _address: Any, header: LongHeader | None, _now: float, /) -> None:
        if header is None and carries_token(data, self._connection.core.peer_reset_tokens()):
            self._connection.reset_by_peer()

    def _socket_error(self, error: OSError) -> None:
        # ICMP messages can be forged: they only count while there is no connection to lose.
        if isinstance(error, ConnectionRefusedError) and not self._outcome.done():
            self._connection.abort(CloseCode.INTERNAL, f"nothing listens on {self._where} (UDP)", tell_peer=False)


async def _addresses(host: str, port: int, where: str, patience: float) -> list[Target]:
    try:
        async with asyncio.timeout(patience):
            return await resolve(host, port)
    except TimeoutError:
        raise ConnectFailed(f"no connection to {where}: its name could not be resolved in time") from None
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"no connection to {where}: {getattr(error, 'strerror', None) or error}") from error


def _authorities(ca: Path) -> bytes:
    try:
        return load_authorities(ca)
    except (OSError, ValueError) as error:
        raise ConnectFailed(f"the CA file {ca} cannot be used: {getattr(error, 'strerror', None) or error}") from error
