"""How a connection to a service comes about, and why it does not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.config import split_address
from quicgw_fast.upstream.causes import BROKE_OFF, NO_ANSWER, NO_GRPC, NOTHING_LISTENS, REFUSED_TLS, UNKNOWN_HOST
from quicgw_fast.upstream.lookup import lookup
from quicgw_fast.upstream.method import PROCESS_REQUEST
from quicgw_fast.upstream.native.connection import KEEP_ALIVE, NativeConnection
from quicgw_fast.upstream.native.failures import NotConnected
from quicgw_fast.upstream.native.tls_causes import tls_cause_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.upstream.native.connection import KeepAlive
    from quicgw_fast.upstream.tls import UpstreamTls

PATIENCE = 1.0
"""Seconds for each step: to look the host up, to connect to one of its addresses, the handshake, to be greeted."""

# Seconds to wait for the answer to TLS's end, which gRPC's servers never give; what was to be said is said by then.
_GOODBYE = 0.1
# Milliseconds after which the first byte that was not acknowledged ends the connection: a peer that is gone without a
# word (RFC 5482).
_UNACKNOWLEDGED = 10_000
_CAUSES = {
    errno.ECONNREFUSED: NOTHING_LISTENS,
    errno.ETIMEDOUT: NO_ANSWER,
    errno.EHOSTUNREACH: NO_ANSWER,
    errno.ENETUNREACH: NO_ANSWER,
}


async def dial(
    address: str,
    keep_alive: KeepAlive = KEEP_ALIVE,
    path: str = PROCESS_REQUEST,
    authority: str = "",
    tls: UpstreamTls | None = None,
) -> NativeConnection:
    """Return a connection that takes calls of the method ``path``. Raises NotConnected, saying why there is none.

    The service is told to be called by ``authority``, else by ``address``, and over TLS has to prove that name.
    """
    try:
        sock = await _connected(*split_address(address))
    except OSError as error:  # also a TimeoutError
        why = str(error) or f"no answer within {PATIENCE:g} s"
        raise NotConnected(_CAUSES.get(error.errno or 0, NO_ANSWER), why) from error
    connection = await _made(sock, partial(NativeConnection, authority or address, keep_alive, path), tls)
    try:
        async with asyncio.timeout(PATIENCE):
            await connection.greeted
    except TimeoutError:
        connection.hang_up()
        raise NotConnected(NO_GRPC, f"no HTTP/2 SETTINGS within {PATIENCE:g} s") from None
    except asyncio.CancelledError:
        connection.hang_up()
        raise
    if connection.ended is not None:
        cause = NO_GRPC
        if connection.broke_off:
            # In TLS 1.3 a client's handshake is complete before its certificate was looked at.
            cause = BROKE_OFF if tls is None else REFUSED_TLS
        connection.hang_up()
        raise NotConnected(cause, f"{connection.ended} before HTTP/2 SETTINGS came")
    return connection


async def _made(sock: socket.socket, make: Callable[[], NativeConnection], tls: UpstreamTls | None) -> NativeConnection:
    """A connection over the socket, after the TLS handshake if there is one to be."""
    loop = asyncio.get_running_loop()
    if tls is None:
        _, connection = await loop.create_connection(make, sock=sock)
        return connection
    connection = make()
    host, _ = split_address(connection.authority)
    try:
        transport, _ = await loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=tls.context,
            server_hostname=host,
            ssl_handshake_timeout=PATIENCE,
            ssl_shutdown_timeout=_GOODBYE,
        )
    except OSError as error:
        raise NotConnected(tls_cause_of(error), str(error) or "the handshake broke off") from error
    if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        connection.hang_up()
        raise NotConnected(NO_GRPC, "it speaks TLS, but no HTTP/2 over it (ALPN)")
    return connection


async def _connected(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of the host that takes it; raises the OSError of the last."""
    *others, last = await _addresses(host)
    for family, ip in others:
        with contextlib.suppress(OSError):
            return await _connected_to(family, ip, port)
    return await _connected_to(*last, port)


async def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of a host, in the order in which to try them; a number is not looked up. There is one at least."""
    with contextlib.suppress(ValueError):
        return [(_family(host), host)]
    try:
        async with asyncio.timeout(PATIENCE):
            found = await lookup(host)
    except OSError as error:  # also a TimeoutError
        raise NotConnected(UNKNOWN_HOST, str(error) or f"no answer about {host} within {PATIENCE:g} s") from error
    if not found:
        raise NotConnected(UNKNOWN_HOST, f"{host} has addresses of one link alone")
    return [(_family(ip), ip) for ip in found]


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET if ipaddress.ip_address(ip).version == 4 else socket.AF_INET6


async def _connected_to(family: socket.AddressFamily, ip: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_connect(sock, (ip, port))
    except BaseException:
        sock.close()
        raise
    return sock
