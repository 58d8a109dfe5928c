"""Whether an instance with calls under way gives signs of life: a process that was stopped keeps its connection.

It is judged in looks and not in seconds: a gateway that stood still itself looks as rarely as it read answers, and
blames nobody. After half of ``silent_after`` without an answer others come first; after all of it the instance is asked
for a sign of life; and when it owes two of those in a row, it is silent. A service that works for minutes on one call
answers the question, and is left alone.
"""

from __future__ import annotations

from typing import Final

LOOK: Final = 0.25
"""Seconds between two looks."""
MISSES: Final = 2
"""Questions in a row that nobody answered."""


class Silence:
    """What is known of one instance's silence; ``silent_after`` in seconds."""

    def __init__(self, silent_after: float) -> None:
        self.reconfigure(silent_after)
        self._looks = 0
        self._misses = 0
        self._signs = 0
        self._under_way = 0
        self.silent = False

    def reconfigure(self, silent_after: float) -> None:
        """Judge by another time from now on."""
        self._suspect_after = max(1, round(silent_after / LOOK / 2))
        self._ask_after = max(2, round(silent_after / LOOK))

    def look(self, under_way: int, signs: int) -> None:
        """Take in how many calls are under way, and how many signs of life there ever were."""
        if signs != self._signs:
            self._looks = self._misses = 0
        elif under_way:
            self._looks += 1
        self._signs, self._under_way = signs, under_way

    @property
    def suspect(self) -> bool:
        """Whether it has not answered for a while."""
        return self._looks >= self._suspect_after

    @property
    def worth_asking(self) -> bool:
        """Whether it is to be asked for a sign of life."""
        # Also when its last call was given up before it was due: it would stay suspect, as others get the calls.
        return self.silent or self._looks >= self._ask_after or (self.suspect and not self._under_way)

    @property
    def missed(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._misses > 0

    def told(self, *, alive: bool) -> None:
        """Take in whether it answered when it was asked."""
        if alive:
            # With calls under way it stays behind the others: it lives, but is slow.
            self._looks = min(self._looks, self._suspect_after) if self._under_way else 0
            self._misses = 0
            self.silent = False
        else:
            self._misses += 1
            self.silent = self.silent or self._misses >= MISSES
