"""How fast a queue becomes shorter while there is one: how much may wait, and when to come back, follow from that.

What left lately counts more than what left before: each figure fades by ``e`` in ``SPAN`` seconds, the number of those
that left and the time that it took alike, so that their quotient is right from the first moment on. Time without a
queue says nothing about how fast one is worked off, and does not pass here.
"""

from __future__ import annotations

import math
from typing import Final

SPAN: Final = 1.0
"""Seconds in which what was measured fades to a third: longer than a stall, shorter than an overload."""
EVIDENCE: Final = 0.05
"""Seconds of a queue that it takes to say how fast it is: less is a burst of the event loop."""


class DrainRate:
    """Counts who leaves a queue; the clock is an argument, in monotonic seconds."""

    def __init__(self, span: float = SPAN) -> None:
        self._span = span
        self._left = 0.0
        self._took = 0.0
        self._at: float | None = None
        """When was last counted; None while nothing waits."""

    def add(self, left: int, now: float) -> None:
        """Count those that left since the last call, while others waited."""
        if self._at is None:  # since when they waited is not known
            self._at = now
            return
        passed = now - self._at
        fade = math.exp(-passed / self._span)
        self._left = self._left * fade + left
        self._took = self._took * fade + passed
        self._at = now

    def pause(self) -> None:
        """Nothing waits any more."""
        self._at = None

    def per_second(self) -> float | None:
        """How many leave in a second; None while too little was seen to tell."""
        return self._left / self._took if self._took >= EVIDENCE else None
