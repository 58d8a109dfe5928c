"""Connect and disconnect, in all ways, and see whether everything is as it was before."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benches.soak.visits import ENDINGS, Visited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.soak.watched import Held, Watched

HEADER = (
    "| transport | visits | time | memory, begin → half → end | descriptors | threads | timers | tasks | objects "
    "| left over |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
AT_ONCE = 32
"""Visits under way."""
SETTLING = 30.0
"""Seconds in which everything about the last visitor has to be forgotten."""
SILENCE = 25.0
"""Seconds in which a gateway with nobody there has given back the memory that it does not need."""
TABLES = {
    "session": {"timeout": "4s", "resume_window": "2s", "start_timeout": "5s"},
    "processor": {"drain_timeout": "100ms"},
}
"""Of the gateway's configuration: who is gone is soon forgotten."""


@dataclass
class Churned:
    """What a number of visits came to: how it was before, half-way and at the end."""

    visits: int
    seconds: float
    before: Held
    middle: Held
    after: Held
    failures: Counter[str] = field(default_factory=Counter)

    def line(self, name: str) -> str:
        """The row of the table in ``docs/overload.md``."""
        before, middle, after = self.before, self.middle, self.after
        memory = f"{before.memory:.1f} → {middle.memory:.1f} → {after.memory:.1f} MiB"
        counts = " | ".join(
            f"{getattr(before, what):,} → {getattr(after, what):,}"
            for what in ("descriptors", "threads", "timers", "tasks", "living")
        )
        left = ", ".join(f"{count} {what}" for what, count in self.left().items()) or "nothing"
        return f"| {name} | {self.visits:,} | {self.seconds:.0f} s | {memory} | {counts} | {left} |"

    def left(self) -> dict[str, int]:
        """Return of what there is more now than before, and how much; none when all is as it was."""
        than = {name: getattr(self.before, name) for name in ("descriptors", "threads", "timers", "tasks")}
        grown = {name: getattr(self.after, name) - count for name, count in than.items()}
        return {name: count for name, count in {**self.after.who(), **grown}.items() if count > 0}

    def grown(self, least: int) -> dict[str, int]:
        """Return the classes of which there are at least so many objects more than half-way."""
        more = Counter(self.after.objects)
        more.subtract(self.middle.objects)
        return {name: count for name, count in more.most_common() if count >= least}


async def visit_all(visited: Visited, count: int, endings: Sequence[str], failures: Counter[str]) -> None:
    """Make so many visits, their endings in turn, a number of them at once."""
    turns = itertools.islice(itertools.cycle(endings), count)

    async def one_after_another() -> None:
        for name in turns:
            try:
                await ENDINGS[name](visited)
            except (AssertionError, OSError, TimeoutError) as error:
                failures[f"{name}: {type(error).__name__} {str(error)[:100]}"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(min(AT_ONCE, count)):
            group.create_task(one_after_another())


async def settled(watched: Watched, silence: float) -> Held:
    """Look once nobody is there or remembered, and all is silent."""
    await watched.empty(SETTLING)
    await asyncio.sleep(silence)
    return await watched.held()


async def churn(
    visited: Visited,
    watched: Watched,
    visits: int,
    endings: Sequence[str] = tuple(ENDINGS),
    silence: float = SILENCE,
) -> Churned:
    """Visit a gateway; a tenth more before it is looked at for the first time, as the first ones pay for all."""
    failures: Counter[str] = Counter()
    await visit_all(visited, visits // 10, endings, failures)
    before = await settled(watched, silence)
    began = time.monotonic()
    await visit_all(visited, visits // 2, endings, failures)
    middle = await settled(watched, silence)
    await visit_all(visited, visits - visits // 2, endings, failures)
    after = await settled(watched, silence)
    return Churned(visits, time.monotonic() - began, before, middle, after, failures)
