"""The offline store in memory: a restart loses it, by choice."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import StoreCode
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store.base import (
    NO_TERMS,
    PutResult,
    Stored,
    StoreFailed,
    StoreStats,
    Terms,
    cost,
    crowded,
    exhausted,
    over,
    refusal_of,
    with_terms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(slots=True)
class _Queue:
    """What waits for one openid."""

    messages: dict[int, Stored] = field(default_factory=dict)
    size: int = 0
    by_key: dict[str, int] = field(default_factory=dict)
    """The message of each supersede key."""


class MemoryStore:
    """Messages in dictionaries, which keep the order of arrival."""

    def __init__(self, settings: OfflineConfig | None = None) -> None:
        """Start empty."""
        self._settings = settings or OfflineConfig(store="memory")
        self._queues: dict[str, _Queue] = {}
        self._order: OrderedDict[int, str] = OrderedDict()
        """Every message's openid in the order of arrival, so that the too old ones are found at the front."""
        self._last_id = 0
        self._hurried = 0
        """Messages with a time of their own: without any, nobody looks for them."""
        self._stats = StoreStats()
        self._closed = False

    async def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        """Keep ``body`` for ``openid``, or refuse it (see :class:`~quicgw_fast.store.base.OfflineStore`)."""
        return self._put(openid, body, wall, terms)

    def put_all(
        self, openid: str, bodies: Sequence[bytes], wall: float, terms: Sequence[Terms] = ()
    ) -> asyncio.Future[list[PutResult]]:
        """Keep these in their order, or refuse them; the future is done."""
        future: asyncio.Future[list[PutResult]] = asyncio.get_running_loop().create_future()
        future.set_result([self._put(openid, body, wall, each) for body, each in with_terms(bodies, terms)])
        return future

    def _put(self, openid: str, body: bytes, wall: float, terms: Terms) -> PutResult:
        if not self._closed:
            self._expire(openid, wall)
        older = self._of_key(openid, terms.key)
        refusal = self._refusal(openid, body, wall, older)
        if refusal is not None:
            self._stats = self._stats.plus(refused=1)
            return refusal
        if older is not None:
            self._remove(openid, older.id)
            self._stats = self._stats.plus(superseded=1)
        self._last_id += 1
        queue = self._queues.setdefault(openid, _Queue())
        queue.messages[self._last_id] = Stored(self._last_id, bytes(body), wall, *terms)
        queue.size += len(body)
        self._hurried += terms.expires_at < math.inf
        if terms.key:
            queue.by_key[terms.key] = self._last_id
        self._order[self._last_id] = openid
        self._stats = self._stats.plus(messages=1, bytes=cost(openid, body), stored=1)
        return PutResult(self._last_id, replaced=0 if older is None else older.id)

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

    def _of_key(self, openid: str, key: str) -> Stored | None:
        queue = self._queues.get(openid)
        number = None if queue is None or not key else queue.by_key.get(key)
        return None if queue is None or number is None else queue.messages[number]

    def _refusal(self, openid: str, body: bytes, wall: float, older: Stored | None) -> PutResult | None:
        """Say why not; ``older`` goes when this one comes."""
        if self._closed:
            return PutResult(0, StoreCode.CLOSED, "the offline store is closed")
        if (refusal := refusal_of(self._settings, openid, body)) is not None:
            return refusal
        queue = self._queues.get(openid, _Queue())
        gone, size, price = (0, 0, 0) if older is None else (1, len(older.body), cost(openid, older.body))
        if (refusal := crowded(self._settings, body, len(queue.messages) - gone, queue.size - size)) is not None:
            return refusal
        if exhausted(self._settings, openid, body, self._stats.bytes - price) is None:
            return None
        self._expire_oldest(wall)
        return exhausted(self._settings, openid, body, self._stats.bytes - price)

    def _expire(self, openid: str, wall: float) -> None:
        queue = self._queues.get(openid, _Queue())
        old = [number for number, message in queue.messages.items() if over(self._settings, message, wall)]
        gone = sum(self._remove(openid, number) for number in old)
        self._stats = self._stats.plus(expired=gone)

    def _expire_oldest(self, wall: float) -> int:
        """Expire from the front, and then whatever is over by its own terms.

        Behind a wall clock that was set back, some stay until those before them are too old.
        """
        gone = 0
        while self._order:
            number, openid = next(iter(self._order.items()))
            if not over(self._settings, self._queues[openid].messages[number], wall):
                break
            gone += self._remove(openid, number)
        for number, openid in list(self._order.items()) if self._hurried else ():
            if self._queues[openid].messages[number].expires_at <= wall:
                gone += self._remove(openid, number)
        self._stats = self._stats.plus(expired=gone)
        return gone

    def _remove(self, openid: str, number: int) -> int:
        queue = self._queues.get(openid)
        message = None if queue is None else queue.messages.pop(number, None)
        if queue is None or message is None:
            return 0
        queue.size -= len(message.body)
        self._hurried -= message.expires_at < math.inf
        if message.key:
            del queue.by_key[message.key]
        if not queue.messages:
            del self._queues[openid]
        del self._order[number]
        self._stats = self._stats.plus(messages=-1, bytes=-cost(openid, message.body))
        return 1
