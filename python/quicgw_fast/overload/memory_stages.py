"""How near the process is to the memory that it may take, in stages, each of which gives up a little more.

What is left to give back memory with is what is not taken in any more: first nobody new connects, then nobody logs in,
then requests are answered 503, and at last the connections of the largest sessions are closed, which may come back for
what they are owed. As Envoy's overload manager does it, a stage is entered at a share of the limit, and left only when
some more is free again: an allocator gives back late and in lumps, and what was refused comes back at once.
"""

from __future__ import annotations

import logging
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe import Unit

if TYPE_CHECKING:
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload.bounds import Bounds

NAME: Final = "memory"
"""Of all rules that follow from the stage: one mode for all, as each relies on those before it."""
SOONEST: Final = 1.0
LATEST: Final = 30.0
"""Seconds after which those who are refused are to come back: as long as the stage has lasted, within these bounds."""

_log = logging.getLogger("quicgw.overload")


class MemoryStage(IntEnum):
    """What is given up; with each stage all that the ones before it give up, too."""

    FREE = 0
    NO_CONNECTIONS = 1
    NO_LOGINS = 2
    NO_REQUESTS = 3
    CLOSE_SESSIONS = 4

    @property
    def words(self) -> str:
        """What is not done any more."""
        return _WORDS[self]


_WORDS: Final = (
    "everything is served",
    "no new connections",
    "no logins",
    "no requests",
    "the largest sessions are closed",
)


class MemoryStages:
    """The stage that the process is in. It is told what the process takes; the clock is an argument, too."""

    def __init__(self, bounds: Bounds, metrics: Metrics) -> None:
        self.stage = MemoryStage.FREE
        self.used = 0
        """Bytes that the process took when it was last measured."""
        self.limit = 0
        """Bytes that it may take; 0 while nothing says so."""
        self._since = 0.0
        self.configure(bounds)
        metrics.gauge("memory_used", "What the process takes in memory", lambda: self.used, Unit.BYTES)
        metrics.gauge("memory_limit", "What it may take, 0: no bound is known", lambda: self.limit, Unit.BYTES)
        metrics.gauge("memory_stage", "How many stages of giving up something it is in", lambda: int(self.stage))
        self._entered = metrics.counters(
            "memory_stages_entered",
            "How often each stage was entered",
            "stage",
            [stage.name.lower() for stage in MemoryStage if stage],
        )

    def configure(self, bounds: Bounds) -> None:
        """Take new thresholds; the next measurement is judged by them."""
        self._from = (0.0, *bounds.overload.memory_stages)
        self._slack = bounds.overload.memory_slack
        self._configured = bounds.limits.memory
        self._observed = NAME in bounds.overload.observe

    def measured(self, used: int, allowed: int | None, now: float) -> bool:
        """Note that the process takes ``used`` bytes and its surroundings allow so many, None if they do not say.

        True when it is in another stage now.
        """
        self.used, self.limit = used, self._configured or allowed or 0
        stage = self._judge()
        if stage is self.stage:
            return False
        fields = {"stage": stage.words, "used": used, "limit": self.limit}
        if stage > self.stage:
            for entered in MemoryStage:
                if self.stage < entered <= stage:
                    self._entered[entered.name.lower()].value += 1
            _log.warning("memory is short", extra=fields)
        else:
            _log.info("memory is less short", extra=fields)
        self.stage, self._since = stage, now
        return True

    def closes_sessions(self) -> bool:
        """Whether nothing less than the last stage is enough."""
        return self.stage is MemoryStage.CLOSE_SESSIONS

    def pause(self, now: float) -> float:
        """Seconds after which whoever is refused may come back."""
        return min(LATEST, max(SOONEST, now - self._since))

    def reason(self) -> str | None:
        """Why the gateway is not ready; None when new connections are let in."""
        if self.stage is MemoryStage.FREE or self._observed:
            return None
        return f"memory is short ({self.used} of {self.limit} bytes): {self.stage.words}"

    def _judge(self) -> MemoryStage:
        """The highest stage whose threshold is reached; one that was entered already needs the slack to be left."""
        if not self.limit:
            return MemoryStage.FREE
        share = self.used / self.limit
        held = [
            stage
            for stage in MemoryStage
            if stage is MemoryStage.FREE or share >= self._from[stage] - (self._slack if stage <= self.stage else 0.0)
        ]
        return held[-1]
