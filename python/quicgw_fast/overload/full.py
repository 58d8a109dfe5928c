"""How many clients may be connected at once.

In answer to a first packet, QUIC says no more than CONNECTION_REFUSED. So a full gateway does some handshakes
nevertheless, only to close them with the reason, and refuses what is over their rate in the first packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.overload.rule import Gauge
from quicgw_fast.overload.spread import Spread
from quicgw_fast.overload.turning_away import come_back
from quicgw_fast.overload.window import SlidingWindow

if TYPE_CHECKING:
    from quicgw_fast.backend import TokenBucket
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.ports import Arrival, ConnectionRefusal

TURNING_AWAY: Final = (50.0, 32)
"""Handshakes a second, and at once, that are done only to close with OVERLOADED."""

WINDOW: Final = 10.0
"""Seconds over which is measured how many clients leave."""


class Places:
    """How soon one of the places becomes free."""

    def __init__(self) -> None:
        self._left = SlidingWindow(WINDOW)
        self._spread = Spread()

    def left(self, now: float) -> None:
        """A client left its place."""
        self._left.count(now)
        self._left.add()

    def refusal(self, now: float) -> ConnectionRefusal:
        """What is told to who finds no place."""
        return come_back("the gateway is full", self._spread.over(WINDOW / max(1, self._left.count(now))))


class HandshakeWhenFull:
    """Bounds how often a full gateway explains itself. Handshakes under way count: they may all take a place."""

    name = "full"
    keys = ("limits.max_connections",)
    gauge = Gauge("connections_open")

    def __init__(self, bounds: Bounds, places: Places, turning_away: TokenBucket) -> None:
        """``turning_away`` has a token for each handshake that is done only to close."""
        self._places = places
        self._turning_away = turning_away
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.max_connections

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        full = facts.half_open + facts.connections >= self._most
        return self._places.refusal(facts.now) if full and self._turning_away.take(facts.now) > 0 else None


class ConnectionWhenFull:
    """Only those that are connected count: a place that became free during the handshake is given."""

    name = "full"
    keys = ("limits.max_connections",)
    gauge = Gauge("connections_open")

    def __init__(self, bounds: Bounds, places: Places) -> None:
        self._places = places
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.max_connections

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        return self._places.refusal(facts.now) if facts.connections >= self._most else None
