"""A bound of the bytes that accepted requests hold until their reply, per session and for all (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest

OF_A_REQUEST = 1 << 10
"""Bytes of a request that carries nothing: measured, 1 014 with its task."""
OF_AN_ENTRY = 96
"""Bytes that a parameter or header takes beyond its text: measured, 80 to 125."""


class Debtor(Protocol):
    """Who is charged: a session."""

    request_bytes: int


class RequestMemory:
    """Counts what requests take from acceptance to reply. One request is always taken from a session without any."""

    def __init__(self, per_session: int, total: int) -> None:
        """Both in bytes."""
        self._per_session = per_session
        self._total = total
        self._refused = 0
        self.used = 0
        """Bytes of all sessions."""

    def take(self, session: Debtor, size: int) -> None:
        """Charge a session ``size`` bytes more, or raise RequestError: 429 over its own bound, 503 over that of all."""
        if session.request_bytes and session.request_bytes + size > self._per_session:
            held = f"{session.request_bytes} bytes wait for their reply, {self._per_session} may"
            raise RequestError(ErrorCode.RATE_LIMITED, "too many bytes in flight", held)
        if self.used + size > self._total:
            self._refused += 1
            raise RequestError(ErrorCode.OVERLOADED, "overloaded", "the memory for requests is full")
        session.request_bytes += size
        self.used += size

    def give_back(self, session: Debtor, size: int) -> None:
        """One request is over. After ``end`` this changes nothing."""
        size = min(size, session.request_bytes)
        session.request_bytes -= size
        self.used -= size

    def end(self, session: Debtor) -> None:
        """The session is over, with all its requests."""
        self.used -= session.request_bytes
        session.request_bytes = 0

    def stats(self) -> dict[str, int]:
        """Bytes, and how many requests found no room in the memory of all."""
        return {"used": self.used, "limit": self._total, "refused": self._refused}


def size_of(request: UpstreamRequest) -> int:
    """The bytes that an accepted request takes in memory; many small parameters take more than they are on the wire."""
    entries = len(request.params) + len(request.headers)
    return int(request.ByteSize()) + OF_A_REQUEST + OF_AN_ENTRY * entries
