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

    __slots__ = ("_limits", "_progress", "deadline", "owed")

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._progress = 0
        self.owed = False
        """``writable`` is owed: the high water mark was passed, or somebody was told to wait for the low one."""
        self.deadline = math.inf
        """When the peer counts as stalled if it acknowledges nothing more; infinite below the high mark."""

    @property
    def active(self) -> bool:
        """Whether a look can find anything although there is room."""
        return self.owed or self.deadline < math.inf

    def look(self, pending: int, progress: int, now: float) -> Signal:
        """Judge ``pending`` bytes with ``progress`` bytes acknowledged in all, ``now`` in seconds."""
        if pending > self._limits.high_water:
            self.owed = True
            if self.deadline == math.inf or progress != self._progress:
                self._progress = progress
                self.deadline = now + self._limits.stall_timeout
            return Signal.STALLED if now >= self.deadline else Signal.NONE
        self.deadline = math.inf
        if self.owed and pending <= self._limits.low_water:
            self.owed = False
            return Signal.WRITABLE
        return Signal.NONE

    def stop(self) -> None:
        """Forget what is owed and when."""
        self.owed = False
        self.deadline = math.inf
