"""How many tasks may wait, as the processor is told, and why one may not."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class QueueWatch(Protocol):
    """Who says how long the queue may become, which is never more than it has places."""

    @property
    def crowd(self) -> int:
        """From so many waiting tasks on, a session that has one among them gets no place."""

    @property
    def most(self) -> int:
        """From so many on, no session does."""

    def drained(self, left: int, waiting: int, now: float, /) -> None:
        """Be told how many got a worker since the last call, and how many wait; ``now`` in monotonic seconds."""

    def emptied(self) -> None:
        """Be told that nothing waits any more."""

    def retry_after(self, waiting: int, /) -> float | None:
        """Seconds in which so many are worked off; None while that cannot be told."""


class Denial(Enum):
    """Why a task gets no place."""

    FULL = "full"
    """There is none."""
    DELAY = "delay"
    """Too many wait already, or too many for a session that has one among them."""
