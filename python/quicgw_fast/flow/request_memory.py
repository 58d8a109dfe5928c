"""The bytes that accepted requests hold until their reply, wherever they wait (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.observe import Unit

if TYPE_CHECKING:
    from quicgw_fast.backend import ForwardedRequest
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Session

OF_A_REQUEST = 1 << 10
"""Bytes of a request that carries nothing: its task, and whatever keeps that where it waits."""
OF_AN_ENTRY = 96
"""Bytes that a parameter or header takes beyond its text where protobuf has parsed it: measured, 80 to 125."""


class RequestMemory:
    """Counts what requests take from acceptance to reply."""

    def __init__(self, metrics: Metrics, most: int) -> None:
        """``most`` in bytes is what a rule of overload lets all sessions have; here it is only told."""
        self.most = most
        self.used = 0
        """Bytes of all sessions."""
        metrics.gauge(
            "request_memory_used", "What accepted requests take until their reply", lambda: self.used, Unit.BYTES
        )
        metrics.gauge("request_memory_limit", "What accepted requests may take", lambda: self.most, Unit.BYTES)

    def take(self, session: Session, size: int) -> None:
        """Charge a session ``size`` bytes more, once the rules admitted it."""
        session.request_bytes += size
        self.used += size

    def give_back(self, session: Session, size: int) -> None:
        """One request is over. After ``end`` this changes nothing."""
        size = min(size, session.request_bytes)
        session.request_bytes -= size
        self.used -= size

    def end(self, session: Session) -> None:
        """The session is over, with all its requests."""
        self.used -= session.request_bytes
        session.request_bytes = 0


def size_of(request: ForwardedRequest) -> int:
    """The bytes that an accepted request takes in memory; many small parameters take more than they are on the wire."""
    return len(request.SerializeToString()) + OF_A_REQUEST + OF_AN_ENTRY * request.entries
