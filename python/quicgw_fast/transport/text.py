"""Addresses as text, for logs and messages."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from quicgw_fast.printable import printable


@lru_cache(maxsize=1024)  # whoever connects is asked for its address several times, by several stages
def format_address(address: Any) -> str:
    """Return a socket address as ``host:port``, IPv6 in brackets, IPv4-mapped IPv6 as IPv4."""
    if not address:
        return "unknown"
    host, port = str(address[0]), int(address[1])
    if ":" not in host:
        return f"{printable(host)}:{port}"
    plain = plain_host(host)
    return f"{plain}:{port}" if "." in plain else f"[{printable(plain)}]:{port}"


def plain_host(host: str) -> str:
    """Return an IP literal without its scope, and an IPv4-mapped IPv6 address as IPv4."""
    host = host.partition("%")[0]
    if host.lower().startswith("::ffff:"):
        mapped = IPv6Address(host).ipv4_mapped
        if mapped is not None:
            return str(mapped)
    return host
