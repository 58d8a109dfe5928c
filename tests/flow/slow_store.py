"""A store in memory whose answers wait for the test, as those of a disk would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.store import NO_TERMS, MemoryStore, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicgw_fast.config import OfflineConfig
    from quicgw_fast.store import PutResult, Stored, Terms


class SlowStore(MemoryStore):
    """A store whose answers wait for the test, as one on a disk would; and that can break."""

    def __init__(self, settings: OfflineConfig | None = None) -> None:
        super().__init__(settings)
        self.gates: dict[str, asyncio.Event] = {}
        self.broken = False
        self.failing: set[str] = set()
        self.sweeps = 0
        self.closed_at_last = False

    def shut(self, method: str) -> None:
        self.gates[method] = asyncio.Event()

    def open(self, method: str) -> None:
        self.gates.pop(method).set()

    async def _pass(self, method: str) -> None:
        if method in self.gates:
            await self.gates[method].wait()
        if self.broken or method in self.failing:
            raise StoreFailed("disk error")

    async def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        await self._pass("put")
        return await super().put(openid, body, wall, terms)

    async def load(self, openid: str, wall: float) -> list[Stored]:
        found = await super().load(openid, wall)
        await self._pass("load")
        return found

    async def delete(self, openid: str, ids: Iterable[int]) -> int:
        await self._pass("delete")
        return await super().delete(openid, ids)

    async def sweep(self, wall: float) -> int:
        self.sweeps += 1
        await self._pass("sweep")
        return await super().sweep(wall)

    async def close(self) -> None:
        if "close" in self.gates:
            await self.gates["close"].wait()
        self.closed_at_last = True
        await super().close()
