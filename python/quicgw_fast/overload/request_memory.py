"""A bound of the bytes that accepted requests hold until their reply, per session and for all (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import TaskFacts


class SessionShare:
    """What one session's requests may take. One request is always taken from a session without any."""

    name = "session-request-memory"

    def __init__(self, most: int) -> None:
        """``most`` in bytes."""
        self._most = most

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        held = facts.session.request_bytes
        if not held or held + facts.cost <= self._most:
            return None
        detail = f"{held} bytes wait for their reply, {self._most} may"
        return Refusal(ErrorCode.RATE_LIMITED, "too many bytes in flight", detail)


class ProcessShare:
    """What the requests of all sessions may take together."""

    name = "request-memory"
    _refusal = Refusal(ErrorCode.OVERLOADED, "overloaded", "the memory for requests is full")

    def __init__(self, most: int) -> None:
        """``most`` in bytes."""
        self._most = most

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal if facts.used + facts.cost > self._most else None
