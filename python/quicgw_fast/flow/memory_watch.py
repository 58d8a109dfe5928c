"""Measures what the process takes in memory, and tells the rules; while it is short, what can be given back is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from quicgw_fast.overload import RuleBook

TRIM_EVERY: Final = 5.0
"""Seconds between two times that the allocator gives back what it keeps: that takes milliseconds."""


class MeasuredMemory(Protocol):
    """Who knows what the process takes."""

    def used(self) -> int:
        """Bytes that it takes now; 0 where nobody knows."""

    def allowed(self) -> int | None:
        """Bytes that its surroundings allow; None if they set no limit."""

    def trim(self) -> None:
        """Give back what is only kept for later."""


class MemoryWatch:
    """Looks once in each round of the housekeeping."""

    def __init__(self, memory: MeasuredMemory, rules: RuleBook) -> None:
        self._memory = memory
        self._rules = rules
        self._trim_at = 0.0

    def look(self, now: float) -> None:
        """Measure, at ``now`` (monotonic seconds)."""
        stage = self._rules.measured(self._memory.used(), self._memory.allowed(), now)
        if stage and now >= self._trim_at:
            self._memory.trim()
            self._trim_at = now + TRIM_EVERY
