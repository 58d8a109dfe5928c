"""Addresses: how one is written, and whom it stands for wherever something is counted or told for each client."""

from __future__ import annotations

from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

MAPPED: Final = bytes(10) + b"\xff\xff"
"""How an IPv6 address begins that stands for an IPv4 one (RFC 4291 §2.5.5.2)."""


def join_address(host: str, port: int) -> str:
    """Write an address as ``host:port``, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_group(address: str) -> str:
    """Return whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64.

    A single subscriber has a whole /64, so that counting single IPv6 addresses counts nothing. Takes an
    address alone or with a port (``192.0.2.1:443``, ``[2001:db8::1]:443``); text that is not an address stands for
    itself, cut to 128 characters.
    """
    host = address
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    # With the C library's functions: every connection comes through here some four times, and ipaddress takes 6 µs.
    try:
        if ":" not in host:
            return inet_ntop(AF_INET, inet_pton(AF_INET, host))
        packed = inet_pton(AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return address[:128]
    if packed.startswith(MAPPED):
        return inet_ntop(AF_INET, packed[len(MAPPED) :])
    return inet_ntop(AF_INET6, packed[:8] + bytes(8)) + "/64"


@dataclass(slots=True, frozen=True)
class Addresses:
    """Where the gateway listens, as ``host:port``."""

    quic: str
    grpc: str
    admin: str

    def ready_line(self) -> str:
        """The line that the commands print once everything listens (protocol §7)."""
        return f"ready quic={self.quic} grpc={self.grpc} admin={self.admin}"
