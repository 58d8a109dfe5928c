"""What a gateway process holds, as seen from outside and by its own account."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.gateways import cpu_seconds

_PAUSE = 0.25


@dataclass(frozen=True)
class Held:
    """What there is at one moment: ``memory`` in MiB, of which the rest are numbers."""

    memory: float
    descriptors: int
    threads: int
    sessions: int
    remembered: int
    connections: int
    half_open: int
    objects: dict[str, int]
    """Of each class, in a gateway that counts them."""

    def who(self) -> dict[str, int]:
        """Return how many clients there are, in every sense."""
        return {name: getattr(self, name) for name in ("sessions", "remembered", "connections", "half_open")}

    @property
    def timers(self) -> int:
        """Those of the event loop, whichever it is."""
        return sum(count for name, count in self.objects.items() if name.endswith("TimerHandle"))

    @property
    def living(self) -> int:
        """Objects of all classes."""
        return sum(self.objects.values())

    @property
    def tasks(self) -> int:
        """Coroutines that are under way."""
        return sum(count for name, count in self.objects.items() if name.endswith("asyncio.Task"))


class Watched:
    """One gateway process."""

    def __init__(self, admin: str, pid: int) -> None:
        self._stats = f"http://{admin}/stats"
        self._pid = pid
        self._process = Path(f"/proc/{pid}")

    async def stats(self) -> dict[str, Any]:
        """What it tells of itself."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._stats, timeout=60.0) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def memory(self) -> float:
        """MiB that are resident."""
        status = (self._process / "status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def processor(self) -> float:
        """Seconds of processor time so far."""
        return cpu_seconds(self._pid)

    async def held(self) -> Held:
        """Look."""
        stats = await self.stats()
        sessions = stats["sessions"]
        return Held(
            memory=self.memory(),
            descriptors=len(list((self._process / "fd").iterdir())),
            threads=len(list((self._process / "task").iterdir())),
            sessions=sum(count for name, count in sessions.items() if name not in {"detached", "remembered"}),
            remembered=sessions["remembered"],
            connections=stats["connections"],
            half_open=stats["transport"]["half_open"],
            objects=stats.get("objects", {}),
        )

    async def empty(self, within: float) -> Held:
        """Wait until nobody is there or remembered; SystemExit when that takes longer than ``within`` seconds."""
        until = asyncio.get_running_loop().time() + within
        held = await self.held()
        while held.sessions or held.remembered or held.connections or held.half_open:
            if asyncio.get_running_loop().time() > until:
                raise SystemExit(f"after {within:g} s somebody is still there: {held.who()}")
            await asyncio.sleep(_PAUSE)
            held = await self.held()
        return held
