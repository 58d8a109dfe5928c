"""How many calls of services may be under way in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Gauge
from quicgw_fast.overload.spread import SpreadRefusals

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.rule import Refusal
    from quicgw_fast.overload.turnover import Turnover
    from quicgw_fast.ports import CallFacts


class AllCalls:
    """A bound for all services together; 0 sets none. A call counts until it ends, also when nobody waits for it."""

    name = "calls"
    keys = ("limits.max_calls",)
    gauge = Gauge("upstream_under_way", sum)

    def __init__(self, bounds: Bounds, turnover: Turnover) -> None:
        self._turnover = turnover
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.max_calls
        detail = f"{self._most} calls of services are under way, which is the limit"
        self._refusals = SpreadRefusals(ErrorCode.OVERLOADED, "upstream not available", detail)

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def judge(self, facts: CallFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if facts.in_all < self._most:
            return None
        return self._refusals.after(self._turnover.place_after(self._most))
