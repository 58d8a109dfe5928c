"""A store in a file, with room for everything, and what its thread can be made to do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import SqliteStore
from tests.store.opening import Stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

NOW = 1_800_000_000.0
ROOMY = OfflineConfig.model_construct(store="sqlite", max_messages=10**9, max_bytes=10**9, max_total_bytes=10**9)


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Whoever opens stores of any kind."""
    stores = Stores()
    yield stores
    stores.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, ROOMY)
    yield made
    await made.close()


class Gate:
    """Holds the database's thread inside of a step, as a slow disk would."""

    def __init__(self, store: SqliteStore) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.done = store._committer.submit(self._step)

    def _step(self) -> None:
        self.entered.set()
        self.opened.wait()

    @classmethod
    async def shut(cls, store: SqliteStore) -> Gate:
        gate = cls(store)
        await asyncio.to_thread(gate.entered.wait)
        return gate


async def pragma(store: SqliteStore, text: str) -> object:
    """Run a pragma on the store's own connection, on its thread, outside of a transaction."""
    return await store._committer.submit(lambda: store._tables._db.execute(f"PRAGMA {text}").fetchone()[0])
