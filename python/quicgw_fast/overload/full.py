"""How many clients may be connected at once.

In answer to a first packet, QUIC says no more than CONNECTION_REFUSED. So a full gateway does some handshakes
nevertheless, only to close them with the reason, and refuses what is over their rate in the first packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend import TokenBucket
from quicgw_fast.codes import CloseCode
from quicgw_fast.errors import RETRY_AFTER_MS
from quicgw_fast.ports import ConnectionRefusal

if TYPE_CHECKING:
    from quicgw_fast.ports import Arrival

TURNING_AWAY: Final = (50.0, 32)
"""Handshakes a second, and at once, that are done only to close with OVERLOADED."""

FULL: Final = ConnectionRefusal(
    CloseCode.OVERLOADED, CloseCode.OVERLOADED.phrase(f"the gateway is full, retry-after-ms {RETRY_AFTER_MS}")
)


class HandshakeWhenFull:
    """Bounds how often a full gateway explains itself. Handshakes under way count: they may all take a place."""

    name = "full"

    def __init__(self, most: int, turning_away: tuple[float, int] = TURNING_AWAY) -> None:
        self._most = most
        self._turning_away = TokenBucket(*turning_away)

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        full = facts.half_open + facts.connections >= self._most
        return FULL if full and self._turning_away.take(facts.now) > 0 else None


class ConnectionWhenFull:
    """Only those that are connected count: a place that became free during the handshake is given."""

    name = "full"

    def __init__(self, most: int) -> None:
        self._most = most

    def judge(self, facts: Arrival, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        return FULL if facts.connections >= self._most else None
