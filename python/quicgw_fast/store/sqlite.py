"""The offline store in an SQLite file: what was stored survives ``kill -9``, a restart and a power cut."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import StoreCode
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store.base import NO_TERMS, PutResult, Stored, StoreFailed, StoreStats, Terms, with_terms
from quicgw_fast.store.sqlite_file import open_database
from quicgw_fast.store.sqlite_tables import SWEEP_STEP, SqliteTables
from quicgw_fast.store.sqlite_worker import Committer
from quicgw_fast.store.unwritten import MAX_BACKLOG, MAX_HANDED_OVER, Unwritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_MAX_ID: Final = (1 << 63) - 1


class SqliteStore:
    """Messages in one table of one file, which this process has for itself."""

    def __init__(self, path: Path, settings: OfflineConfig | None = None, *, max_backlog: int = MAX_BACKLOG) -> None:
        """Open or make the file; blocks meanwhile (recovery and check of a full store: some 100 ms).

        Raises ConfigError when the path or the file cannot be used, and StartupError when another process has it.
        """
        self._tables = SqliteTables(open_database(path), path, settings or OfflineConfig(store="sqlite", path=path))
        self._committer = Committer(self._tables)
        self._backlog, self._handed_over = Unwritten(max_backlog), Unwritten(MAX_HANDED_OVER)
        self._refused = 0
        self._closed = False

    @property
    def commits(self) -> int:
        """Return how many transactions there were: far fewer than puts when many come at once."""
        return self._committer.commits

    async def put(self, openid: str, body: bytes, wall: float, terms: Terms = NO_TERMS) -> PutResult:
        """Keep ``body`` for ``openid``, or refuse it; returns after the commit.

        A caller that is cancelled meanwhile does not know: the message is then stored or not.
        """
        if self._closed:
            return self._refuse(StoreCode.CLOSED, "the offline store is closed")
        if not self._backlog.takes(len(body)):
            return self._refuse(StoreCode.BUSY, f"{self._backlog.size} bytes wait for the disk")
        _check_text(openid)
        try:
            future = self._committer.submit(partial(self._tables.put, openid, bytes(body), wall, terms), len(body))
        except StoreFailed as error:
            return self._refuse(StoreCode.BUSY, str(error))
        self._backlog.add(len(body), future)
        try:
            # Shielded, so that a cancelled caller's body still counts while it waits.
            return await asyncio.shield(future)
        except StoreFailed as error:
            return self._refuse(StoreCode.FAILED, str(error))

    def put_all(
        self, openid: str, bodies: Sequence[bytes], wall: float, terms: Sequence[Terms] = ()
    ) -> asyncio.Future[list[PutResult]]:
        """Keep these in their order, or refuse them, in one step; the future is done after the commit."""
        _check_text(openid)
        kept = with_terms([bytes(body) for body in bodies], terms)
        size = sum(len(body) for body, _ in kept)
        told: asyncio.Future[list[PutResult]] = asyncio.get_running_loop().create_future()
        try:
            if not self._handed_over.takes(size):
                raise StoreFailed(f"{self._handed_over.size} bytes of ended sessions wait for the disk")
            future = self._committer.submit(partial(self._tables.put_all, openid, kept, wall), size)
        except StoreFailed as error:
            told.set_result(
                [self._refuse(StoreCode.CLOSED if self._closed else StoreCode.BUSY, str(error)) for _ in kept]
            )
            return told
        self._handed_over.add(size, future)
        future.add_done_callback(partial(self._settle, told, len(kept)))
        return told

    def _settle(
        self,
        told: asyncio.Future[list[PutResult]],
        count: int,
        done: asyncio.Future[list[PutResult]],
    ) -> None:
        failure = done.exception()
        results = [self._refuse(StoreCode.FAILED, str(failure)) for _ in range(count)] if failure else done.result()
        if not told.done():  # else who asked was cancelled
            told.set_result(results)

    async def load(self, openid: str, wall: float) -> list[Stored]:
        """Return what waits for ``openid``, oldest first. Raises StoreFailed."""
        _check_text(openid)
        # A step of its own, whose failure the committer logs: on a full disk nothing can be removed, but read.
        expiring = self._committer.submit(partial(self._tables.expire_of, openid, wall))
        expiring.add_done_callback(asyncio.Future.exception)  # seen, so that asyncio does not complain
        return await self._committer.submit(partial(self._tables.load, openid, wall))

    async def delete(self, openid: str, ids: Iterable[int]) -> int:
        """Forget these messages of ``openid``; return how many there were. Raises StoreFailed."""
        _check_text(openid)
        known = [number for number in ids if 0 < number <= _MAX_ID]
        return await self._committer.submit(partial(self._tables.delete, openid, known))

    async def sweep(self, wall: float) -> int:
        """Remove every message over its age; return how many. Raises StoreFailed.

        Goes in steps that let others in between.
        """
        gone = 0
        while True:
            step = await self._committer.submit(partial(self._tables.expire, wall))
            gone += step
            if step < SWEEP_STEP:
                return gone

    def stats(self) -> StoreStats:
        """Return the figures as of the last commit."""
        return self._tables.committed.plus(refused=self._refused)

    async def close(self) -> None:
        """Write what is queued and close the file."""
        self._closed = True
        await self._committer.close()

    def _refuse(self, code: StoreCode, message: str) -> PutResult:
        self._refused += 1
        return PutResult(0, code, message)


def _check_text(openid: str) -> None:
    """Raise UnicodeEncodeError, a ValueError, for what no text column can hold (lone surrogates)."""
    openid.encode()
