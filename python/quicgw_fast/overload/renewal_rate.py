"""How often a session may renew its token: each costs a signature check (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend import TokenBucket
from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import RenewalFacts

RENEWALS: Final = (1.0, 5)
"""Renewals per second that a session may ask for, and how many at once."""


class RenewalRate:
    """Counted for the session alone: whoever has one has shown a good token."""

    name = "renewal-rate"

    def judge(self, facts: RenewalFacts, /) -> Refusal | None:
        """See ``Rule``."""
        session = facts.session
        if session.renewals is None:
            session.renewals = TokenBucket(*RENEWALS)
        wait = session.renewals.take(facts.now)
        return Refusal(ErrorCode.RATE_LIMITED, "too many renewals", retry_after=wait) if wait > 0 else None
