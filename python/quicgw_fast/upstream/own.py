"""The gateway's own addresses: calling them as an upstream would be a circle."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

from quicgw_fast.config import split_address

if TYPE_CHECKING:
    Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOKUP = 1.0
"""Seconds that the look-up of a host name may take; after that it counts as the name of somebody else."""


class OwnAddresses:
    """Where the gateway listens, under whatever name somebody may call it."""

    def __init__(self) -> None:
        self._own: list[tuple[Ip, int]] = []

    async def add(self, host: str, port: int) -> None:
        """Add an address that is listened on; the host as bound, also a name or a wildcard."""
        self._own.extend((ip, port) for ip in await _resolve(host))

    async def include(self, address: str, *, names: bool = True) -> bool:
        """Whether a connection to ``host:port`` would arrive here. Names are not looked up without ``names``."""
        host, port = split_address(address)
        if all(port != own for _, own in self._own):
            return False
        if not names and not _is_number(host):
            return False
        return any(self._is_own(ip, port) for ip in await _resolve(host))

    def _is_own(self, ip: Ip, port: int) -> bool:
        for own, own_port in self._own:
            if own_port != port:
                continue
            # A connection to the wildcard goes to this machine, and what listens on the wildcard listens
            # on every address of it.
            if own == ip or ip.is_unspecified or (own.is_unspecified and _is_local(ip)):
                return True
        return False


async def _resolve(host: str) -> set[Ip]:
    """Return the addresses of a host, none when it is not known now."""
    if _is_number(host):
        return {_plain(ipaddress.ip_address(host))}
    try:
        async with asyncio.timeout(LOOKUP):
            found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:  # also a TimeoutError
        return set()
    return {_plain(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in found}


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(ip: Ip) -> Ip:
    """Return the IPv4 address of one that is written as IPv6 (``::ffff:127.0.0.1``)."""
    return getattr(ip, "ipv4_mapped", None) or ip


def _is_local(ip: Ip) -> bool:
    """Whether the address is one of this machine: only those can be bound."""
    if ip.is_loopback:
        return True
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((str(ip), 0))
    except OSError:
        return False
    return True
