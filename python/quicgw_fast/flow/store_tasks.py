"""Work on the offline store beside the flow, and where it is counted and said what became of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from quicgw_fast.log_ids import session_ids
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Session
    from quicgw_fast.store import StoreFailed

_log = logging.getLogger("quicgw.offline")


class StoreJournal:
    """Counts and tells what failed and what was lost."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._count_store_failures = metrics.counter(
            "store_failures", "Operations of the offline store that failed; offline_refused has what was not put"
        )
        self._count_pushes_lost = metrics.counter(
            "pushes_lost", "Notifies that were accepted and can no longer be delivered"
        )
        self._repeats = RepeatLog(_log)

    def failed(self, error: StoreFailed) -> None:
        """An operation failed; nothing was changed by it."""
        self._count_store_failures.value += 1
        self._repeats.add(logging.ERROR, "offline store failed", "", self._clock.now(), {"reason": str(error)})

    def not_read(self, session: Session, error: StoreFailed) -> None:
        """What the store has for a session could not be read."""
        self._count_store_failures.value += 1
        fields = {**session.ids, "reason": str(error)}
        self._repeats.add(logging.ERROR, "stored messages could not be read", "", self._clock.now(), fields)

    def not_put(self) -> None:
        """The store could not keep what it was given, and has said so by itself."""
        self._count_store_failures.value += 1

    def lost(self, openid: str, session_id: str, count: int, reason: str) -> None:
        """So many notifies of a session cannot be delivered any more."""
        self._count_pushes_lost.value += count
        fields = {**session_ids(session_id, openid), "lost": count, "reason": reason}
        self._repeats.add(logging.WARNING, "pushes lost", openid, self._clock.now(), fields)

    def flush(self, now: float) -> None:
        """Write the lines that are due."""
        self._repeats.flush(now)


class StoreTasks:
    """The tasks that are at work; their length is how many there are."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` to its end; an exception out of it is a bug, and logged."""
        task = asyncio.create_task(work, name="offline")
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def wait(self) -> None:
        """Wait until there are none."""
        while self._running:
            await asyncio.wait(self._running)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("offline store failed", exc_info=task.exception())
