"""From the name of a host to its addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from quicgw_fast.config import split_address

Resolve: TypeAlias = Callable[[str], Awaitable[list[str]]]
"""Looks a host up: its IPv4 and IPv6 addresses. Raises OSError when they are not to be had."""


def is_name(address: str) -> bool:
    """Whether the host of ``host:port`` is a name, and no number."""
    try:
        ipaddress.ip_address(split_address(address)[0])
    except ValueError:
        return True
    return False


async def lookup(host: str) -> list[str]:
    """Return the addresses of a host as the system knows them, each once and in its order; raises OSError.

    Addresses of one link alone (RFC 4007) are left out, as they mean nothing without naming the link.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    return [ip for ip in dict.fromkeys(str(entry[4][0]) for entry in found) if "%" not in ip]
