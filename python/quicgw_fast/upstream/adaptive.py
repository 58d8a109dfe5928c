"""How many calls an instance answers well at once, found by watching how long they take.

The limit follows the gradient of the time that calls take, as in Netflix' concurrency-limits (``Gradient2Limit``, 2018;
the thought is that of TCP Vegas, Brakmo and Peterson 1995): the usual time, a long average, is held against the time
now. Where calls take no longer than usual the limit grows by a few; where they take much longer they wait for each
other in there, and the limit shrinks by that proportion, until what is under way is what the instance works on.

It departs from the published form in three points. Waiting of less than ``HARMLESS`` is none: what makes calls of a
millisecond take three is more often a busy machine than a full service. It begins at its upper bound, as what is not
known yet is no reason to refuse a burst. And it shrinks from what was under way, where that is less than the limit: a
bound that nobody came near would have to shrink for long before it bound anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 2.0
"""Times the usual that calls may take before that counts as waiting."""
STEEPEST = 0.5
"""The most that one look takes off, before it is smoothed."""
HARMLESS = 0.1
"""Seconds beyond that which are no reason to refuse anybody."""
SMOOTHING = 0.4
LEAST_SAMPLES = 10
"""Calls of which the time now is made."""
LONG = 240
"""Looks that the usual time is made of: a minute, under load."""
WARM_UP = 10
"""Looks of which it is the plain average at first."""
FORGETTING = 0.95
"""The usual time shrinks by that at each look while calls take less than half of it, as after a long disturbance."""


class AdaptiveLimit:
    """The limit of one instance; at most ``most``, and never below ``least``."""

    def __init__(self, least: int, most: int) -> None:
        self._most = most
        self.reconfigure(least)
        self.value = float(most)
        self._usual = 0.0
        self._looks = 0
        self._sum, self._count, self._peak = 0.0, 0, 0

    def reconfigure(self, least: int) -> None:
        """Have another lower bound from now on."""
        self._least = min(least, self._most)

    def look(self, took: Sequence[float], peak: int) -> None:
        """Take in how many seconds each call since the last look took, and how many were under way at most."""
        self._sum += math.fsum(took)
        self._count += len(took)
        self._peak = max(self._peak, peak)
        if self._count >= LEAST_SAMPLES:
            self._move(self._sum / self._count, self._peak)
            self._sum, self._count, self._peak = 0.0, 0, 0

    def _move(self, now: float, peak: int) -> None:
        usual = self._usual_with(now)
        gradient = max(STEEPEST, min(1.0, (TOLERANCE * usual + HARMLESS) / max(now, HARMLESS)))
        if gradient < 1.0:
            here = min(self.value, 2.0 * peak)
        elif peak < self.value / 2:
            # Nothing is learnt of a limit that nobody came near; but what was learnt grows old.
            self.value = min(self.value + 1, self._most)
            return
        else:
            here = self.value
        room_to_queue = max(4.0, math.sqrt(here))
        moved = here * (1 - SMOOTHING) + (here * gradient + room_to_queue) * SMOOTHING
        self.value = min(max(moved, self._least), self._most)

    def _usual_with(self, now: float) -> float:
        """Take the time now into the usual one, and return that."""
        self._looks = min(self._looks + 1, LONG)
        share = 1 / self._looks if self._looks <= WARM_UP else 2 / (LONG + 1)
        self._usual += (now - self._usual) * share
        if self._usual > 2 * now:
            self._usual *= FORGETTING
        return self._usual
