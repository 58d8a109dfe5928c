"""How many packets a second may answer packets that anybody can forge, so that nobody is flooded by way of us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend import TokenBucket
from quicgw_fast.ports import Deflection

if TYPE_CHECKING:
    from quicgw_fast.ports import UnprovenAnswer

RETRIES: Final = 4000
"""Retry packets a second at most: each costs about as much as looking at the packet that it answers."""
OTHERS: Final = 1000
"""Refusals, version negotiations and stateless resets a second at most."""


class AnswerRate:
    """Retry has a rate of its own: it is what lets honest clients in while others flood."""

    name = "answer-rate"

    def __init__(self) -> None:
        self._retries = TokenBucket(RETRIES, RETRIES)
        self._others = TokenBucket(OTHERS, OTHERS)

    def judge(self, facts: UnprovenAnswer, /) -> Deflection | None:
        """See ``Rule``."""
        bucket = self._retries if facts.retry else self._others
        return Deflection.DROP if bucket.take(facts.now) > 0 else None
