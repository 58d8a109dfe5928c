"""The offline store in memory: a restart loses it, by choice."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import StoreCode
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store.base import (
    PutResult,
    Stored,
    StoreFailed,
    StoreStats,
    cost,
    crowded,
    exhausted,
    oldest_kept,
    refusal_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(slots=True)
class _Queue:
    """What waits for one openid."""

    messages: dict[int, Stored] = field(default_factory=dict)
    size: int = 0


class MemoryStore:
    """Messages in dictionaries, which keep the order of arrival."""

    def __init__(self, settings: OfflineConfig | None = None) -> None:
        """Start empty."""
        self._settings = settings or OfflineConfig(store="memory")
        self._queues: dict[str, _Queue] = {}
        self._order: OrderedDict[int, str] = OrderedDict()
        """Every message's openid in the order of arrival, so that the too old ones are found at the front."""
        self._last_id = 0
        self._stats = StoreStats()
        self._closed = False

    async def put(self, openid: str, body: bytes, wall: float) -> PutResult:
        """Keep ``body`` for ``openid``, or refuse it (see :class:`~quicgw_fast.store.base.OfflineStore`)."""
        return self._put(openid, body, wall)

    def put_all(self, openid: str, bodies: Sequence[bytes], wall: float) -> asyncio.Future[list[PutResult]]:
        """Keep these in their order, or refuse them; the future is done."""
        future: asyncio.Future[list[PutResult]] = asyncio.get_running_loop().create_future()
        future.set_result([self._put(openid, body, wall) for body in bodies])
        return future

    def _put(self, openid: str, body: bytes, wall: float) -> PutResult:
        refusal = self._refusal(openid, body, wall)
        if refusal is not None:
            self._stats = self._stats.plus(refused=1)
            return refusal
        self._last_id += 1
        queue = self._queues.setdefault(openid, _Queue())
        queue.messages[self._last_id] = Stored(self._last_id, bytes(body), wall)
        queue.size += len(body)
        self._order[self._last_id] = openid
        self._stats = self._stats.plus(messages=1, bytes=cost(openid, body), stored=1)
        return PutResult(self._last_id)

    async def load(self, openid: str, wall: float) -> list[Stored]:
        """Return what waits for ``openid``, oldest first."""
        self._check_open()
        self._expire(openid, wall)
        queue = self._queues.get(openid)
        return [] if queue is None else list(queue.messages.values())

    async def delete(self, openid: str, ids: Iterable[int]) -> int:
        """Forget these messages of ``openid``; return how many there were."""
        self._check_open()
        gone = sum(self._remove(openid, number) for number in ids)
        self._stats = self._stats.plus(deleted=gone)
        return gone

    async def sweep(self, wall: float) -> int:
        """Remove every message over its age; return how many."""
        self._check_open()
        return self._expire_oldest(wall)

    def stats(self) -> StoreStats:
        """Return the figures now."""
        return self._stats

    async def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._queues.clear()
        self._order.clear()
        self._stats = self._stats.plus(messages=-self._stats.messages, bytes=-self._stats.bytes)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the offline store is closed")

    def _refusal(self, openid: str, body: bytes, wall: float) -> PutResult | None:
        if self._closed:
            return PutResult(0, StoreCode.CLOSED, "the offline store is closed")
        if (refusal := refusal_of(self._settings, openid, body)) is not None:
            return refusal
        self._expire(openid, wall)
        queue = self._queues.get(openid, _Queue())
        if (refusal := crowded(self._settings, body, len(queue.messages), queue.size)) is not None:
            return refusal
        if exhausted(self._settings, openid, body, self._stats.bytes) is None:
            return None
        self._expire_oldest(wall)
        return exhausted(self._settings, openid, body, self._stats.bytes)

    def _expire(self, openid: str, wall: float) -> None:
        limit = oldest_kept(self._settings, wall)
        queue = self._queues.get(openid, _Queue())
        old = [number for number, message in queue.messages.items() if message.stored_at <= limit]
        gone = sum(self._remove(openid, number) for number in old)
        self._stats = self._stats.plus(expired=gone)

    def _expire_oldest(self, wall: float) -> int:
        """Expire from the front.

        Behind a wall clock that was set back, some stay until those before them are too old.
        """
        limit, gone = oldest_kept(self._settings, wall), 0
        while self._order:
            number, openid = next(iter(self._order.items()))
            if self._queues[openid].messages[number].stored_at > limit:
                break
            gone += self._remove(openid, number)
        self._stats = self._stats.plus(expired=gone)
        return gone

    def _remove(self, openid: str, number: int) -> int:
        queue = self._queues.get(openid)
        message = None if queue is None else queue.messages.pop(number, None)
        if queue is None or message is None:
            return 0
        queue.size -= len(message.body)
        if not queue.messages:
            del self._queues[openid]
        del self._order[number]
        self._stats = self._stats.plus(messages=-1, bytes=-cost(openid, message.body))
        return 1
