"""How long a queue may become, by the time that it takes to work it off.

A queue is there to take up bursts. One that does not become short again is of no use: whoever waits in it gets the same
later, and so does everybody behind. CoDel (Nichols and Jacobson 2012, RFC 8289) tells the two apart by the shortest
wait within an interval: if even that is above a target, the queue is *standing*. How long the wait is follows, as in
PIE (RFC 8033), from how many wait and how fast they leave: tasks take turns by session, so that one task's own wait
says little about the queue. What a server does with it is as in "Fail at Scale" (Maurer 2015): there is a short bound
while the queue stands, and a generous one else.

- No queue stands: as many may wait as are worked off in an ``interval``. That is what a burst may bring.
- A queue stands: as many as are worked off in twice the ``target``, so that it goes on being seen to stand until less
  is offered than can be done. Whoever has nothing waiting gets a place beyond that, up to the generous bound: who asks
  for little does not pay for who asks for much.

Nothing that waits already is thrown out: what was accepted is served, or is late. New requests are refused instead,
which costs nearly nothing and is told at once.
"""

from __future__ import annotations

import math
from typing import Final

from quicgw_fast.overload.drain_rate import DrainRate

LEAST: Final = 64
"""Places that a queue has however slow its services are: as many requests as one session may have."""
ROUNDS: Final = 2
"""Rounds of the workers that may wait, likewise."""
STEP: Final = 0.01
"""Seconds to which times to come back are rounded up, so that those who come together are told the same."""
LONGEST: Final = 30.0
"""Seconds after which to come back at most."""


class StandingQueue:
    """Watches one queue and says how many may wait in it; the clock is an argument, in monotonic seconds."""

    def __init__(self, target: float, interval: float, workers: int, capacity: int) -> None:
        """``target`` and ``interval`` in seconds; beyond ``capacity`` nobody waits, however fast the queue is."""
        self._target = target
        self._interval = interval
        self._least = max(LEAST, ROUNDS * workers)
        self._capacity = capacity
        self._rate = DrainRate()
        self._fewest = math.inf
        """That waited in this interval."""
        self._until: float | None = None
        """When it ends; None while nothing waits."""
        self.standing = False
        self.crowd = capacity
        """From so many on, who has something waiting already gets no place."""
        self.most = capacity
        """From so many on, nobody does."""

    def drained(self, left: int, waiting: int, now: float) -> None:
        """Count those that left since the last call; so many still wait."""
        self._rate.add(left, now)
        self._fewest = min(self._fewest, waiting)
        rate = self._rate.per_second()
        if self._until is None:
            self._until = now + self._interval
        elif now >= self._until:
            self.standing = rate is not None and self._fewest > rate * self._target
            self._fewest, self._until = waiting, now + self._interval
        if rate is not None:
            self._set_bounds(rate)

    def emptied(self) -> None:
        """Nothing waits any more: no queue stands."""
        self._rate.pause()
        self._fewest, self._until = math.inf, None
        if self.standing:
            self.standing = False
            self.crowd = self.most

    def retry_after(self, waiting: int) -> float | None:
        """Seconds in which so many are worked off; None while that cannot be told."""
        rate = self._rate.per_second()
        if rate is None:
            return None
        return LONGEST if rate * LONGEST <= waiting else math.ceil(max(waiting, 1) / rate / STEP) * STEP

    def _set_bounds(self, rate: float) -> None:
        self.most = self._places(rate * self._interval)
        self.crowd = min(self._places(rate * 2 * self._target), self.most) if self.standing else self.most

    def _places(self, wanted: float) -> int:
        return min(max(int(wanted), self._least), self._capacity)
