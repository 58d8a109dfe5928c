"""Who calls over gRPC."""

from __future__ import annotations

from urllib.parse import unquote


def caller_address(peer: str) -> str:
    """Return ``host:port`` of a gRPC peer such as ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``."""
    _, _, address = unquote(peer).partition(":")
    return address


def caller_host(peer: str) -> str:
    """Return the host of a gRPC peer, an IPv6 address in brackets."""
    return caller_address(peer).rpartition(":")[0]
