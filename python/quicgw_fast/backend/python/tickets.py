"""Which notifies somebody asks about that had to wait for their number, and what became of them."""

from __future__ import annotations

from typing import Final

NO_TICKET: Final = 0
"""Of a notify that nobody asks about."""


class Tickets:
    """The fates of named notifies: the number that each took, or 0 where its time passed before.

    They are told when somebody asks: the steps that number messages return to nobody what they numbered.
    """

    __slots__ = ("_waiting", "untold")

    def __init__(self) -> None:
        self._waiting = 0
        self.untold: list[tuple[int, int]] = []

    def add(self, ticket: int) -> None:
        """One more waits."""
        self._waiting += ticket != NO_TICKET

    def withdraw(self, ticket: int) -> None:
        """One waits no more, because whoever named it says so."""
        self._waiting -= ticket != NO_TICKET

    def decide(self, tickets: list[int], first: int) -> None:
        """These took the numbers from first on, or with first 0 none: unnamed ones are among them."""
        if not self._waiting:
            return
        for at, ticket in enumerate(tickets):
            if ticket != NO_TICKET:
                self._waiting -= 1
                self.untold.append((ticket, first + at if first else 0))

    def take(self) -> list[tuple[int, int]]:
        """Return the fates that were not told yet."""
        fates, self.untold = self.untold, []
        return fates

    def clear(self) -> None:
        """Nothing waits any more, and nobody is told why."""
        self._waiting = 0
