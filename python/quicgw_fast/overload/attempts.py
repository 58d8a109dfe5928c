"""A limit of failed attempts for each address. The clock is an argument."""

from __future__ import annotations

from collections import OrderedDict, deque

from quicgw_fast.rates import ROUNDING, address_group


class AttemptLimiter:
    """Blocks an address after ``limit`` failures within ``window`` seconds: against token guessing.

    Memory is bounded: of more than ``max_addresses`` the one that failed longest ago is forgotten, and what
    lies further back than the window is forgotten anyway.
    """

    def __init__(self, limit: int = 10, window: float = 60.0, max_addresses: int = 10_000) -> None:
        """Raise ValueError unless all three are positive."""
        if limit < 1 or not window > 0.0 or max_addresses < 1:
            raise ValueError(f"limits must be positive, not {limit}, {window}, {max_addresses}")
        self._limit = limit
        self._window = window
        self._max_addresses = max_addresses
        # The times of the last failures, the address that failed last at the end.
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._failures)

    def allowed(self, address: str, now: float) -> float:
        """Return 0.0 if ``address`` may try at ``now`` (monotonic seconds), else the seconds until it may."""
        return self._wait(self._failures.get(address_group(address)), now)

    def failed(self, address: str, now: float) -> float:
        """Count a failure of ``address`` at ``now``; return what :meth:`allowed` says from now on."""
        self._forget(now)
        group = address_group(address)
        times = self._failures.setdefault(group, deque(maxlen=self._limit))
        times.append(now)
        self._failures.move_to_end(group)
        if len(self._failures) > self._max_addresses:
            self._failures.popitem(last=False)
        return self._wait(times, now)

    def _wait(self, times: deque[float] | None, now: float) -> float:
        if times is None or len(times) < self._limit:
            return 0.0
        wait = times[0] + self._window - now
        return wait if wait > ROUNDING else 0.0

    def _forget(self, now: float) -> None:
        while self._failures:
            group, times = next(iter(self._failures.items()))
            if times[-1] + self._window > now:
                return
            del self._failures[group]
