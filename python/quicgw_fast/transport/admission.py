"""Who may start a handshake: pure decisions, the clock is an argument (seconds of a monotonic clock)."""

from __future__ import annotations

from collections import OrderedDict, deque
from enum import Enum
from typing import TYPE_CHECKING

from quicgw_fast.rates import TokenBucket, address_group

if TYPE_CHECKING:
    from quicgw_fast.transport.limits import TransportLimits

REMEMBERED_ADDRESSES = 8192


class Verdict(Enum):
    """What to do with the first packet of a connection."""

    ACCEPT = "accept"
    RETRY = "retry"
    REFUSE = "refuse"
    DROP = "drop"


class AddressRates:
    """One bucket per client address, the least recently seen forgotten beyond a bound.

    Forgetting refills a bucket, so the bound limits memory, not an attacker with many addresses; those are
    what the half-open limit and Retry are for.
    """

    def __init__(self, rate: float, burst: int, remembered: int = REMEMBERED_ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._remembered = remembered
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, host: str, now: float) -> bool:
        """Count one event of the address; False when it is over its rate."""
        key = address_group(host)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._remembered:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now) == 0.0

    def over(self, host: str, now: float) -> bool:
        """Tell whether the address has used up its rate; counts nothing."""
        bucket = self._buckets.get(address_group(host)) if self._buckets else None
        return bucket is not None and bucket.wait(now) > 0.0


class Admission:
    """The gate in front of new connections."""

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        rate, burst = limits.handshakes_per_address
        # A forged source address must not use up the rate of the client that really has it: addresses that
        # proved themselves with a Retry token are counted apart.
        self._claimed = AddressRates(rate, burst)
        self._proven = AddressRates(rate, burst)
        self._noise = AddressRates(*limits.noise_per_address)
        self._turning_away = TokenBucket(*limits.turning_away)
        # When handshakes failed. They count as half-open for as long as silent ones would: a flood of first
        # packets that fail at once costs as much as one of those that never go on.
        self._failures: deque[float] = deque(maxlen=limits.max_half_open)
        self.accepting = True

    def failed(self, now: float) -> None:
        """Note that a handshake failed, whatever for."""
        self._failures.append(now)

    def noise(self, host: str, now: float) -> None:
        """Note a packet from ``host`` that looked like the first one of a connection and did not authenticate."""
        self._noise.take(host, now)

    def noisy(self, host: str, now: float) -> bool:
        """Tell whether so much noise came from ``host`` that looking at more is not worth the time."""
        return self._noise.over(host, now)

    def decide(self, host: str, *, proven: bool, half_open: int, total: int, now: float) -> Verdict:
        """Judge an Initial packet from ``host``; ``proven`` means that it carried a valid Retry token.

        A full gateway accepts some clients nevertheless, only to tell them why they must leave again.
        """
        limits = self._limits
        full = total >= limits.max_connections
        if not self.accepting or (full and self._turning_away.take(now) > 0.0):
            return Verdict.REFUSE
        if half_open >= limits.max_half_open:
            return Verdict.DROP
        if proven:
            return Verdict.ACCEPT if self._proven.take(host, now) else Verdict.DROP
        if half_open + self._recent_failures(now) >= limits.retry_above or not self._claimed.take(host, now):
            return Verdict.RETRY
        return Verdict.ACCEPT

    def _recent_failures(self, now: float) -> int:
        since = now - self._limits.handshake_timeout
        while self._failures and self._failures[0] < since:
            self._failures.popleft()
        return len(self._failures)
