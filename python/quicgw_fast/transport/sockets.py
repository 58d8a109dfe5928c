"""Finding addresses, binding UDP sockets, and giving them room."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import Any, NamedTuple

from quicgw_fast.errors import StartupError

_log = logging.getLogger("quicgw.transport")

SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
"""Linux's names of the options that go past the system's limit; Python has none."""


class Target(NamedTuple):
    """One resolved UDP address."""

    family: socket.AddressFamily
    address: Any


async def resolve(host: str, port: int, *, passive: bool = False) -> list[Target]:
    """Resolve a host name or IP literal; raises OSError (also for a port outside of 0–65535)."""
    if not 0 <= port <= 65535:
        raise OSError(errno.EINVAL, f"{port} is not a port number (0 to 65535)")
    flags = socket.AI_PASSIVE if passive else 0
    found = await asyncio.get_running_loop().getaddrinfo(host or None, port, type=socket.SOCK_DGRAM, flags=flags)
    return list(dict.fromkeys(Target(socket.AddressFamily(family), address) for family, _, _, _, address in found))


async def listening_socket(host: str, port: int) -> socket.socket:
    """Bind a UDP socket; StartupError says what to do when that is impossible. ``::`` also takes IPv4."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        target = (await resolve(host, port, passive=True))[0]
    except (OSError, UnicodeError) as error:
        raise StartupError(
            f"the QUIC address {where} cannot be used ({_why(error)}): "
            "check server.quic (--quic), it is HOST:PORT with a local address"
        ) from error
    sock = socket.socket(target.family, socket.SOCK_DGRAM)
    try:
        if target.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(target.address)
    except OSError as error:
        sock.close()
        raise StartupError(
            f"the QUIC address {where} (UDP) cannot be bound ({_why(error)}): {_advice(error)}"
        ) from error
    return sock


def dialing_socket(target: Target, local: tuple[str, int] | None) -> socket.socket:
    """Make a UDP socket connected to the target, so that a dead port is noticed; raises OSError."""
    sock = socket.socket(target.family, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as on_error:
        on_error.callback(sock.close)
        if local is not None:
            sock.bind(local)
        sock.connect(target.address)
        on_error.pop_all()
    return sock


def enlarge_buffers(sock: socket.socket, size: int) -> None:
    """Ask for socket buffers of ``size`` bytes, past the system's limit where the process may."""
    for forced, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        sock.setsockopt(socket.SOL_SOCKET, plain, size)
        if sock.getsockopt(socket.SOL_SOCKET, plain) < size:
            with contextlib.suppress(OSError):  # needs CAP_NET_ADMIN; the result is checked below
                sock.setsockopt(socket.SOL_SOCKET, forced, size)
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if granted < size:
        fields = {"granted": granted, "wanted": size, "remedy": f"sysctl -w net.core.rmem_max={size}"}
        _log.info("small udp receive buffer", extra=fields)  # bursts of many clients may be lost


def _why(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process has this port; stop it or choose another port in server.quic (--quic)"
    if error.errno == errno.EACCES:
        return "ports below 1024 need privileges; choose a higher port in server.quic (--quic)"
    return "server.quic (--quic) must name an address of this machine"
