"""A store in a file, with room for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROOMY = OfflineConfig.model_construct(store="sqlite", max_messages=10**9, max_bytes=10**9, max_total_bytes=10**9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, ROOMY)
    yield made
    await made.close()
