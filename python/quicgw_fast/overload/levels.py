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
    value: float | None = None
    """None while nobody measures it, as a listener does once it is there."""
    warns_from: float | None = None
    """None while there is no bound."""
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
        """Measure all of them, and tell which came near their bounds, or are well below again."""
        for name, level in self._levels.items():
            bound = self._bound(level.rule, bounds)
            level.value = self._value(level.rule, now)
            level.warns_from = bound * bounds.overload.warn_at if bound else None
            near = self._is_near(level)
            if near is level.near:
                continue
            level.near = near
            fields = {"rule": name, "value": level.value, "bound": bound, "key": level.rule.keys[0]}
            if near:
                self._warnings[name].value += 1
                _log.warning("near a limit", extra=fields)
            else:
                _log.info("limit not near any more", extra=fields)

    def report(self, name: str) -> dict[str, float | None]:
        """The level of one rule; nothing for one that has none."""
        level = self._levels.get(name)
        return {} if level is None else {"value": level.value, "warns_from": level.warns_from, "near": level.near}

    def _value(self, rule: Gauged | Measured, now: float) -> float | None:
        if isinstance(rule, Measured):
            return rule.level(now)
        values = self._metrics.values(rule.gauge.name)
        return rule.gauge.combine(values) if values else None

    def _bound(self, rule: Gauged | Measured, bounds: Bounds) -> float:
        """What the value is compared with; 0 where there is no bound."""
        if isinstance(rule, Gauged) and rule.gauge.bound is not None:
            return sum(self._metrics.values(rule.gauge.bound))
        key = rule.keys[0]
        return bounds.values((key,))[key]

    def _is_near(self, level: _Level) -> bool:
        if level.value is None or level.warns_from is None:
            return False
        return level.value >= level.warns_from * (OVER_AGAIN if level.near else 1.0)
