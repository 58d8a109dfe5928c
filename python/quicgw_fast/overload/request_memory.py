"""A bound of the bytes that accepted requests hold until their reply, per session and for all (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Gauge, Refusal
from quicgw_fast.overload.spread import SpreadRefusals

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import TaskFacts
    from quicgw_fast.overload.turnover import Turnover


class SessionShare:
    """What one session's requests may take. One request is always taken from a session without any."""

    name = "session-request-memory"
    keys = ("limits.request_bytes",)

    def __init__(self, bounds: Bounds, turnover: Turnover) -> None:
        """``turnover`` of requests."""
        self._turnover = turnover
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.request_bytes

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        held = facts.session.request_bytes
        if not held or held + facts.cost <= self._most:
            return None
        detail = f"{held} bytes wait for their reply, {self._most} may"
        return Refusal(ErrorCode.RATE_LIMITED, "too many bytes in flight", detail, self._turnover.mean)


class ProcessShare:
    """What the requests of all sessions may take together."""

    name = "request-memory"
    keys = ("limits.request_memory",)
    gauge = Gauge("request_memory_used")

    def __init__(self, bounds: Bounds, turnover: Turnover) -> None:
        """``turnover`` of requests."""
        self._turnover = turnover
        self._refusals = SpreadRefusals(ErrorCode.OVERLOADED, "overloaded", "the memory for requests is full")
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        self._most = bounds.limits.request_memory

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusals.after(self._turnover.mean) if facts.used + facts.cost > self._most else None
