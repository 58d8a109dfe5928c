"""How much processor time peers' packets may use: the clock and what was used are arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.transport.limits import TransportLimits


class CommonBudget:
    """What all peers of a listener together may use without moving any data, in seconds.

    Each has a share of its own, but whoever has many connections has many shares. So who has used up what a peer has
    in reserve is looked at only while there is something left of what is everybody's.
    """

    __slots__ = ("_at", "_balance", "_limits")

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._balance = limits.cpu_common_burst
        self._at: float | None = None

    def allows(self, now: float) -> bool:
        """Tell whether a datagram of somebody without reserve may be looked at, at ``now`` (monotonic seconds)."""
        if self._at is not None:
            earned = (now - self._at) * self._limits.cpu_common_share
            self._balance = min(self._limits.cpu_common_burst, self._balance + earned)
        self._at = now
        return self._balance > 0.0

    def charge(self, used: float) -> None:
        """Take seconds that moved no data. What newcomers overdraw is forgotten beyond as much again."""
        self._balance = max(-self._limits.cpu_common_burst, self._balance - used)


class CpuBudget:
    """An account of one peer's processor time, in seconds: filled at a small constant rate, and by every step forward.

    A step forward is a stream byte that arrived in order or that the peer acknowledged. Whoever moves data earns
    several times what an honest transfer costs, so that bulk is never slowed down; whoever only keeps us busy has
    the constant share, which fills half of the account: the other half, the reserve, has to be earned. The balance may
    go below zero by one datagram, of which no more is counted than its peer can bring about.

    A handshake moves no data, and has the whole account at its beginning. What is left of the reserve at its end is
    lost but for what the first messages take: it would be a gift to whoever connects again and again.
    """

    __slots__ = ("_at", "_balance", "_common", "_full", "_given", "_limits", "_reserve")

    def __init__(self, limits: TransportLimits, common: CommonBudget) -> None:
        self._limits = limits
        self._common = common
        self._balance = self._full = limits.cpu_burst
        self._reserve = limits.cpu_burst / 2
        self._at: float | None = None
        self._given = False

    def allows(self, now: float) -> bool:
        """Tell whether another datagram may be looked at, at ``now`` (monotonic seconds)."""
        if self._balance < self._reserve and self._at is not None:
            self._balance = min(self._reserve, self._balance + (now - self._at) * self._limits.cpu_share)
        self._at = now
        return self._balance > self._reserve or (self._balance > 0.0 and self._common.allows(now))

    @property
    def untried(self) -> bool:
        """Whether the peer has earned nothing yet beyond what it was given."""
        return not self._given or self._balance <= self._reserve + self._limits.cpu_login

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
        if used > 0.0:
            self._common.charge(used)
        self._balance = min(self._full, self._balance - used)

    def end_handshake(self) -> None:
        """Take back what the handshake has left of the reserve, but for what a login costs."""
        self._given = True
        self._balance = min(self._balance, self._reserve + self._limits.cpu_login)
