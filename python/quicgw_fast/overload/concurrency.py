"""How many calls of one service may be under way (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.ports import CallFacts


class Concurrency:
    """A bound for each service; 0 sets none."""

    name = "concurrency"

    def __init__(self, most: int) -> None:
        self._most = most

    def __bool__(self) -> bool:
        """Whether a bound is set."""
        return self._most > 0

    def judge(self, facts: CallFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if facts.under_way < self._most:
            return None
        detail = f"{self._most} calls to {facts.service} are under way, which is the limit"
        return Refusal(ErrorCode.OVERLOADED, "upstream not available", detail)
