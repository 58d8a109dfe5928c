"""How many calls of one service may be under way (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Gauge, Refusal
from quicgw_fast.overload.spread import Spread

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.turnover import Turnover
    from quicgw_fast.ports import CallFacts


class Concurrency:
    """A bound for each service; 0 sets none."""

    name = "concurrency"
    keys = ("upstream.max_concurrency",)
    gauge = Gauge("upstream_under_way")

    def __init__(self, bounds: Bounds, turnover: Turnover) -> None:
        """``turnover`` of calls."""
        self._turnover = turnover
        self._spread = Spread()
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.max_concurrency

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def judge(self, facts: CallFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if facts.under_way < self._most:
            return None
        detail = f"{self._most} calls to {facts.service} are under way, which is the limit"
        after = self._spread.over(self._turnover.place_after(self._most))
        return Refusal(ErrorCode.OVERLOADED, "upstream not available", detail, after)
