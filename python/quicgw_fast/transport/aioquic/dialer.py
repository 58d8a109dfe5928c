"""The client side: one connection on a socket of its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.configuration import client_configuration
from quicgw_fast.transport.aioquic.connection import AioquicConnection
from quicgw_fast.transport.aioquic.private import GatewayQuic
from quicgw_fast.transport.certificates import load_authorities
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.limits import TransportLimits
from quicgw_fast.transport.packets import LongHeader, carries_token
from quicgw_fast.transport.problems import Problem, explain, no_answer, told_delay
from quicgw_fast.transport.sockets import Target, dialing_socket, resolve
from quicgw_fast.transport.text import format_address, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aioquic.quic.configuration import QuicConfiguration

    from quicgw_fast.transport.seam import ConnectionHandler, HandlerFactory

_NOBODY_THERE = frozenset({Problem.NOTHING_LISTENS, Problem.NO_ANSWER, Problem.UNREACHABLE, Problem.OTHER})
"""Of several addresses, one where somebody answered says more than those where nobody did."""
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
_LONGEST_PATH = 128


async def dial(
    host: str,
    port: int,
    *,
    factory: HandlerFactory,
    ca: Path | None = None,
    insecure: bool = False,
    server_name: str | None = None,
    timeout: float = 10.0,
    limits: TransportLimits | None = None,
    local_addr: tuple[str, int] | None = None,
) -> AioquicConnection:
    """Connect as ``transport.seam.Dial`` says."""
    where = format_address((host, port))
    deadline = monotonic() + timeout
    limits = limits or TransportLimits()
    configuration = client_configuration(
        limits,
        server_name=server_name or host,
        authorities=None if ca is None or insecure else _authorities(ca),
        insecure=insecure,
    )
    failure = ConnectFailed(f"no connection to {where}: no address", Problem.UNKNOWN_HOST)
    targets = await _addresses(host, port, where, timeout)
    for index, target in enumerate(targets):
        share = (deadline - monotonic()) / (len(targets) - index)
        try:
            sock = dialing_socket(target, local_addr)
            dialer = Dialer(sock, target, configuration, factory, replace(limits, handshake_timeout=max(share, 0.0)))
            return await dialer.connect()
        except OSError as error:
            problem = Problem.UNREACHABLE if error.errno in _NO_WAY else Problem.OTHER
            failed = ConnectFailed(f"no connection to {where}: {error.strerror or error}", problem)
        except ConnectFailed as error:
            failed = ConnectFailed(f"no connection to {where}: {error}", error.problem, error.retry_after)
        if index == 0 or failure.problem in _NOBODY_THERE or failed.problem not in _NOBODY_THERE:
            failure = failed
    raise failure


class Dialer:
    """The owner of one dialed connection and its socket."""

    closing_ptos = 1.0
    draining_ptos = 0.0
    longest_closing = 0.2

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
        self._name = configuration.server_name or ""
        self._endpoint = Endpoint(sock, limits, self._unmatched, connected=True)
        self._endpoint.on_socket_error = self._socket_error
        self._socket_problem: tuple[Problem, str] | None = None
        self._outcome: asyncio.Future[AioquicConnection] = self._endpoint.loop.create_future()
        self._peer = sock.getpeername()

        def make_core(cid_issued: Callable[[bytes], None]) -> GatewayQuic:
            return GatewayQuic(configuration=configuration, limits=limits, cid_issued=cid_issued)

        self._connection = AioquicConnection(self._endpoint, self, make_core)

    async def connect(self) -> AioquicConnection:
        """Do the handshake; raises ConnectFailed. Leaves nothing behind when it fails or is cancelled."""
        self._connection.start(self._peer)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._connection.abort(CloseCode.NORMAL, CloseCode.NORMAL.phrase("not wanted any more"))
            raise

    # What the connection reports

    def established(self, connection: AioquicConnection) -> ConnectionHandler | None:
        """Make the handler and give the connection to who waits for it."""
        handler = self._factory(connection)
        if not self._outcome.done():
            self._outcome.set_result(connection)
        return handler

    def ended(self, connection: AioquicConnection, _code: int, reason: str, /) -> None:
        """Tell who waits for the connection that there will be none."""
        if not self._outcome.done():
            problem, why = self._explain(connection, reason)
            self._outcome.set_exception(ConnectFailed(why, problem, told_delay(why)))

    def released(self, _connection: AioquicConnection, /) -> None:
        """Close the socket."""
        self._endpoint.close()

    def _explain(self, connection: AioquicConnection, reason: str) -> tuple[Problem, str]:
        if self._socket_problem is not None:
            return self._socket_problem
        ended = connection.core.ended()
        if ended is not None:
            return explain(ended, self._where, self._name)
        if connection.core.untouched():
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


async def _addresses(host: str, port: int, where: str, patience: float) -> list[Target]:
    try:
        async with asyncio.timeout(patience):
            return await resolve(host, port)
    except TimeoutError:
        raise ConnectFailed(
            f"no connection to {where}: its name could not be resolved in time: does the name service answer?",
            Problem.UNKNOWN_HOST,
        ) from None
    except (socket.gaierror, UnicodeError) as error:
        why = printable(getattr(error, "strerror", None) or str(error))
        raise ConnectFailed(
            f"no connection to {where}: the host is unknown ({why}): check its name", Problem.UNKNOWN_HOST
        ) from error
    except OSError as error:
        raise ConnectFailed(f"no connection to {where}: {error.strerror or error}") from error


def _authorities(ca: Path) -> bytes:
    try:
        return load_authorities(ca)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConnectFailed(
            # Cut: somebody may have given the certificates themselves.
            f"the CA file {printable(str(ca), _LONGEST_PATH)} cannot be used: {why}",
            Problem.BAD_CA_FILE,
        ) from error
