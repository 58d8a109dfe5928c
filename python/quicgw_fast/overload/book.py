"""All rules together: what they are bounded by, and how that and their modes change while the gateway runs.

A change is one step: names are checked first, and nothing has changed when that fails; then every rule takes its new
bounds, and every gate forms its list of rules anew, as a rule may have been switched on or off by its bound. What rules
keep stays: buckets follow their new rate (``backend.Rate``), sums are compared with the new bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.errors import SettingError
from quicgw_fast.overload.draining import StartWhileDraining
from quicgw_fast.overload.levels import Levels
from quicgw_fast.overload.queue import QueueFull
from quicgw_fast.overload.rule import Bounded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from quicgw_fast.config import LimitsConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.bounds import Bounds
    from quicgw_fast.overload.memory_stages import MemoryStage, MemoryStages
    from quicgw_fast.overload.rule import Gate, Rule
    from quicgw_fast.overload.turnover import Turnover

NEEDED: Final = frozenset({StartWhileDraining.name, QueueFull.name})
"""Rules that cannot observe. A gateway that stops takes nobody, whatever the load, and a queue has no more places than
it has: what these refuse could not be served."""


class RuleBook:
    """The rules of all gates."""

    def __init__(
        self,
        gates: Sequence[Gate[Any, Any]],
        bounds: Bounds,
        metrics: Metrics,
        turnovers: Sequence[Turnover],
        memory: MemoryStages,
    ) -> None:
        """The rules are as ``bounds`` make them. Raises SettingError as ``check`` does."""
        self._gates = gates
        self._turnovers = turnovers
        self._memory = memory
        self.bounds = bounds
        self._levels = Levels((rule for _, rule in self.rules()), metrics)
        self.check(bounds.overload.observe)

    def limits(self) -> LimitsConfig:
        """The limits that hold now."""
        return self.bounds.limits

    def check(self, observed: Collection[str]) -> None:
        """Raise SettingError when one of the names is no rule's, or of one that cannot observe."""
        known = {rule.name for _, rule in self.rules()} - NEEDED
        for name in sorted(set(observed) - known):
            why = f"has {name!r}, which cannot observe" if name in NEEDED else f"names {name!r}"
            told = f"overload.observe {why}; known rules are {', '.join(sorted(known))}"
            raise SettingError(("overload", "observe"), told)

    def configure(self, bounds: Bounds) -> None:
        """Change all bounds and modes; SettingError as ``check`` raises it, and then nothing has changed."""
        self.check(bounds.overload.observe)
        self.bounds = bounds
        for _, rule in self.rules():
            if isinstance(rule, Bounded):
                rule.configure(bounds)
        self._set_modes()

    def rules(self) -> Iterator[tuple[Gate[Any, Any], Rule[Any, Any]]]:
        """Every rule at every moment, in the order in which a client and its messages meet them."""
        for gate in self._gates:
            for rule in gate.rules:
                yield gate, rule

    def measured(self, used: int, allowed: int | None, now: float) -> MemoryStage:
        """Note what the process takes in memory (``MemoryStages.measured``), and return the stage that it is in."""
        if self._memory.measured(used, allowed, now):
            self._set_modes()
        return self._memory.stage

    def _set_modes(self) -> None:
        for gate in self._gates:
            gate.set_modes(self.bounds.overload.observe)

    def tend(self, now: float) -> None:
        """Look how near the bounds are, and how long things take; to be called now and then, with monotonic seconds."""
        for turnover in self._turnovers:
            turnover.look()
        self._levels.look(self.bounds, now)

    def report(self, now: float) -> list[dict[str, Any]]:
        """What there is to be known of each rule: its bounds by their keys, what it did, and how near its bound is."""
        bounds = self.bounds
        return [
            {
                "moment": gate.moment.value,
                "rule": rule.name,
                "mode": gate.mode(rule).value,
                "bounds": {key: bounds.value(key) for key in rule.keys} if isinstance(rule, Bounded) else {},
                "refused": gate.refused[rule.name].value,
                "would_reject": gate.would_reject[rule.name].value,
                **self._levels.report(rule.name, bounds, now),
            }
            for gate, rule in self.rules()
        ]
