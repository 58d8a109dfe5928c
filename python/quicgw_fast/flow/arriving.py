"""Memory of messages that have not arrived: begun and not complete, or kept back behind a START.

Each connection may have some of it, and an honest client on a slow line does. What bounds one connection (a message's
size, and the time that it may take) bounds nothing for fifty thousand of them. So all together have a bound, too, and
when it is passed those with most go, as everywhere (``sharing``): whoever sends small messages notices nothing, as a
message that arrives whole is never counted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.codes import CloseCode
from quicgw_fast.observe import BufferKind, Filling, register_buffer
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.overload import MAX_HELD
from quicgw_fast.sharing import FREE_TO, Holding, choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics

DETAIL = "messages of all clients that are not complete take too much memory, and most of it this one's"

_log = logging.getLogger("quicgw.overload")


class Arrives(Protocol):
    """A connection on which something has begun to arrive."""

    arriving: int
    """Bytes of it that are in the sum."""

    def close(self, code: CloseCode, detail: str) -> None:
        """Close it; whatever still comes on it is ignored."""


class Arriving:
    """Sums up what has not arrived, and closes those with most of it when that is too much."""

    def __init__(self, clock: Clock, metrics: Metrics, limit: Callable[[], int]) -> None:
        """``limit`` tells how many bytes all may have."""
        self.used = 0
        """Bytes, of all connections."""
        self._limit = limit
        self._clock = clock
        self._count_given_up = metrics.counter(
            "arriving_given_up", "Connections that were closed, as messages that are not complete took too much memory"
        )
        self._holders: set[Arrives] = set()
        self._repeats = RepeatLog(_log)
        of_one = Filling(self._most, lambda: MAX_BODY + MAX_HELD)
        register_buffer(metrics, BufferKind.ARRIVING, Filling(lambda: self.used, limit), of_one)

    def note(self, holder: Arrives, size: int) -> None:
        """Take what a connection has now; 0 when everything arrived, and at its end."""
        self.used += size - holder.arriving
        holder.arriving = size
        if size:
            self._holders.add(holder)
        else:
            self._holders.discard(holder)
        if self.used > self._limit():
            self._relieve()

    def tend(self, now: float) -> None:
        """Write what the log owes."""
        self._repeats.flush(now)

    def _relieve(self) -> None:
        used, limit = self.used, self._limit()
        holdings = ((holder, Holding(holder.arriving, attached=True)) for holder in self._holders)
        closed = choose(holdings, used - int(limit * FREE_TO))
        for holder in closed:
            # Its bytes go with the connection, in the loop's next turn; nothing is added to them until then.
            self.note(holder, 0)
            holder.close(CloseCode.OVERLOADED, DETAIL)
        self._count_given_up.value += len(closed)
        fields = {"connections": len(closed), "freed": used - self.used, "limit": limit}
        self._repeats.add(logging.WARNING, "memory of arriving messages full", "", self._clock.now(), fields)

    def _most(self) -> int:
        return max((holder.arriving for holder in self._holders), default=0)
