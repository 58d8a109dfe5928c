"""How soon the next connection to a service is made after one that is over: the same for every maker.

A service renews its connections now and then, and the next one is made at once. Where one after the other is over as
soon as it came about, each costs the gateway more than the service, and each call that waits for one: so they are made
ever more rarely, and while they do not last, calls do not wait for them.
"""

from __future__ import annotations

from typing import Final

LAST: Final = 0.1
"""Seconds that a connection has to last to be as good as any."""
_AT_FIRST = 0.02
_AT_MOST = 1.0
_GROWTH = 1.6
_TOO_OFTEN = 0.1


class Renewals:
    """The connections of one channel."""

    def __init__(self) -> None:
        self._pause = _AT_FIRST

    def over(self, lasted: float) -> float:
        """Seconds between the beginning of a connection that lasted so many seconds, and that of the next one."""
        if lasted >= LAST:
            self._pause = _AT_FIRST
        pause = self._pause
        self._pause = min(pause * _GROWTH, _AT_MOST)
        return pause

    @staticmethod
    def too_often(pause: float) -> bool:
        """Whether so long a pause means that connections do not last: the fifth short one in a row."""
        return pause >= _TOO_OFTEN

    def failed(self) -> None:
        """Take note that no connection came about, after which there are pauses anyway."""
        self._pause = _AT_FIRST
