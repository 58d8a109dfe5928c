"""How many handshakes may be under way, and from how many on a client has to prove its address (RFC 9000 §8.1.2)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quicgw_fast.overload.rule import Gauge
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.ports import Arrival


class HalfOpen:
    """Beyond the bound a first packet is dropped, and its client tries again."""

    name = "half-open"
    keys = ("limits.max_half_open",)
    gauge = Gauge("transport_half_open")

    def __init__(self, bounds: Bounds) -> None:
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.max_half_open

    def judge(self, facts: Arrival, /) -> Deflection | None:
        """See ``Rule``."""
        return Deflection.DROP if facts.half_open >= self._most else None


class RetryAbove:
    """Handshakes that failed count as half-open for as long as silent ones would.

    A flood of first packets that fail at once costs as much as one of those that never go on.
    """

    name = "retry-above"
    keys = ("limits.retry_above", "limits.max_half_open")

    def __init__(self, bounds: Bounds) -> None:
        self._failures: deque[float] = deque()
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``; of failures no more are remembered than handshakes may be half-open."""
        self._half_open = bounds.limits.retry_from
        self._failures = deque(self._failures, maxlen=bounds.limits.max_half_open)

    def failed(self, until: float, /) -> None:
        """Count a handshake that failed as half-open until then; later calls name no earlier time."""
        self._failures.append(until)

    def judge(self, facts: Arrival, /) -> Deflection | None:
        """See ``Rule``."""
        if facts.proven or facts.half_open + self.failures(facts.now) < self._half_open:
            return None
        return Deflection.RETRY

    def failures(self, now: float) -> int:
        """Failures that count at ``now``."""
        while self._failures and self._failures[0] < now:
            self._failures.popleft()
        return len(self._failures)
