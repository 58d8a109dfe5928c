"""How many messages of one connection are looked at; who sends more is not answered any more, but closed.

An acknowledgement that acknowledges something is not judged: it costs nothing, as its number is bounded by the messages
sent down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend import Rate
from quicgw_fast.codes import CloseCode
from quicgw_fast.overload.rule import Close

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import MessageFacts, RequestFacts

FLOOD_FACTOR: Final = 4.0
"""Times the rate of requests that is answered 429 before the connection is closed: 429 is meant to be heard."""
GRACE: Final = 1000
"""Requests over the burst that are answered 429 in any case: what an honest program sends without listening."""

TOO_MANY: Final = Close(CloseCode.OVERLOADED, "too many messages; send fewer a second")


class ControlFlood:
    """Bounds heartbeats, acknowledgements of nothing new, and messages that were refused."""

    name = "control-flood"
    keys = ("limits.control_per_second", "limits.control_burst")

    def __init__(self, bounds: Bounds) -> None:
        self._rate = Rate(*self._of(bounds))

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._rate.configure(*self._of(bounds))

    def _of(self, bounds: Bounds) -> tuple[float, int]:
        return bounds.limits.control_per_second, bounds.limits.control_burst

    def judge(self, facts: MessageFacts, /) -> Close | None:
        """See ``Rule``."""
        traffic = facts.traffic
        if traffic.control is None:
            traffic.control = self._rate.bucket()
        return TOO_MANY if traffic.control.take(facts.now) > 0 else None


class RequestFlood:
    """Bounds BUSINESS messages, whatever their answer will be: well above the rate whose excess is answered 429."""

    name = "request-flood"
    keys = ("limits.messages_per_second", "limits.message_burst", "session.window_messages")

    def __init__(self, bounds: Bounds) -> None:
        self._rate = Rate(*self._of(bounds))

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._rate.configure(*self._of(bounds))

    def _of(self, bounds: Bounds) -> tuple[float, int]:
        # Each 429 is a message that the session is owed, and a flood has to be told from a client that does not read
        # before there is no room for another.
        per_second, burst = bounds.limits.messages_per_second, bounds.limits.message_burst
        return FLOOD_FACTOR * per_second, min(int(FLOOD_FACTOR * burst) + GRACE, max(burst, bounds.window))

    def judge(self, facts: RequestFacts, /) -> Close | None:
        """See ``Rule``."""
        traffic = facts.traffic
        if traffic.requests is None:
            traffic.requests = self._rate.bucket()
        return TOO_MANY if traffic.requests.take(facts.now) > 0 else None
