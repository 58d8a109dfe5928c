"""``/performance``: what the registry counts, once a second, as rates: nothing is counted for it.

The rates of a row are what was counted since the row before, over the time that has really passed. What happened
between two rows and left no trace in a counter, such as a queue that was long for a moment, is not in it: ``loop_lag``
alone is the worst of the second.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe.metrics import Metrics

ROWS: Final = 300
COUNTED: Final = {
    "requests": "requests",
    "replies": "replies",
    "errors": "errors",
    "notifies": "notifies",
    "refused": "refused",
    "bytes_in": "received",
    "bytes_out": "sent",
}
"""The totals, and the counter of each; of one with labels the sum."""


class _Look(NamedTuple):
    """What the registry said at one time."""

    now: float
    totals: dict[str, float]
    cpu: float


class Performance:
    """Keeps the last ``ROWS`` rows."""

    def __init__(self, metrics: Metrics, worst_lag: Callable[[], float], now: Callable[[], float]) -> None:
        """``worst_lag`` gives the longest lag of the event loop since it was last asked, ``now`` monotonic seconds."""
        self._metrics = metrics
        self._worst_lag = worst_lag
        self._now = now
        self._last: _Look | None = None
        self._lag = self._used = 0.0
        self._rows: deque[tuple[float, dict[str, float]]] = deque(maxlen=ROWS)

    def look(self, now: float) -> None:
        """Make a row, at ``now`` (monotonic seconds)."""
        last = self._last
        look = _Look(now, self._totals(), self._sum("process_cpu"))
        if last is not None:
            passed = now - last.now
            self._lag, self._used = self._worst_lag(), (look.cpu - last.cpu) / passed
            rates = {name: round((total - last.totals[name]) / passed, 3) for name, total in look.totals.items()}
            self._rows.append((now, self._row(rates)))
        self._last = look

    def _row(self, rates: dict[str, float]) -> dict[str, float]:
        return {
            **rates,
            "sessions": self._int("sessions"),
            "queue": self._queue()["length"],
            "cpu": round(self._used, 4),
            "memory": self._int("memory_used"),
            "loop_lag": round(self._lag, 6),
        }

    def report(self, wall: float) -> dict[str, object]:
        """Everything that the page shows, at ``wall`` seconds since 1970."""
        behind = wall - self._now()
        detached = self._int("sessions_detached")
        return {
            "version": 1,
            "at": wall,
            "uptime": self._sum("uptime"),
            "totals": self._totals(),
            "sessions": {"attached": self._int("sessions") - detached, "detached": detached},
            "queue": self._queue(),
            "process": {
                "cpu": round(self._used, 4),
                "memory": self._int("memory_used"),
                "descriptors": self._int("process_open_fds"),
                "loop_lag": round(self._lag, 6),
            },
            "history": [{"at": round(at + behind, 3), **row} for at, row in self._rows],
        }

    def _queue(self) -> dict[str, int]:
        names = {
            "length": "processor_queue_length",
            "capacity": "processor_max_queue_size",
            "workers": "processor_max_workers",
            "busy": "processor_busy_workers",
        }
        return {name: int(self._metrics.count(family, "requests")) for name, family in names.items()}

    def _totals(self) -> dict[str, float]:
        return {name: int(self._sum(family)) for name, family in COUNTED.items()}

    def _int(self, family: str) -> int:
        return int(self._sum(family))

    def _sum(self, family: str) -> float:
        """Of all samples; 0 for one that is not registered, as nobody listens yet."""
        return sum(self._metrics.numbers(family))
