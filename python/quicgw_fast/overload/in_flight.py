"""How many requests of a session may wait for their reply (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.spread import SpreadRefusals

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import RequestFacts
    from quicgw_fast.overload.rule import Refusal
    from quicgw_fast.overload.turnover import Turnover


class InFlight:
    """A bound on the requests without a reply; the one that is judged would be one more."""

    name = "in-flight"
    keys = ("limits.in_flight",)

    def __init__(self, bounds: Bounds, turnover: Turnover) -> None:
        """``turnover`` of requests."""
        self._turnover = turnover
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = most = bounds.limits.in_flight
        self._refusals = SpreadRefusals(
            ErrorCode.RATE_LIMITED, "too many requests in flight", f"{most} requests wait for their reply"
        )

    def judge(self, facts: RequestFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if facts.session.outbox.in_flight < self._most:
            return None
        return self._refusals.after(self._turnover.place_after(self._most))
