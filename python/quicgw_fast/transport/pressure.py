"""Back-pressure towards one peer: when to call it writable again, and when it has stalled."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.transport.limits import TransportLimits


class Signal(Enum):
    """What a look at the pending bytes found."""

    NONE = "none"
    WRITABLE = "writable"
    STALLED = "stalled"


class Pressure:
    """Watches the bytes that a peer has not acknowledged; the clock is an argument."""

    __slots__ = ("_limits", "_progress", "deadline", "over")

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._progress = 0
        self.over = False
        """True from passing the high water mark until falling to the low one."""
        self.deadline = math.inf
        """When the peer counts as stalled if it acknowledges nothing more; infinite below the high mark."""

    def look(self, pending: int, progress: int, now: float) -> Signal:
        """Judge ``pending`` bytes with ``progress`` bytes acknowledged in all, ``now`` in seconds."""
        if pending > self._limits.high_water:
            if self.deadline == math.inf or progress != self._progress:
                self.over = True
                self._progress = progress
                self.deadline = now + self._limits.stall_timeout
            return Signal.STALLED if now >= self.deadline else Signal.NONE
        self.deadline = math.inf
        if self.over and pending <= self._limits.low_water:
            self.over = False
            return Signal.WRITABLE
        return Signal.NONE
