"""Log lines for what may happen a thousand times a second: the first at once, then one a minute with the count."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

OTHERS = ""
"""The subject of what came when too many subjects were new."""


@dataclass(slots=True)
class _Series:
    level: int
    event: str
    fields: dict[str, object]
    logged_at: float
    came_at: float
    """When the last one came."""
    unsaid: int = 0
    """How many came since the last line."""


class RepeatLog:
    """Writes an event of one kind about one subject at once, and then at most one line per ``interval`` seconds.

    A later line carries ``count``, how many it stands for. Nothing is left unsaid for longer than the interval if
    somebody calls ``flush`` now and then. What is said later of one subject is said together, in the order in which it
    last happened: of a state that came and went, the last line is the one that holds. Of more than ``remembered``
    series the one that was logged longest ago is flushed and forgotten, so that peers with many addresses cost no
    memory. Nor do they fill the log: of more than ``fresh`` new series within an interval the rest share one per event,
    with the subject ``OTHERS``. The clock is an argument.
    """

    def __init__(
        self, logger: logging.Logger, interval: float = 60.0, remembered: int = 1024, fresh: int = 100
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._remembered = remembered
        self._fresh = fresh
        self._fresh_until = 0.0
        self._begun = 0
        self._series: OrderedDict[tuple[str, str], _Series] = OrderedDict()
        self._events: dict[str, None] = {}
        """All that ever came; they are few."""

    def add(
        self,
        level: int,
        event: str,
        subject: str,
        now: float,
        fields: Mapping[str, object] | None = None,
        error: Exception | None = None,
    ) -> None:
        """Note that ``event`` happened to ``subject``, for example an address, at ``now`` (monotonic seconds).

        The traceback of ``error`` stands with the line that is written at once, if one is.
        """
        key = (event, subject)
        series = self._series.get(key)
        if series is None and not self._may_begin(now):
            key = (event, OTHERS)
            series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._remembered:
                _, oldest = self._series.popitem(last=False)
                self._say_rest(oldest, now)
            self._events[event] = None
            if key[1] != OTHERS:
                self._say_rest_of(key[1], now)
            series = self._series[key] = _Series(level, event, dict(fields or {}), now, now)
            self._logger.log(level, event, extra=series.fields, exc_info=error)
            return
        series.unsaid += 1
        series.came_at = now
        series.fields = dict(fields or {})
        if now - series.logged_at >= self._interval:
            self._say_rest_of(key[1], now)

    def _may_begin(self, now: float) -> bool:
        if now >= self._fresh_until:
            self._fresh_until, self._begun = now + self._interval, 0
        self._begun += 1
        return self._begun <= self._fresh

    def flush(self, now: float) -> None:
        """Write what is unsaid and due, and forget the series that went quiet."""
        while self._series:
            key, oldest = next(iter(self._series.items()))
            if now - oldest.logged_at < self._interval:
                return
            if oldest.unsaid:
                self._say_rest_of(key[1], now)
            else:
                del self._series[key]

    def _say_rest_of(self, subject: str, now: float) -> None:
        """Say what is unsaid of a subject, what happened last at the end."""
        keys = [key for event in self._events if (key := (event, subject)) in self._series]
        for key in sorted(keys, key=lambda key: self._series[key].came_at):
            if self._series[key].unsaid:
                self._say_rest(self._series[key], now)
                self._series.move_to_end(key)

    def _say_rest(self, series: _Series, now: float) -> None:
        if series.unsaid:
            self._logger.log(series.level, series.event, extra={**series.fields, "count": series.unsaid})
            series.unsaid = 0
            series.logged_at = now
