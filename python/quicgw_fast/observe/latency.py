"""``/latency``: how long each stage of a request takes, read from the durations of the registry.

Numbers since the start say little after a day, so each stage has those of the last minute, too: the classes of its
distribution are kept as they were at several times, and the difference is what came since.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.observe.distributions import DURATION_BOUNDS, divide, percentiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicgw_fast.observe.metrics import Metrics

EVERY: Final = 5.0
"""Seconds from one column of the history to the next."""
COLUMNS: Final = 60
RECENT: Final = 12
"""Columns that make up ``recent``: a minute."""
SHARES: Final = (0.5, 0.95, 0.99)
BOUNDS: Final = (0.0001, 0.00025, 0.0005, *DURATION_BOUNDS)
"""Of the rows of the heat map, in seconds: those of the histogram, and below them some more."""
STAGES: Final[Mapping[str, tuple[str, str | None]]] = {
    "decode": ("request_stage", "decode"),
    "queue": ("queue_wait", None),
    "upstream": ("upstream_call", None),
    "reply": ("request_stage", "reply"),
    "flush": ("request_stage", "flush"),
    "total": ("request_time", None),
}
"""The family of each, and the value of its label where it is one of the family's samples, and not all together."""


class _Seen(NamedTuple):
    """All that had been by then of a stage."""

    classes: Counter[int]
    sum: float


_NOTHING: Final = _Seen(Counter(), 0.0)


class Latency:
    """Keeps what the distributions were like in the last five minutes."""

    def __init__(self, metrics: Metrics, now: Callable[[], float]) -> None:
        """``now`` gives monotonic seconds."""
        self._metrics = metrics
        self._now = now
        self._next = 0.0
        self._seen: deque[dict[str, _Seen]] = deque([dict.fromkeys(STAGES, _NOTHING)], maxlen=RECENT + 1)
        self._columns: deque[tuple[float, list[int]]] = deque(maxlen=COLUMNS)

    def look(self, now: float) -> None:
        """Make a column, if it is time to (monotonic seconds)."""
        if now < self._next:
            return
        self._next = self._next + EVERY if now - self._next < EVERY else now + EVERY
        seen = {stage: self._look(stage) for stage in STAGES}
        came = seen["total"].classes - self._seen[-1]["total"].classes
        self._columns.append((now, divide(came, BOUNDS)))
        self._seen.append(seen)

    def report(self, wall: float) -> dict[str, object]:
        """Everything that the page shows, at ``wall`` seconds since 1970."""
        behind = wall - self._now()
        return {
            "version": 1,
            "stages": {stage: self._stage(stage) for stage in STAGES},
            "bounds": list(BOUNDS),
            "history": [{"at": round(at + behind, 3), "counts": counts} for at, counts in self._columns],
        }

    def _stage(self, stage: str) -> dict[str, object]:
        look, before = self._look(stage), self._seen[0][stage]
        recent = _Seen(look.classes - before.classes, look.sum - before.sum)
        return {**_summary(look), "recent": _summary(recent)}

    def _look(self, stage: str) -> _Seen:
        family, label = STAGES[stage]
        found = [
            distribution
            for labels, distribution in self._metrics.distributions(family)
            if label is None or label in labels
        ]
        classes: Counter[int] = Counter()
        for distribution in found:
            classes.update(distribution.classes)
        return _Seen(classes, sum(distribution.sum for distribution in found))


def _summary(look: _Seen) -> dict[str, float]:
    count = sum(look.classes.values())
    shares = zip(("p50", "p95", "p99"), percentiles(look.classes, SHARES), strict=True)
    mean = look.sum / count if count else 0.0
    return {"count": count, "mean": round(mean, 9), **{name: round(seconds, 9) for name, seconds in shares}}
