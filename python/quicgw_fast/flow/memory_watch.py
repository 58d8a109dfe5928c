"""Measures what the process takes in memory, and tells the rules; while it is short, what can be given back is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from quicgw_fast.overload import MemoryStages

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

    def __init__(self, memory: MeasuredMemory, stages: MemoryStages) -> None:
        self._memory = memory
        self._stages = stages
        self._trim_at = 0.0

    def look(self, now: float) -> None:
        """Measure, at ``now`` (monotonic seconds)."""
        self._stages.measured(self._memory.used(), self._memory.allowed(), now)
        if self._stages.stage and now >= self._trim_at:
            self._memory.trim()
            self._trim_at = now + TRIM_EVERY
