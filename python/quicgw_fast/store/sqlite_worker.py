"""One thread that owns the database: the event loop never waits for the disk, and commits are shared."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from quicgw_fast.store.base import StoreFailed
from quicgw_fast.store.sqlite_file import FileGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.store.sqlite_tables import SqliteTables

T = TypeVar("T")
_log = logging.getLogger("quicgw.store")

MAX_BATCH: Final = 512
"""Steps in one transaction at most: what comes first need not wait for an endless queue behind it."""
MAX_BATCH_BYTES: Final = 4 << 20
"""Bytes written in one transaction at most, about: the write-ahead log must hold them once more."""
MAX_WAITING: Final = 1 << 16
"""Steps that may wait: a disk that hangs must not cost memory without a bound."""

_PUT_IT_BACK = "put the file back where it was, or restart the gateway, which makes a new one"
_MAKE_ROOM = "check the disk and the rights of the file; it goes on by itself"


@dataclass(slots=True, eq=False)
class _Job:
    """A step that waits for its turn, and the future that its caller waits for."""

    step: Callable[[], Any]
    future: asyncio.Future[Any]
    size: int = 0
    """Bytes that it writes, about."""
    result: Any = None


class Committer:
    """Runs steps on the tables in the order given; what queues up during a commit shares the next transaction.

    A step's result is given out after its transaction is committed, so that nobody hears of what may not
    last. A transaction that fails is undone, and each of its steps gets one of its own: a full disk takes no
    more messages, but those that wait can still be read.
    """

    def __init__(self, tables: SqliteTables) -> None:
        """Start the thread; the tables belong to it from now on."""
        self._tables = tables
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._failing = False
        self.commits = 0
        """Transactions committed."""
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        # A daemon: an abandoned store must not keep the process alive, and every commit is whole.
        self._thread = threading.Thread(target=self._work, name="quicgw-store", daemon=True)
        self._thread.start()

    def submit(self, step: Callable[[], T], size: int = 0) -> asyncio.Future[T]:
        """Queue ``step``, which writes about ``size`` bytes; its future raises StoreFailed if it failed.

        A step whose future is cancelled before its turn is left out.

        Raises StoreFailed when the store is closed or too much waits for the disk.
        """
        if self._closing:
            raise StoreFailed("the offline store is closed")
        if self._jobs.qsize() >= MAX_WAITING:
            raise StoreFailed(f"{MAX_WAITING} steps wait for the disk of the offline store")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(step, future, size))
        return future

    async def close(self) -> None:
        """Do what is queued, close the database, end the thread.

        Cancel it to go without a disk that hangs: nothing of this process waits for the thread.
        """
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _work(self) -> None:
        while True:
            batch, last = self._next_batch()
            if batch:
                self._run(batch)
            if last:
                break
        try:
            self._tables.close()
        except sqlite3.Error as error:
            _log.error("offline store not closed", extra={"reason": str(error)})
        self._ended.set_result(None)

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Wait for a job; return it with all behind it, and whether the end was among them."""
        job = self._jobs.get()
        batch: list[_Job] = []
        size = 0
        while job is not None:
            if not job.future.cancelled():
                batch.append(job)
                size += job.size
            if len(batch) >= MAX_BATCH or size >= MAX_BATCH_BYTES:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _run(self, batch: list[_Job]) -> None:
        try:
            self._tables.begin()
            for job in batch:
                job.result = job.step()
            wrote = self._tables.commit()
        except Exception as error:
            self._undo(error)
            if len(batch) > 1:
                for job in batch:
                    self._run([job])
                return
            failure = StoreFailed(f"the offline store failed: {error}")
            failure.__cause__ = error
            _report(batch, failure)
            return
        self.commits += 1
        if self._failing and wrote:  # reading may have worked all the time
            self._failing = False
            _log.warning("offline store up")
        _report(batch, None)

    def _undo(self, error: Exception) -> None:
        if not self._failing:  # one line for a full disk, not one for each message
            self._failing = True
            known = isinstance(error, (sqlite3.Error, OSError))
            remedy = _PUT_IT_BACK if isinstance(error, FileGone) else _MAKE_ROOM
            _log.error("offline store down", extra={"reason": str(error), "remedy": remedy}, exc_info=not known)
        try:
            self._tables.rollback()
        except sqlite3.Error as again:
            _log.error("offline store not rolled back", extra={"reason": str(again)})


def _report(batch: list[_Job], failure: StoreFailed | None) -> None:
    """Give every job its result on its event loop, one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, jobs, failure)
        except RuntimeError:
            # The loop is closed, so that nobody waits; what was committed stays.
            _log.warning("offline store results came too late", extra={"results": len(jobs)})


def _settle(jobs: list[_Job], failure: StoreFailed | None) -> None:
    for job in jobs:
        if job.future.done():  # its caller was cancelled
            continue
        if failure is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(failure)
