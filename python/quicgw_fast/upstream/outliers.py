"""Instances that do worse than the others of their service are out for a while, as by Envoy's outlier detection.

Three things take an instance out: several calls in a row that fail for its own fault; a share of such failures that is
far above that of the others; and answers that take several times as long as those of the others, twice in a row. It is
out for ``base`` seconds, twice as long the second time and so on, ``longest`` at most, and its past is forgiven when it
has behaved for that long. Then it must show that it lives (``Watch`` asks it), and is on trial: one call at a time, and
the first failure takes it out again.

At most half of a service's instances are out at a time: where most fail, the fault is somewhere else, and the rest
could not carry the load.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from quicgw_fast.upstream.instance import Ejection

if TYPE_CHECKING:
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance

IN_A_ROW = 5
INTERVAL = 2.0
"""Seconds between two comparisons."""
LEAST_CALLS = 20
"""Of an interval, for a share of failures to mean anything."""
WORSE_BY = 0.2
"""Share of failures beyond twice that of the others."""
LEAST_TIMES = 3
"""Calls of an interval, for the time they took to mean anything; a slow instance has few."""
SLOWER_BY = 5.0
"""Times the median of the others."""
SLOW = 0.1
"""Seconds beyond it, below which nobody notices."""
SLOW_INTERVALS = 2
TIMES_KEPT = 1000
"""Of an interval."""


class Reason(Enum):
    """Why an instance is taken out."""

    IN_A_ROW = "in-a-row"
    FAILING = "failing"
    SLOW = "slow"
    ON_TRIAL = "on-trial"
    SILENT = "silent"

    @property
    def sentence(self) -> str:
        """The same in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.IN_A_ROW: f"{IN_A_ROW} calls in a row failed",
    Reason.FAILING: "far more of its calls failed than of the others'",
    Reason.SLOW: "it is far slower than the others",
    Reason.ON_TRIAL: "it failed again on trial",
    Reason.SILENT: "it answers neither calls nor health checks",
}


@dataclass(slots=True)
class _Past:
    """What is remembered of one instance."""

    answered: int = 0
    """When the interval, or the trial, began; as the next one."""
    failed: int = 0
    took: list[float] = field(default_factory=list)
    """In this interval."""
    slow: int = 0
    """Intervals in a row in which it was."""
    ejections: int = 0
    returned_at: float = 0.0


class Outliers:
    """Judges all instances; ``base`` and ``longest`` in seconds."""

    def __init__(self, directory: Directory, base: float, longest: float) -> None:
        self._directory = directory
        self.reconfigure(base, longest)
        self._past: dict[Instance, _Past] = {}
        self._next = 0.0

    def reconfigure(self, base: float, longest: float) -> None:
        """Take out for other times from now on."""
        self._base = base
        self._longest = longest

    def took(self, instance: Instance, seconds: list[float]) -> None:
        """Take in how long each of its calls took."""
        past = self._of(instance)
        past.took += seconds[: TIMES_KEPT - len(past.took)]

    def look(self, now: float) -> list[tuple[Instance, Reason]]:
        """Take out whom it is time for, and return them, each with the reason."""
        found = [(each, reason) for each in self._in_service() if (reason := self._of_calls(each)) is not None]
        if now >= self._next:
            self._next = now + INTERVAL
            found += self._compare()
        return [(each, reason) for each, reason in found if self.eject(each, reason, now)]

    def judge(self, instance: Instance, now: float) -> Reason | None:
        """Take out one whose call has just failed, if it is time for it; the reason if it is out by that."""
        reason = None if instance.ejection is not None else self._of_calls(instance)
        return reason if reason is not None and self.eject(instance, reason, now) else None

    def eject(self, instance: Instance, reason: Reason, now: float) -> bool:
        """Take an instance out, unless it is already, or half of a service's are; return whether it is now."""
        if instance.ejection is not None or not self._may_go(instance):
            return False
        past = self._of(instance)
        if now - past.returned_at > self._longest:
            past.ejections = 0
        past.ejections += 1
        past.slow = 0
        # Who is silent is watched, and may return as soon as it answers.
        seconds = 0.0 if reason is Reason.SILENT else min(self._base * past.ejections, self._longest)
        instance.ejection, instance.on_trial = Ejection(reason.sentence, now + seconds), False
        return True

    def put_back(self, instance: Instance, now: float) -> None:
        """Have an instance return, on trial."""
        past, score = self._of(instance), instance.score
        past.returned_at, past.answered, past.failed = now, score.answered, score.failed
        score.in_a_row = 0
        instance.ejection, instance.on_trial = None, True

    def prolong(self, instance: Instance, until: float) -> None:
        """Have an instance stay out, as it gave no sign of life."""
        if instance.ejection is not None:
            instance.ejection = Ejection(instance.ejection.reason, max(until, instance.ejection.until))

    def _of(self, instance: Instance) -> _Past:
        past = self._past.get(instance)
        if past is None:
            past = self._past[instance] = _Past()
        return past

    def _in_service(self) -> list[Instance]:
        return [instance for instance in self._directory.instances() if instance.ejection is None]

    def _of_calls(self, instance: Instance) -> Reason | None:
        """What its last calls say, without any other instance."""
        score = instance.score
        if instance.on_trial:
            past = self._of(instance)
            if score.failed > past.failed:
                return Reason.ON_TRIAL
            instance.on_trial = score.answered == past.answered
        return Reason.IN_A_ROW if score.in_a_row >= IN_A_ROW else None

    def _may_go(self, instance: Instance) -> bool:
        for service in self._directory.services_of(instance):
            members = self._directory.members(service)
            if 2 * (1 + sum(each.ejection is not None for each in members)) > len(members):
                return False
        return True

    def _compare(self) -> list[tuple[Instance, Reason]]:
        """Hold the instances of each service against each other, and begin a new interval."""
        found = []
        for each in self._in_service():
            services = map(self._directory.members, self._directory.services_of(each))
            others = {o for members in services for o in members if o is not each and o.ejection is None}
            if others and (reason := self._against_others(each, others)) is not None:
                found.append((each, reason))
        self._past = {each: self._of(each) for each in self._directory.instances()}
        for each, past in self._past.items():
            past.answered, past.failed = each.score.answered, each.score.failed
            past.took.clear()
        return found

    def _against_others(self, instance: Instance, others: set[Instance]) -> Reason | None:
        calls, failed = self._ends(instance)
        all_calls, all_failed = map(sum, zip(*(self._ends(other) for other in others), strict=True))
        if calls >= LEAST_CALLS and all_calls and failed / calls > 2 * all_failed / all_calls + WORSE_BY:
            return Reason.FAILING
        past = self._of(instance)
        past.slow = past.slow + 1 if self._is_slow(past, others) else 0
        return Reason.SLOW if past.slow >= SLOW_INTERVALS else None

    def _ends(self, instance: Instance) -> tuple[int, int]:
        """How many calls ended in this interval, and how many of them failed."""
        past, score = self._of(instance), instance.score
        failed = score.failed - past.failed
        return score.answered - past.answered + failed, failed

    def _is_slow(self, past: _Past, others: set[Instance]) -> bool:
        theirs = [seconds for other in others for seconds in self._of(other).took]
        if len(past.took) < LEAST_TIMES or len(theirs) < LEAST_CALLS:
            return False
        usual = statistics.median(theirs)
        return statistics.median(past.took) > max(SLOWER_BY * usual, usual + SLOW)
