"""Rates, for whoever limits something: a token bucket, and whom an address stands for. Nothing reads a clock."""

from __future__ import annotations

import ipaddress
import math
from typing import Final

ROUNDING: Final = 1e-6
"""Seconds. A caller that waits exactly as long as it was told must be served, although the sum of the times
is rounded."""


class TokenBucket:
    """Grants ``rate`` tokens per second in the long run, and ``burst`` at once.

    Kept as one number, the moment at which the bucket will be full again (the "theoretical arrival time" of
    GCRA), so that nothing is added up and no error grows.
    """

    __slots__ = ("_ahead", "_full_at", "_interval")

    def __init__(self, rate: float, burst: int) -> None:
        """Start full. Raises ValueError unless ``rate`` (tokens per second) > 0 and ``burst`` >= 1."""
        if not (rate > 0.0 and math.isfinite(rate)) or burst < 1:
            raise ValueError(f"a bucket needs a rate above 0 and a burst of at least 1, not {rate} and {burst}")
        self._interval = 1.0 / rate
        self._ahead = (burst - 1) * self._interval
        self._full_at = -math.inf

    def take(self, now: float) -> float:
        """Take one token at ``now`` (monotonic seconds) and return 0.0.

        If there is none, nothing is taken, and the seconds until there is one are returned.
        """
        wait = self.wait(now)
        if wait == 0.0:
            self._full_at = max(self._full_at, now) + self._interval
        return wait

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one at ``now``; takes nothing."""
        wait = max(self._full_at, now) - now - self._ahead
        return wait if wait > ROUNDING else 0.0


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
