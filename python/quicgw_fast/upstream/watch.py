"""Looks at all instances in a steady rhythm, and decides what the choice may do with each.

Three judges look at the score of an instance: its silence (``silence``), how it does beside the others (``outliers``),
and how much it answers well at once (``adaptive``). What they find is written into the instance; nothing of it is on
the way of a call but what the score notes. Who is silent, or was taken out and may return, is asked for a sign of life:
a health check, of which any answer will do.

Calls under way at an instance that turns out to be silent are given up (``GiveUp``): they may have run, so they are
never made again, but their workers are needed. Nothing that was answered is lost by it, as nothing was.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.upstream.adaptive import AdaptiveLimit
from quicgw_fast.upstream.outliers import Outliers, Reason
from quicgw_fast.upstream.silence import LOOK, Silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import UpstreamConfig
    from quicgw_fast.observe import Metrics
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.journal import UpstreamJournal

_log = logging.getLogger("quicgw.upstream")

ANSWER_WITHIN = 0.5
"""Seconds for the answer to a health check, and between two to somebody who is silent."""
_RECENT = 0.2
"""Weight of the newest look in ``Instance.latency``."""


class AskForLife(Protocol):
    """How an instance is asked for a sign of life."""

    async def __call__(self, instance: Instance, seconds: float, /) -> bool:
        """Whether it answered a health check within that time, with whatever status."""


class GiveUp(Protocol):
    """How the calls under way at an instance are given up."""

    def __call__(self, instance: Instance, /) -> int:
        """Have each of them fail now, and return how many there were."""


@dataclass(slots=True)
class _Watched:
    """What is kept of one instance."""

    silence: Silence
    limit: AdaptiveLimit | None
    """None where the limit does not adapt."""
    asking: asyncio.Task[None] | None = None


class Watch:
    """Watches the instances of the directory from ``start`` to ``close``."""

    def __init__(
        self,
        directory: Directory,
        config: UpstreamConfig,
        clock: Clock,
        metrics: Metrics,
        journal: UpstreamJournal,
        *,
        most: int,
        ask: AskForLife,
        give_up: GiveUp,
        changed: Callable[[], None],
    ) -> None:
        """``most`` calls are under way at once in all; ``changed`` is called when somebody fell silent or returned."""
        self._directory = directory
        self._config = config
        self._now = clock.now
        self._journal = journal
        self._most = most
        self._ask = ask
        self._give_up = give_up
        self._changed = changed
        self._outliers = Outliers(directory, config.ejection_time, config.longest_ejection)
        self._watched: dict[Instance, _Watched] = {}
        self._task: asyncio.Task[None] | None = None
        reasons = [reason.value for reason in Reason]
        self._count_ejections = metrics.counters(
            "upstream_ejections", "Instances that were taken out for a while", "reason", reasons
        )
        self._count_silences = metrics.counter("upstream_silences", "Times that an instance fell silent")
        self._count_given_up = metrics.counter(
            "upstream_given_up", "Calls that were given up as their instance fell silent; failures, too"
        )
        metrics.gauge("upstream_ejected", "Instances that are out", lambda: self._in_state("ejection"))
        metrics.gauge("upstream_silent", "Instances that answer nothing", lambda: self._in_state("silent"))

    def reconfigure(self, config: UpstreamConfig) -> None:
        """Judge by other settings from the next look on; with ``ejection`` off everybody is back."""
        self._config = config
        self._outliers.reconfigure(config.ejection_time, config.longest_ejection)
        for instance, watched in self._watched.items():
            watched.silence.reconfigure(config.silent_after)
            watched.limit = self._limit(watched.limit)
            if not config.ejection:
                watched.silence.told(alive=True)
                instance.silent, instance.ejection, instance.on_trial = False, None, False
        self._changed()

    def _limit(self, before: AdaptiveLimit | None) -> AdaptiveLimit | None:
        """The limit of an instance as it is configured, which goes on where it was."""
        if not self._config.adaptive_concurrency:
            return None
        limit = before or AdaptiveLimit(self._config.least_concurrency, self._most)
        limit.reconfigure(self._config.least_concurrency)
        return limit

    def start(self) -> None:
        """Look, in the running loop."""
        self._task = asyncio.create_task(self._run(), name="upstream-watch")

    async def close(self) -> None:
        """Look no more; idempotent."""
        tasks = [task for task in (self._task, *(each.asking for each in self._watched.values())) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                self.look(self._now())
            except Exception:
                # A fault of the program, which must not leave everybody unwatched.
                _log.exception("look at instances failed")

    def look(self, now: float) -> None:
        """Look once at everybody."""
        there = self._directory.instances()
        for gone in self._watched.keys() - set(there):
            asking = self._watched.pop(gone).asking
            if asking is not None:
                asking.cancel()
        for instance in there:
            self._look_at(instance, self._of(instance))
        if self._config.ejection:
            for instance, reason in self._outliers.look(now):
                self._took_out(instance, reason)
        for instance, watched in self._watched.items():
            self._consider_asking(instance, watched, now)
            instance.room = self._room(instance, watched.limit)

    def judge(self, instance: Instance) -> None:
        """Look at one whose call has just failed: it is not to fail all that come until the next look as well."""
        reason = self._outliers.judge(instance, self._now()) if self._config.ejection else None
        if reason is not None:
            self._took_out(instance, reason)

    def _of(self, instance: Instance) -> _Watched:
        watched = self._watched.get(instance)
        if watched is None:
            watched = _Watched(Silence(self._config.silent_after), self._limit(None))
            self._watched[instance] = watched
        return watched

    def _look_at(self, instance: Instance, watched: _Watched) -> None:
        score = instance.score
        took, score.took = score.took, []
        if took:
            now = sum(took) / len(took)
            instance.latency += (now - instance.latency) * (_RECENT if instance.latency else 1.0)
            self._outliers.took(instance, took)
            instance.took.observe_all(took)
            instance.took.sort()
        if watched.limit is not None:
            watched.limit.look(took, score.peak)
        score.peak = 0
        # While there is no connection, whoever makes the next one fails the calls, and says why.
        watched.silence.look(instance.in_flight if instance.connected else 0, score.signs)
        instance.suspect = self._config.ejection and watched.silence.suspect

    def _consider_asking(self, instance: Instance, watched: _Watched, now: float) -> None:
        if not self._config.ejection or watched.asking is not None:
            return
        out = instance.ejection
        if watched.silence.worth_asking or (out is not None and now >= out.until):
            watched.asking = asyncio.create_task(
                self._ask_for_life(instance, watched), name=f"upstream-ask-{instance.address}"
            )

    async def _ask_for_life(self, instance: Instance, watched: _Watched) -> None:
        began = self._now()
        silence = watched.silence
        was_silent = silence.silent
        try:
            await self._ask_once(instance, silence)
            while silence.missed and not silence.silent:
                # Again at once: whoever has calls under way waits for the verdict.
                await self._ask_once(instance, silence)
            instance.silent = silence.silent
            if not silence.missed:
                self._lives(instance, was_silent=was_silent)
            else:
                self._outliers.prolong(instance, self._now())
                if instance.silent and not was_silent:
                    self._fell_silent(instance)
            instance.room = self._room(instance, watched.limit)
            if silence.missed:
                await asyncio.sleep(began + ANSWER_WITHIN - self._now())
        finally:
            watched.asking = None

    async def _ask_once(self, instance: Instance, silence: Silence) -> None:
        began = self._now()
        alive = await self._ask(instance, ANSWER_WITHIN)
        silence.told(alive=alive, alone=self._alone(instance))
        if silence.missed and not silence.silent:
            await asyncio.sleep(began + ANSWER_WITHIN - self._now())  # where "no" came sooner, as of a lost connection

    def _alone(self, instance: Instance) -> bool:
        """Whether some service has no other instance that is well."""
        members = map(self._directory.members, self._directory.services_of(instance))
        return not all(any(each.preferred and each is not instance for each in those) for those in members)

    def _room(self, instance: Instance, limit: AdaptiveLimit | None) -> float:
        """Calls that may be under way at the instance."""
        if instance.silent:
            return 0
        if instance.on_trial and not self._alone(instance):
            return 1
        return math.inf if limit is None else int(limit.value)

    def _fell_silent(self, instance: Instance) -> None:
        if self._outliers.eject(instance, Reason.SILENT, self._now()):
            self._count_ejections[Reason.SILENT.value].value += 1
        self._count_silences.value += 1
        given_up = self._give_up(instance)
        self._count_given_up.value += given_up
        self._journal.fell_silent(instance, given_up)
        self._changed()

    def _lives(self, instance: Instance, *, was_silent: bool) -> None:
        now = self._now()
        if instance.ejection is not None and now >= instance.ejection.until:
            self._outliers.put_back(instance, now)
        elif was_silent:
            instance.on_trial = True
        else:
            return
        self._journal.returned(instance)
        self._changed()

    def _took_out(self, instance: Instance, reason: Reason) -> None:
        self._count_ejections[reason.value].value += 1
        self._journal.ejected(instance, self._now())

    def _in_state(self, name: str) -> int:
        return sum(bool(getattr(instance, name)) for instance in self._directory.instances())
