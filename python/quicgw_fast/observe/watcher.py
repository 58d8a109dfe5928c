"""Looks at the event loop ten times a second and at the registry once, so that pages can tell of the last minutes.

It has a timer of its own: the housekeeping goes round as often as the configured times want it, and a row a second is
easier to read than one in 1.3.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe.latency import Latency
from quicgw_fast.observe.loop_lag import LoopLag
from quicgw_fast.observe.performance import Performance
from quicgw_fast.observe.process import register_process

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock, Timer
    from quicgw_fast.observe.metrics import Metrics

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at the event loop."""
ROW_EVERY: Final = 1.0
"""Seconds between two rows of ``/performance``."""

_log = logging.getLogger("quicgw.watcher")


class Watcher:
    """Keeps what ``/performance`` and ``/latency`` show, from ``start`` to ``stop``."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        register_process(metrics, clock.wall)
        self._lag = LoopLag(metrics)
        self._performance = Performance(metrics, self._lag.worst, clock.now)
        self._latency = Latency(metrics, clock.now)
        self._clock = clock
        self._due = self._next_row = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Look, in the running loop."""
        self._next_row = self._clock.now()
        self._arm()

    def stop(self) -> None:
        """Look no more; what was seen stays."""
        if self._timer is not None:
            self._timer.cancel()

    def performance(self) -> dict[str, object]:
        """What ``/performance`` shows."""
        return self._performance.report(self._clock.wall())

    def latency(self) -> dict[str, object]:
        """What ``/latency`` shows."""
        return self._latency.report(self._clock.wall())

    def _arm(self) -> None:
        self._due = self._clock.now() + LOOK_EVERY
        self._timer = self._clock.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        self._lag.note(max(0.0, now - self._due))
        self._arm()
        if now < self._next_row:
            return
        # Rows keep their rhythm; after a pause of the whole process there is one for all of it.
        self._next_row = max(self._next_row + ROW_EVERY, now)
        try:
            self._performance.look(now)
            self._latency.look(now)
        except Exception:  # a bug, and no reason to look no more
            _log.exception("watcher failed", extra={"effect": "a row of /performance or /latency is missing"})
