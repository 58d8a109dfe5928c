"""A timer that is cheap to move: it is set back lazily."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import CallLater, Timer

ROUNDING = 0.0005
"""uvloop rounds to the nearest millisecond: half of one more, so that a timer never fires too early."""


class LazyTimer:
    """Calls back at the earliest time it was ever set to since it last fired.

    QUIC's deadlines move with every packet, nearly always to a later time. Then the running timer is left
    alone: when it fires, the callback looks again and sets it anew, which is far cheaper than cancelling and
    creating one per packet. Only an earlier deadline replaces it.
    """

    __slots__ = ("_at", "_call_later", "_callback", "_handle")

    def __init__(self, call_later: CallLater, callback: Callable[[], None]) -> None:
        self._call_later = call_later
        self._callback = callback
        self._handle: Timer | None = None
        self._at = math.inf

    def set(self, at: float, now: float) -> None:
        """Have the callback called at ``at`` or earlier (seconds of the monotonic clock)."""
        if at < self._at:
            if self._handle is not None:
                self._handle.cancel()
            self._at = at
            self._handle = self._call_later(max(0.0, at - now) + ROUNDING, self._fire)

    def cancel(self) -> None:
        """Forget the deadline."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._at = math.inf

    def _fire(self) -> None:
        self._handle = None
        self._at = math.inf
        self._callback()
