"""Whom an address stands for, wherever something is counted or told for each client."""

from __future__ import annotations

import ipaddress


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
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return address[:128]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"
