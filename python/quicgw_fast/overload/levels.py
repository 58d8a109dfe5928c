"""How near to their bounds things are: the log warns before anything is refused.

Looked at once in each round of the housekeeping. What is bounded for each session or address has no level: there is
always somebody who is near it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.observe import Unit
from quicgw_fast.overload.rule import Gauged, Measured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.rule import Rule

OVER_AGAIN: Final = 0.9
"""The part of the warning level below which a value is well below it: one that goes up and down is told once."""

_log = logging.getLogger("quicgw.overload")


@dataclass(slots=True)
class _Level:
    rule: Gauged | Measured
    near: bool = False


class Levels:
    """The levels of all rules that have one, by their names."""

    def __init__(self, rules: Iterable[Rule[Any, Any]], metrics: Metrics) -> None:
        levelled = [rule for rule in rules if isinstance(rule, (Gauged, Measured))]
        self._levels = levels = {rule.name: _Level(rule) for rule in levelled}
        self._metrics = metrics
        metrics.gauges(
            "overload_near",
            "Whether what a rule bounds is above its warning level",
            "rule",
            levels,
            lambda: {name: level.near for name, level in levels.items()},
            Unit.FLAG,
        )
        self._warnings = metrics.counters(
            "overload_warnings", "How often what a rule bounds rose above its warning level", "rule", levels
        )

    def look(self, bounds: Bounds, now: float) -> None:
        """Measure those that have a bound, and tell which came near it, or are well below again."""
        for level in self._levels.values():
            bound = self._bound(level.rule, bounds)
            value = self._value(level.rule, now) if bound else None
            near = value is not None and value >= bound * bounds.overload.warn_at * (OVER_AGAIN if level.near else 1.0)
            if near is not level.near:
                level.near = near
                self._tell(level, value, bound)

    def report(self, name: str, bounds: Bounds, now: float) -> dict[str, float | None]:
        """The level of one rule; nothing for one that has none."""
        level = self._levels.get(name)
        if level is None:
            return {}
        bound = self._bound(level.rule, bounds)
        warns_from = bound * bounds.overload.warn_at if bound else None
        return {"value": self._value(level.rule, now), "warns_from": warns_from, "near": level.near}

    def _tell(self, level: _Level, value: float | None, bound: float) -> None:
        name = level.rule.name
        fields = {"rule": name, "value": value, "limit": bound, "setting": level.rule.keys[0]}
        if level.near:
            self._warnings[name].value += 1
            _log.warning("near a limit", extra=fields)
        else:
            _log.info("limit not near any more", extra=fields)

    def _value(self, rule: Gauged | Measured, now: float) -> float | None:
        """None while nobody measures it, as a listener does once it is there."""
        if not isinstance(rule, Gauged):
            return rule.level(now)
        values = self._read(rule.gauge.name)
        return rule.gauge.combine(values) if values else None

    def _bound(self, rule: Gauged | Measured, bounds: Bounds) -> float:
        """What the value is compared with; 0 where there is no bound."""
        if isinstance(rule, Gauged) and rule.gauge.bound is not None:
            return sum(self._read(rule.gauge.bound))
        bound: float = bounds.value(rule.keys[0])
        return bound

    def _read(self, gauge: str) -> list[float]:
        return self._metrics.numbers(gauge)
