"""Whether an instance with calls under way gives signs of life: a process that was stopped keeps its connection.

It is judged in looks and not in seconds: a gateway that stood still itself looks as rarely as it read answers, and
blames nobody. After ``silent_after`` without an answer others come first, and the instance is asked for a sign of life;
when it owes three of those in a row, or eight where no other instance is well, it is silent. A service that works for
minutes on one call answers the question, and is left alone.
"""

from __future__ import annotations

from typing import Final

LOOK: Final = 0.25
"""Seconds between two looks."""
MISSES: Final = 3
"""Questions in a row that nobody answered, of one beside whom others answer."""
MISSES_ALONE: Final = 8
"""The same of one beside whom nobody does: it may be the machine that stands still, and there is nobody to go to."""


class Silence:
    """What is known of one instance's silence; ``silent_after`` in seconds."""

    def __init__(self, silent_after: float) -> None:
        self.reconfigure(silent_after)
        self._looks = 0
        """That found calls under way, and no answer since the one before."""
        self._ask_at = self._after
        """How many of them make the next question."""
        self._misses = 0
        self._signs = 0
        self._under_way = 0
        self.silent = False

    def reconfigure(self, silent_after: float) -> None:
        """Judge by another time from now on."""
        self._after = max(1, round(silent_after / LOOK))

    def look(self, under_way: int, signs: int) -> None:
        """Take in how many calls are under way, and how many signs of life there ever were."""
        if signs != self._signs:
            self._begin_anew()
        elif under_way:
            self._looks += 1
        self._signs, self._under_way = signs, under_way

    @property
    def suspect(self) -> bool:
        """Whether it has not answered for a while."""
        return self._looks >= self._after

    @property
    def worth_asking(self) -> bool:
        """Whether it is to be asked for a sign of life."""
        # Also when its last call was given up before it was due: it would stay suspect, as others get the calls.
        return self.silent or self._looks >= self._ask_at or (self.suspect and not self._under_way)

    @property
    def missed(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._misses > 0

    def told(self, *, alive: bool, alone: bool = False) -> None:
        """Take in whether it answered when it was asked; ``alone``: of its service no other instance is well."""
        if not alive:
            self._misses += 1
            self.silent = self.silent or self._misses >= (MISSES_ALONE if alone else MISSES)
        elif self._under_way and not self.silent:
            # It lives, and is slow: it stays behind the others.
            self._misses, self._ask_at = 0, self._looks + self._after
        else:
            self.silent = False
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._looks = self._misses = 0
        self._ask_at = self._after
