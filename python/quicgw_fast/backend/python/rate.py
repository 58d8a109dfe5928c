"""A rate with a burst, kept as one number, and what many of them share so that all can be changed at once."""

from __future__ import annotations

import math

from quicgw_fast.backend.constants import ROUNDING
from quicgw_fast.backend.python import checks


class Rate:
    """How many tokens a second, and how many at once, all buckets grant that were made of it, also when it changes.

    ValueError unless rate is finite and above 0 and burst at least 1.
    """

    __slots__ = ("__weakref__", "_ahead", "_interval")

    def __init__(self, rate: float, burst: int) -> None:
        self.configure(rate, burst)

    def configure(self, rate: float, burst: int) -> None:
        """Change it for all its buckets: who was granted more than the new burst waits for one token at most.

        ValueError as for a new one; nothing has changed then.
        """
        if not (rate > 0.0 and math.isfinite(rate)) or burst < 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of at least 1")
        self._interval = 1.0 / rate
        self._ahead = (burst - 1) * self._interval

    def bucket(self, full_at: float = 0.0) -> TokenBucket:
        """Make a bucket that is full from that time on, in monotonic seconds."""
        bucket = TokenBucket.__new__(TokenBucket)
        bucket._begin(self, checks.seconds(full_at))
        return bucket


class TokenBucket:
    """Grants rate tokens per second in the long run, and burst at once. It starts full.

    ValueError unless rate is finite and above 0 and burst at least 1.
    """

    # What is kept is the moment at which the bucket will be full again (the "theoretical arrival time" of GCRA), so
    # that nothing is added up and no error grows.
    __slots__ = ("__weakref__", "_full_at", "_rate")
    _rate: Rate
    _full_at: float

    def __init__(self, rate: float, burst: int) -> None:
        self._begin(Rate(rate, burst), -math.inf)

    def take(self, now: float) -> float:
        """Take one token at now (monotonic seconds) and return 0.0.

        If there is none, nothing is taken, and the seconds until there is one are returned.
        """
        wait = self.wait(now)
        if wait == 0.0:
            self._full_at = max(self._full_at, now) + self._rate._interval
        return wait

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one at now; takes nothing."""
        rate = self._rate
        # Nothing is emptier than empty: what an old rate has left to wait for does not outlast a higher new one.
        self._full_at = min(self._full_at, now + rate._ahead + rate._interval)
        wait = max(self._full_at, now) - now - rate._ahead
        return wait if wait > ROUNDING else 0.0

    @property
    def full_at(self) -> float:
        """From when on it is full, if nothing is taken meanwhile: so the allowance of who goes elsewhere goes on."""
        return self._full_at

    def _begin(self, rate: Rate, full_at: float) -> None:
        self._rate = rate
        self._full_at = full_at
