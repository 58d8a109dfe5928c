"""Taking a TCP port, with an error that says what to do when it cannot be had."""

from __future__ import annotations

import socket

from quicgw_fast.config import join_address
from quicgw_fast.errors import StartupError


def bind_tcp(host: str, port: int, what: str, advice: str) -> socket.socket:
    """Return a bound, not yet listening TCP socket; port 0 takes any free one.

    A name is resolved to its first address only: on several addresses one might be taken by somebody else,
    and half a listener is worse than none. Raises StartupError; ``what`` names the listener (``gRPC``) and
    ``advice`` the remedy (``set server.grpc``).
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise _cannot(host, port, what, advice, error) from error
    sock = socket.socket(family, kind, protocol)
    try:
        # Without it a restart would have to wait for the old connections' TIME_WAIT; on Linux it does not let
        # two sockets listen on one port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        # A port that somebody else bound with the same option shows only when both want to listen.
        sock.listen()
    except OSError as error:
        sock.close()
        raise _cannot(host, port, what, advice, error) from error
    return sock


def free_address(host: str, port: int, what: str, advice: str) -> str:
    """Return the numeric ``host:port`` after checking that it can be listened on; raises StartupError.

    For servers that take an address and no socket, gRPC's: its own error says nothing of the reason.
    Port 0 stays 0.
    """
    with bind_tcp(host, port, what, advice) as sock:
        return join_address(sock.getsockname()[0], port)


def _cannot(host: str, port: int, what: str, advice: str, error: OSError) -> StartupError:
    reason = error.strerror or str(error)
    return StartupError(
        f"cannot listen on {join_address(host, port)} for {what}: {reason}; "
        f"stop what uses that address or {advice}; port 0 takes any free one"
    )
