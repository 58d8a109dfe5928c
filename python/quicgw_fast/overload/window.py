"""How many there were within the last seconds: a sliding window, in slots.

A window of slots forgets the oldest one when a new one begins. So it looks back a little further than it says, by one
slot at most, and what is bounded by it never comes to more within any span of its length.
"""

from __future__ import annotations

from typing import Final

from quicgw_fast.backend.constants import ROUNDING

SLOTS: Final = 20
"""Into so many a window is cut; one more is the one that is being filled."""


class SlidingWindow:
    """Counts within ``seconds``; the clock is an argument, in monotonic seconds."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._width = seconds / SLOTS
        self._slots = [0] * (SLOTS + 1)
        self._newest = 0
        """The number of the slot that is being filled, counted from time 0."""
        self._total = 0

    def count(self, now: float) -> int:
        """How many there were."""
        self._move(now)
        return self._total

    def add(self) -> None:
        """Count one more, at the time that was told last."""
        self._slots[self._newest % (SLOTS + 1)] += 1
        self._total += 1

    def wait(self, now: float, most: float) -> float:
        """Seconds until there are fewer than ``most``, which is above 0, if nothing is added; 0.0 if there are now."""
        left = self.count(now)
        slot = self._newest - SLOTS
        while left >= most:
            left -= self._slots[slot % (SLOTS + 1)]
            slot += 1
        empty = slot == self._newest - SLOTS
        return 0.0 if empty else (slot + SLOTS) * self._width - now + ROUNDING

    def _move(self, now: float) -> None:
        newest = int(now / self._width)
        if newest == self._newest:
            return
        for number in range(self._newest + 1, newest + 1)[: SLOTS + 1]:
            self._total -= self._slots[number % (SLOTS + 1)]
            self._slots[number % (SLOTS + 1)] = 0
        self._newest = newest
