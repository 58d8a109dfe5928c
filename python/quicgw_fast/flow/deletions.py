"""Delete from the offline store what clients acknowledged, and try again until it is done."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from quicgw_fast.store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

    from quicgw_fast.clock import Clock
    from quicgw_fast.store import OfflineStore

AT_ONCE = 256
"""Openids whose deletions are begun together, so that they share a commit of the store."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds before a failed deletion is tried again: twice as long each time."""


class Deletions:
    """What is to be deleted stays here until the store has done it: it must not be delivered once more meanwhile.

    There are never more ids than messages in the store, whose number its bounds limit.
    """

    def __init__(
        self,
        store: OfflineStore | None,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, object]], object],
        failed: Callable[[StoreFailed], None],
    ) -> None:
        """``spawn`` runs a task to its end; ``failed`` is told of each try that failed."""
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._failed = failed
        self._ids: dict[str, set[int]] = {}
        self._working = False
        self._pause = 0.0
        self._not_before = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))

    def add(self, openid: str, ids: Iterable[int]) -> None:
        """Delete these messages of the openid, now or as soon as the store can."""
        self._ids.setdefault(openid, set()).update(ids)
        self.tend(self._clock.now())

    def pending(self, openid: str) -> set[int]:
        """The messages of the openid that its client has and the store has still."""
        return self._ids.get(openid, set())

    def tend(self, now: float) -> None:
        """Go to work if there is any and the pause after a failure is over."""
        if self._ids and not self._working and now >= self._not_before and self._store is not None:
            self._working = True
            self._spawn(self._work(self._store))

    async def _work(self, store: OfflineStore) -> None:
        try:
            while self._ids:
                some = {openid: frozenset(ids) for openid, ids in itertools.islice(self._ids.items(), AT_ONCE)}
                results = await asyncio.gather(*(self._delete(store, openid, ids) for openid, ids in some.items()))
                if not all(results):
                    self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
                    self._not_before = self._clock.now() + self._pause
                    return
                self._pause = 0.0
        finally:
            self._working = False

    async def _delete(self, store: OfflineStore, openid: str, ids: frozenset[int]) -> bool:
        try:
            await store.delete(openid, ids)
        except StoreFailed as error:
            self._failed(error)
            return False
        left = self._ids[openid] - ids
        if left:
            self._ids[openid] = left
        else:
            del self._ids[openid]
        return True
