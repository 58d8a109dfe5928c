"""How late the event loop comes to what is due: what every client waits longer for than it had to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.observe.metrics import Metrics


class LoopLag:
    """Takes note of how late a timer was; uvloop's are late by up to a millisecond in any case."""

    def __init__(self, metrics: Metrics) -> None:
        self._took = metrics.duration("loop_lag", "By how much the event loop is late for a timer, ten times a second")
        self._worst = 0.0

    def note(self, late: float) -> None:
        """A timer was late by so many seconds."""
        self._took.observe(late)
        self._worst = max(self._worst, late)

    def worst(self) -> float:
        """Return the longest, in seconds, since somebody last asked."""
        worst, self._worst = self._worst, 0.0
        return worst
