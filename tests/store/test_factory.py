"""Which store the settings make, and which make none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import OfflineConfig
from quicgw_fast.errors import ConfigError
from quicgw_fast.store import (
    MemoryStore,
    SqliteStore,
    make_store,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_off_is_no_store() -> None:
    assert make_store(OfflineConfig()) is None


async def test_kinds(tmp_path: Path) -> None:
    memory = make_store(OfflineConfig.model_construct(store="memory"))
    sqlite = make_store(OfflineConfig.model_construct(store="sqlite", path=tmp_path / "store.db"))
    assert isinstance(memory, MemoryStore)
    assert isinstance(sqlite, SqliteStore)
    await memory.close()
    await sqlite.close()


@pytest.mark.parametrize(
    "settings",
    [
        OfflineConfig.model_construct(store="redis"),
        OfflineConfig.model_construct(store="sqlite"),
        OfflineConfig.model_construct(store="directory"),
        OfflineConfig.model_construct(store="memory", max_messages=0),
        OfflineConfig.model_construct(store="memory", max_bytes=-1),
        OfflineConfig.model_construct(store="memory", max_total_bytes=0),
        OfflineConfig.model_construct(store="memory", max_age=0.0),
        OfflineConfig.model_construct(store="memory", max_age=float("nan")),
    ],
)
def test_settings_that_make_no_store(settings: OfflineConfig) -> None:
    with pytest.raises(ConfigError, match=r"offline\.(store|max_)"):
        make_store(settings)
