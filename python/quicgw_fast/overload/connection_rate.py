"""How many clients a second may connect in all: each handshake costs a millisecond of processor time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.overload.spread import Spread
from quicgw_fast.overload.turning_away import come_back
from quicgw_fast.overload.window import SlidingWindow
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.ports import Arrival, TurnedAway


class ConnectionRate:
    """A sliding window of a second over those that were let in; 0 sets no bound.

    Over it a client has to prove its address before it is told when to come back: what others send in its name must
    not have it turned away.
    """

    name = "connection-rate"
    keys = ("limits.connections_per_second",)

    def __init__(self, bounds: Bounds) -> None:
        self._window = SlidingWindow()
        self._spread = Spread()
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.connections_per_second

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def judge(self, facts: Arrival, /) -> TurnedAway | None:
        """See ``Rule``."""
        if self._window.count(facts.now) < self._most:
            self._window.add()
            return None
        if not facts.proven:
            return Deflection.RETRY
        wait = self._window.wait(facts.now, self._most)
        return come_back("too many new connections", self._spread.over(wait))

    def level(self, now: float) -> float:
        """See ``Measured``."""
        return self._window.count(now)
