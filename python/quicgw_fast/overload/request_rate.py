"""How many requests all sessions together may send in any second (protocol §3: QPS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.spread import SpreadRefusals
from quicgw_fast.overload.window import SlidingWindow

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import RequestFacts
    from quicgw_fast.overload.rule import Refusal

QPS: Final = "QPS"
"""The header ``error-code`` of what is refused for this."""


class RequestRate:
    """A sliding window of a second over those that were let through; 0 sets no bound."""

    name = "request-rate"
    keys = ("limits.requests_per_second",)

    def __init__(self, bounds: Bounds) -> None:
        self._window = SlidingWindow()
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = per_second = bounds.limits.requests_per_second
        detail = f"QPS: over {per_second:g} requests a second in all"
        self._refusals = SpreadRefusals(ErrorCode.OVERLOADED, "overloaded", detail, QPS)

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def judge(self, facts: RequestFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if self._window.count(facts.now) < self._most:
            self._window.add()
            return None
        return self._refusals.after(self._window.wait(facts.now, self._most))

    def level(self, now: float) -> float:
        """See ``Measured``."""
        return self._window.count(now)
