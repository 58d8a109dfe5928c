"""How many calls of one service may be under way (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import CallFacts


class Concurrency:
    """A bound for each service; 0 sets none."""

    name = "concurrency"

    def __init__(self, most: int) -> None:
        self._most = most

    def judge(self, facts: CallFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if not 0 < self._most <= facts.under_way:
            return None
        detail = f"{self._most} calls to {facts.service} are under way, which is the limit"
        return Refusal(ErrorCode.OVERLOADED, "upstream not available", detail)
