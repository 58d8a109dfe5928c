"""How many requests a session may send in a second (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend import TokenBucket
from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import RequestFacts


class MessageRate:
    """A token bucket for each session."""

    name = "message-rate"

    def __init__(self, per_second: float, burst: int) -> None:
        self._rate = per_second, burst
        self._detail = f"over {per_second:g} messages a second"

    def judge(self, facts: RequestFacts, /) -> Refusal | None:
        """See ``Rule``."""
        session = facts.session
        if session.allowance is None:
            session.allowance = TokenBucket(*self._rate)
        wait = session.allowance.take(facts.now)
        return Refusal(ErrorCode.RATE_LIMITED, "too many messages", self._detail, wait) if wait > 0 else None
