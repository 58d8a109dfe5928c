"""The rests between readings, which leave time for what is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock, Timer
    from quicgw_fast.ports import ReadingPace

LOOK: Final = 0.001
"""Seconds after which a rest is looked at again: it may be over before its time."""


class Eager:
    """A ``ReadingPace`` without rests."""

    def rest(self, took: float, /) -> float:
        """See ``ReadingPace``."""
        del took
        return 0.0

    def over(self) -> bool:
        """See ``ReadingPace``."""
        return True


class Rests:
    """One after another, each as the pace wants it."""

    def __init__(
        self, clock: Clock, pace: ReadingPace, resume: Callable[[], None], meanwhile: Callable[[], None] | None = None
    ) -> None:
        """``resume`` is called at the end of each, and ``meanwhile`` every millisecond before that."""
        self.active = False
        """Nothing is to be read now."""
        self.wanted = False
        """One was begun after the last reading: much is to be read at once."""
        self._now = clock.now
        self._call_later = clock.call_later
        self._pace = pace
        self._resume = resume
        self._meanwhile = meanwhile
        self._until = 0.0
        self._timer: Timer | None = None

    def begin(self, took: float) -> bool:
        """Begin one, if the pace wants that after a reading of so many seconds; whether it does."""
        rest = self._pace.rest(took)
        self.wanted = rest > 0
        if rest:
            self.active = True
            self._until = self._now() + rest
            self._timer = self._call_later(min(rest, LOOK), self._look)
        return self.active

    def close(self) -> None:
        """Resume no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left = self._until - self._now()
        if left > 0 and not self._pace.over():
            self._timer = self._call_later(min(left, LOOK), self._look)
            if self._meanwhile is not None:
                self._meanwhile()
            return
        self.active, self._timer = False, None
        self._resume()
