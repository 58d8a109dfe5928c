"""A rate with a burst, kept as one number."""

from __future__ import annotations

import math

from quicgw_fast.backend.constants import ROUNDING


class TokenBucket:
    """Grants rate tokens per second in the long run, and burst at once. It starts full.

    ValueError unless rate is finite and above 0 and burst at least 1.
    """

    # What is kept is the moment at which the bucket will be full again (the "theoretical arrival time" of GCRA), so
    # that nothing is added up and no error grows.
    __slots__ = ("__weakref__", "_ahead", "_full_at", "_interval")

    def __init__(self, rate: float, burst: int) -> None:
        if not (rate > 0.0 and math.isfinite(rate)) or burst < 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of at least 1")
        self._interval = 1.0 / rate
        self._ahead = (burst - 1) * self._interval
        self._full_at = -math.inf

    def take(self, now: float) -> float:
        """Take one token at now (monotonic seconds) and return 0.0.

        If there is none, nothing is taken, and the seconds until there is one are returned.
        """
        wait = self.wait(now)
        if wait == 0.0:
            self._full_at = max(self._full_at, now) + self._interval
        return wait

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one at now; takes nothing."""
        wait = max(self._full_at, now) - now - self._ahead
        return wait if wait > ROUNDING else 0.0
