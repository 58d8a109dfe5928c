"""How fast requests may go out, so that the gateway refuses none (protocol §2). Time is an argument, in seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quicgw_fast.backend import TokenBucket

if TYPE_CHECKING:
    from quicgw_fast.client.wire import Limits

MARGIN = 0.95
"""Part of the gateway's rate that is used: what was sent evenly arrives unevenly."""
BYTES_IN_FLIGHT = 1 << 20
"""Bytes of requests without a reply at most, unless it is a single one, where limits are known. Replies tend to be as
large as their requests, and what is not acknowledged yet must fit into the gateway's window: fewer if it is smaller."""
ASSUMED_RATE = 100.0
LEAST_RATE = 1.0
ASSUMED_IN_FLIGHT = 64
"""What a gateway that names no limits is taken to mean by its first refusal; halved at each further one."""


class Pacer:
    """Says when the next request may go out.

    Until the gateway names limits or refuses a request for its rate (429), nothing is held back. Named limits are
    kept: the rate with a burst of one second's worth, the requests in flight, and their bytes. A refusal that comes
    all the same, because the gateway's burst is smaller or the network bunched the messages, stops everything for
    the time that it names, and lowers what is assumed.
    """

    def __init__(self) -> None:
        self._limits: Limits | None = None
        self._in_flight = math.inf
        self._bytes = BYTES_IN_FLIGHT
        self._rate = math.inf
        self._burst = 1
        self._bucket: TokenBucket | None = None
        self._held_until = -math.inf

    def learn(self, limits: Limits) -> None:
        """Take over what the answer to a START says; limits known from before go on where they are."""
        if limits == self._limits:
            return
        self._limits = limits
        self._in_flight = math.inf if limits.in_flight is None else limits.in_flight
        self._bytes = min(BYTES_IN_FLIGHT, limits.window_bytes or BYTES_IN_FLIGHT)
        if limits.rate is None:
            self._rate, self._bucket = math.inf, None
        else:
            self._set(limits.rate * MARGIN, int(limits.rate))

    def refused(self, retry_after: float, now: float) -> None:
        """Note that a request was refused and that there is no use in asking again for ``retry_after`` seconds."""
        first = now >= self._held_until  # the refusals of one burst count once
        self._held_until = max(self._held_until, now + retry_after)
        if not first:
            return
        self._slow_down()
        if self._bucket is not None:
            # One may go out then, and others evenly behind it: a burst is what has just been refused.
            for _ in range(self._burst - 1):
                self._bucket.take(self._held_until)

    def _slow_down(self) -> None:
        """Take the limits to be lower than they were."""
        if self._limits is None or self._limits.in_flight is None:
            self._in_flight = max(1, min(self._in_flight, 2 * ASSUMED_IN_FLIGHT) // 2)
        if self._rate == math.inf:
            self._set(ASSUMED_RATE * MARGIN, int(ASSUMED_RATE) // 4)
        elif self._burst > 1:
            self._set(self._rate, self._burst // 2)
        elif self._limits is None or self._limits.rate is None:
            self._set(max(self._rate / 2, LEAST_RATE), 1)
        else:
            self._set(max(self._rate * MARGIN, self._limits.rate / 10), 1)

    def take(self, requests: int, size: int, now: float) -> float:
        """Ask for one request beside ``requests`` that have no reply yet, ``size`` bytes with it; 0.0 grants it.

        Else the seconds after which to ask again, infinite when only a reply can help.
        """
        if requests and self._in_flight < math.inf and (requests >= self._in_flight or size > self._bytes):
            return math.inf
        if now < self._held_until:
            return self._held_until - now
        return 0.0 if self._bucket is None else self._bucket.take(now)

    def _set(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = max(1, burst)
        self._bucket = TokenBucket(self._rate, self._burst)
