"""How much processor time one peer's packets may use: the clock and what was used are arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.transport.limits import TransportLimits


class CpuBudget:
    """An account of processor time, in seconds: filled at a small constant rate, and by every step forward.

    A step forward is a stream byte that arrived in order or that the peer acknowledged. Whoever moves data earns
    several times what an honest transfer costs, so that bulk is never slowed down; whoever only keeps us busy has
    the constant share. The balance may go below zero by one datagram, of which no more is counted than its peer can
    bring about.
    """

    __slots__ = ("_at", "_balance", "_full", "_limits")

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._balance = self._full = limits.cpu_burst
        self._at: float | None = None

    def allows(self, now: float) -> bool:
        """Tell whether another datagram may be looked at, at ``now`` (monotonic seconds)."""
        if self._at is not None and self._balance < self._full:
            self._balance = min(self._full, self._balance + (now - self._at) * self._limits.cpu_share)
        self._at = now
        return self._balance > 0.0

    def earn(self, moved: int) -> None:
        """Take the step forward of a datagram that cost next to nothing and moved the stream by ``moved`` bytes."""
        if self._balance < self._full:
            self.charge(0.0, moved)

    def charge(self, used: float, moved: int) -> None:
        """Take the ``used`` seconds of a datagram that moved the stream by ``moved`` bytes, in both directions."""
        limits = self._limits
        used = min(used, limits.cpu_per_datagram)
        if moved > 0:
            used -= max(limits.cpu_per_step, moved * limits.cpu_per_byte)
        self._balance = min(self._full, self._balance - used)
