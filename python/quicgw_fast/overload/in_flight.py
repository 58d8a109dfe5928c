"""How many requests of a session may wait for their reply (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import RequestFacts


class InFlight:
    """A bound on the requests without a reply; the one that is judged would be one more."""

    name = "in-flight"

    def __init__(self, most: int) -> None:
        self._most = most
        self._refusal = Refusal(
            ErrorCode.RATE_LIMITED, "too many requests in flight", f"{most} requests wait for their reply"
        )

    def judge(self, facts: RequestFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal if facts.session.outbox.in_flight >= self._most else None
