"""How many requests a session may send in a second (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend import Rate
from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.facts import RequestFacts


class MessageRate:
    """A token bucket for each session."""

    name = "message-rate"
    keys = ("limits.messages_per_second", "limits.message_burst")

    def __init__(self, bounds: Bounds) -> None:
        self._rate = Rate(bounds.limits.messages_per_second, bounds.limits.message_burst)
        self.configure(bounds)

    def configure(self, bounds: Bounds) -> None:
        """See ``Bounded``."""
        per_second = bounds.limits.messages_per_second
        self._rate.configure(per_second, bounds.limits.message_burst)
        self._detail = f"over {per_second:g} messages a second"

    def judge(self, facts: RequestFacts, /) -> Refusal | None:
        """See ``Rule``."""
        session = facts.session
        if session.allowance is None:
            session.allowance = self._rate.bucket(session.allowance_full_at)
        wait = session.allowance.take(facts.now)
        return Refusal(ErrorCode.RATE_LIMITED, "too many messages", self._detail, wait) if wait > 0 else None
