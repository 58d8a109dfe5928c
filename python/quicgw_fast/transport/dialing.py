"""Dialing: a name that was resolved and a socket that was connected, given to a maker; one address after the other."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from quicgw_fast.printable import printable
from quicgw_fast.transport import makers
from quicgw_fast.transport.certificates import load_authorities
from quicgw_fast.transport.connection_ids import random_ids
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.problems import Problem
from quicgw_fast.transport.seam import Trust
from quicgw_fast.transport.sockets import Target, dialing_socket, resolve
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quicgw_fast.clock import Clock
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.seam import Connection, HandlerFactory

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
    timeout: float,
    alpn: Sequence[str],
    limits: TransportLimits,
    local_addr: tuple[str, int] | None = None,
    clock: Clock,
    maker: str = makers.DEFAULT,
) -> Connection:
    """Connect to a gateway and return the connection, whose handler ``factory`` has made by then.

    The server's certificate is verified against the PEM file ``ca`` (default: the public authorities) and for
    ``server_name`` (default: ``host``); ``insecure`` skips both. Every address of the host is tried in turn, with
    ``alpn`` to choose from. Raises ConnectFailed, after ``timeout`` seconds at the latest (of several addresses, the
    failure that says most), and ConfigError for an unknown ``maker``.
    """
    where = format_address((host, port))
    deadline = clock.now() + timeout
    quic = makers.load(maker)
    trust = Trust(server_name or host, None if ca is None or insecure else _authorities(ca), insecure)
    failure = ConnectFailed(f"no connection to {where}: no address", Problem.UNKNOWN_HOST)
    targets = await _addresses(host, port, where, timeout)
    for index, target in enumerate(targets):
        share = (deadline - clock.now()) / (len(targets) - index)
        try:
            return await quic.connect(
                dialing_socket(target, local_addr),
                factory,
                trust=trust,
                alpn=alpn,
                limits=replace(limits, handshake_timeout=max(share, 0.0)),
                connection_ids=random_ids(),
                clock=clock,
            )
        except OSError as error:
            problem = Problem.UNREACHABLE if error.errno in _NO_WAY else Problem.OTHER
            failed = ConnectFailed(f"no connection to {where}: {error.strerror or error}", problem)
        except ConnectFailed as error:
            failed = ConnectFailed(f"no connection to {where}: {error}", error.problem, error.retry_after)
        if index == 0 or failure.problem in _NOBODY_THERE or failed.problem not in _NOBODY_THERE:
            failure = failed
    raise failure


async def _addresses(host: str, port: int, where: str, timeout: float) -> list[Target]:
    try:
        async with asyncio.timeout(timeout):
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
