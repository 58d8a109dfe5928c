"""When those who are refused are to come back: not together, as they would be refused together again.

Each is told a time between the one after which there is room and twice that, the next one always far from those before
it: the fractional parts of the multiples of the golden ratio fill an interval evenly (Knuth, The Art of Computer
Programming 3, 6.4), so that no chance is needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.codes import ErrorCode

GOLDEN: Final = (math.sqrt(5) - 1) / 2
STEP: Final = 0.05
"""Seconds to which times are rounded up: to come back sooner is not worth it, and few different times have few
different answers."""
LONGEST: Final = 60.0
"""Seconds that anybody is told at most."""


class Spread:
    """Gives each of many who wait for the same a time of their own."""

    def __init__(self) -> None:
        self._part = 0.0

    def over(self, wait: float) -> float:
        """Seconds between ``wait`` and twice as many."""
        self._part = (self._part + GOLDEN) % 1.0
        return min(LONGEST, max(1, math.ceil(wait * (1.0 + self._part) / STEP)) * STEP)


class SpreadRefusals:
    """Refusals that differ only in when to come back; each is made once, as there are many when there are any."""

    def __init__(self, code: ErrorCode, message: str, detail: str, error_code: str = "") -> None:
        """What all of them say."""
        self._said = code, message, detail
        self._error_code = error_code
        self._spread = Spread()
        self._made: dict[float, Refusal] = {}

    def after(self, wait: float) -> Refusal:
        """One that says to come back after ``wait`` seconds or somewhat later."""
        spread = self._spread.over(wait)
        made = self._made.get(spread)
        if made is None:
            made = self._made[spread] = Refusal(*self._said, spread, self._error_code)
        return made
