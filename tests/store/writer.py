"""A gateway reduced to its store: puts messages for ever, and says which are stored. Killed by its test."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import SqliteStore


async def write(store: SqliteStore, openid: str, start: int) -> None:
    number = start
    while True:
        result = await store.put(openid, f"{openid} {number}".encode() + b"." * (number % 300), 1_800_000_000.0)
        if not result.stored:
            raise SystemExit(result)
        # One write of a line: it is out as a whole before the next message is begun.
        sys.stdout.write(f"{openid} {number} {result.id}\n")
        sys.stdout.flush()
        number += 1


async def main(path: Path, start: int) -> None:
    roomy = OfflineConfig.model_construct(store="sqlite", max_messages=10**9, max_bytes=10**9, max_total_bytes=10**9)
    store = SqliteStore(path, roomy)
    await asyncio.gather(*(write(store, openid, start) for openid in ("a", "b", "c", "d", "e")))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
