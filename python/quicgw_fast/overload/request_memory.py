"""A bound of the bytes that accepted requests hold until their reply, per session and for all (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.observe import Unit
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.facts import Charged, TaskFacts
    from quicgw_fast.proto.service_pb2 import UpstreamRequest

OF_A_REQUEST = 1 << 10
"""Bytes of a request that carries nothing: measured, 1 014 with its task."""
OF_AN_ENTRY = 96
"""Bytes that a parameter or header takes beyond its text: measured, 80 to 125."""


class RequestMemory:
    """Counts what requests take from acceptance to reply."""

    def __init__(self, total: int, metrics: Metrics) -> None:
        """``total`` in bytes, for all sessions."""
        self.total = total
        self.used = 0
        """Bytes of all sessions."""
        metrics.gauge(
            "request_memory_used", "What accepted requests take until their reply", lambda: self.used, Unit.BYTES
        )
        metrics.gauge("request_memory_limit", "What they may take", lambda: total, Unit.BYTES)

    def take(self, session: Charged, size: int) -> None:
        """Charge a session ``size`` bytes more, once the rules admitted it."""
        session.request_bytes += size
        self.used += size

    def give_back(self, session: Charged, size: int) -> None:
        """One request is over. After ``end`` this changes nothing."""
        size = min(size, session.request_bytes)
        session.request_bytes -= size
        self.used -= size

    def end(self, session: Charged) -> None:
        """The session is over, with all its requests."""
        self.used -= session.request_bytes
        session.request_bytes = 0


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

    def __init__(self, memory: RequestMemory) -> None:
        self._memory = memory

    def judge(self, facts: TaskFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal if self._memory.used + facts.cost > self._memory.total else None


def size_of(request: UpstreamRequest) -> int:
    """The bytes that an accepted request takes in memory; many small parameters take more than they are on the wire."""
    entries = len(request.params) + len(request.headers)
    return int(request.ByteSize()) + OF_A_REQUEST + OF_AN_ENTRY * entries
