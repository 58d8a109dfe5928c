"""A store on a disk of its own that something else fills; says as JSON what still works. Started by its test."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import SqliteStore, StoreFailed
from tests.support.small_disk import fill

NOW = 1_800_000_000.0
MESSAGES = 20


async def works(step: Any) -> bool:
    try:
        await step
    except StoreFailed:
        return False
    return True


async def live(folder: Path) -> dict[str, object]:
    """Fill the disk below a running store."""
    settings = OfflineConfig.model_construct(
        store="sqlite", max_messages=1000, max_bytes=1 << 30, max_total_bytes=1 << 30, max_age=100.0
    )
    store = SqliteStore(folder / "store.db", settings)
    old = await store.put("bob", b"old", NOW - 99)
    ids = [(await store.put("alice", b"x" * 300, NOW)).id for _ in range(MESSAGES)]
    fill(folder / "other")
    said: dict[str, object] = {}
    while (result := await store.put("alice", b"y" * 50_000, NOW)).stored:
        ids.append(result.id)
    said["refused"] = result.error_code
    said["read"] = len(await store.load("alice", NOW)) - len(ids)
    said["read beside too old ones"] = len(await store.load("bob", NOW + 2))
    said["put"] = len(ids)
    said["deleted one by one"] = [await works(store.delete("alice", [number])) for number in ids]
    said["left"] = len(await store.load("alice", NOW))
    said["room again"] = (await store.put("alice", b"z" * 300, NOW)).stored
    await store.close()
    # The next gateway finds the disk as full as it is.
    store = SqliteStore(folder / "store.db", settings)
    said["after a restart"] = [message.body[:1].decode() for message in await store.load("alice", NOW)]
    await store.close()
    assert old.stored
    return said


print(json.dumps(asyncio.run(live(Path(sys.argv[1])))))
