"""Sessions that are only there: each sends its heartbeats, and none may be lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.marks.load import sessions

if TYPE_CHECKING:
    from benches.soak.watched import Watched

HEADER = (
    "| transport | sessions | time | memory, begin → end | a session | processor | heartbeats | dropped |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Idled:
    """What it took; ``empty``, ``begin`` and ``end`` in MiB, before anybody was there and with all."""

    sessions: int
    seconds: float
    empty: float
    begin: float
    end: float
    processor: float
    """Seconds of processor time for each second."""
    heartbeats: int
    dropped: int

    def line(self, name: str) -> str:
        """The row of the table in ``docs/overload.md``."""
        each = (self.begin - self.empty) / self.sessions * 1024
        return (
            f"| {name} | {self.sessions:,} | {self.seconds:.0f} s | {self.begin:.0f} → {self.end:.0f} MiB "
            f"| {each:.1f} KiB | {self.processor * 100:.1f} % | {self.heartbeats:,} | {self.dropped} |"
        )


async def idle(address: str, watched: Watched, count: int, seconds: float) -> Idled:
    """Have so many sessions for so long."""
    empty = watched.memory()
    async with sessions(address, [f"idle-{number}" for number in range(count)], rate=0.0) as seen:
        await asyncio.sleep(1.0)  # what a login needs and a session does not has gone
        begin, used, answered = watched.memory(), watched.processor(), seen().heartbeats
        await asyncio.sleep(seconds)
        found = seen()
        used, end = watched.processor() - used, watched.memory()
        held = await watched.held()
    dropped = count - min(found.online, held.sessions) + sum(found.closed.values())
    return Idled(count, seconds, empty, begin, end, used / seconds, found.heartbeats - answered, dropped)
