"""How soon a place becomes free where a bounded number of things is under way.

By Little's law (Little, 1961), of n things that take T seconds each one ends every T / n seconds. T is measured: the
mean of those that ended between the last two looks at which any had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from quicgw_fast.observe import Metrics

AT_FIRST: Final = 1.0
"""Seconds that something is thought to take before anything has ended."""


class Turnover:
    """Reads a distribution of durations from the registry."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        """``name`` is registered by then, or later: until then everything takes ``AT_FIRST``."""
        self._metrics = metrics
        self._name = name
        self._seen = (0, 0.0)
        self._mean = AT_FIRST

    def look(self) -> None:
        """Measure anew; to be called now and then."""
        durations = [found for _, found in self._metrics.distributions(self._name)]
        ended, took = sum(one.count for one in durations), sum(one.sum for one in durations)
        before, took_before = self._seen
        if ended > before:
            self._mean = (took - took_before) / (ended - before)
            self._seen = (ended, took)

    @property
    def mean(self) -> float:
        """Seconds that one took lately."""
        return self._mean

    def place_after(self, most: int) -> float:
        """Seconds until one of ``most`` ends."""
        return self._mean / most
