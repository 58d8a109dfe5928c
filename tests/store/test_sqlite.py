"""What only the file has: it survives, it is ours alone, and the event loop does not wait for it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from quicgw_fast.codes import StoreCode
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import (
    SqliteStore,
    StoreStats,
    sqlite_file,
)
from tests.store.conftest import NOW, ROOMY, Gate, pragma

# Surviving


async def test_a_restart_loses_nothing_and_ids_go_on(path: Path) -> None:
    store = SqliteStore(path)
    first = await store.put("alice", b"1", NOW)
    second = await store.put("alice", b"2", NOW + 1)
    last = await store.put("bob", b"x", NOW)
    await store.delete("bob", [last.id])
    await store.close()

    store = SqliteStore(path)
    loaded = await store.load("alice", NOW)
    assert [(m.id, m.body, m.stored_at) for m in loaded] == [(first.id, b"1", NOW), (second.id, b"2", NOW + 1)]
    assert store.stats().messages == 2
    # The highest id was deleted before the restart, and is not given out again.
    assert (await store.put("carol", b"", NOW)).id > last.id
    await store.close()


async def test_bounds_and_age_count_what_was_there_before(path: Path) -> None:
    bounds = OfflineConfig.model_construct(store="sqlite", max_messages=2, max_total_bytes=450, max_age=60.0)
    store = SqliteStore(path, bounds)
    assert (await store.put("alice", b"1", NOW)).stored
    assert (await store.put("alice", b"2", NOW)).stored
    before = store.stats()
    await store.close()

    store = SqliteStore(path, bounds)
    assert store.stats() == StoreStats(before.messages, before.bytes)
    assert not (await store.put("alice", b"3", NOW)).stored
    assert (await store.put("bob", b"1", NOW)).stored
    assert not (await store.put("carol", b"1", NOW)).stored
    assert await store.load("alice", NOW + 60) == []
    await store.close()


def killed_at_random(path: Path, start: int, dice: random.Random) -> dict[str, dict[int, int]]:
    """Run the writer, kill it with SIGKILL after some of its messages, and return what it said is stored."""
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), str(path), str(start)]
    environment = os.environ | {"PYTHONPATH": str(Path(sqlite_file.__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(dice.randint(1, 400))]
        writer.kill()
        lines += writer.stdout.readlines()
    assert writer.returncode == -9
    said: dict[str, dict[int, int]] = {}
    for line in lines:
        if line.endswith("\n"):
            openid, number, stored_id = line.split()
            said.setdefault(openid, {})[int(number)] = int(stored_id)
    return said


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_said_to_be_stored_survives_kill_9(path: Path, seed: int) -> None:
    dice = random.Random(seed)
    said: dict[str, dict[int, int]] = {}
    for start in (0, 1_000_000, 2_000_000):  # the second and third writer go on in what the one before left
        for openid, numbers in (await asyncio.to_thread(killed_at_random, path, start, dice)).items():
            said.setdefault(openid, {}).update(numbers)

    store = SqliteStore(path, ROOMY)
    for openid, numbers in said.items():
        loaded = await store.load(openid, NOW)
        assert [m.id for m in loaded] == sorted(m.id for m in loaded)
        found = [int(m.body.split()[1].rstrip(b".")) for m in loaded]
        assert found == sorted(set(found)), "in order, nothing twice"
        by_number = dict(zip(found, loaded, strict=True))
        for number, stored_id in numbers.items():
            assert by_number[number].id == stored_id
            assert by_number[number].body == f"{openid} {number}".encode() + b"." * (number % 300)
        # At most the one that each writer had begun is there without having been said.
        assert len(found) - len(numbers) <= 3
    await store.close()


async def test_a_commit_waits_for_the_disk(store: SqliteStore) -> None:
    full, exclusive_wal = 2, ("exclusive", "wal")
    assert await pragma(store, "synchronous") == full
    assert (await pragma(store, "locking_mode"), await pragma(store, "journal_mode")) == exclusive_wal


# One thread, shared commits


async def test_the_loop_goes_on_while_the_disk_does_not(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    waiting = asyncio.ensure_future(store.put("alice", b"1", NOW))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert store.stats().messages == 0
    gate.opened.set()
    assert (await waiting).stored
    assert store.stats().messages == 1


async def test_what_queues_up_shares_one_commit(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    before = store.commits
    puts = [asyncio.ensure_future(store.put("alice", b"x", NOW)) for _ in range(100)]
    await asyncio.sleep(0)
    gate.opened.set()
    assert all(result.stored for result in await asyncio.gather(*puts))
    assert store.commits == before + 2  # the gate's own, and one for all


async def test_a_load_sees_the_puts_before_it(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    first = asyncio.ensure_future(store.put("alice", b"1", NOW))
    load = asyncio.ensure_future(store.load("alice", NOW))
    second = asyncio.ensure_future(store.put("alice", b"2", NOW))
    await asyncio.sleep(0)
    gate.opened.set()
    assert [m.body for m in await load] == [b"1"]
    assert (await first).stored
    assert (await second).stored


async def test_what_waits_for_the_disk_is_bounded(path: Path) -> None:
    store = SqliteStore(path, max_backlog=100)
    gate = await Gate.shut(store)
    waiting = [asyncio.ensure_future(store.put("alice", b"x" * 50, NOW)) for _ in range(2)]
    await asyncio.sleep(0)
    refusal = await store.put("alice", b"x", NOW)
    assert (refusal.stored, refusal.error_code) == (False, StoreCode.BUSY)
    gate.opened.set()
    assert all(result.stored for result in await asyncio.gather(*waiting))
    # Alone, a message may be larger than the backlog.
    assert (await store.put("alice", b"x" * 200, NOW)).stored
    assert (store.stats().stored, store.stats().refused) == (3, 1)
    await store.close()


async def test_a_cancelled_sender_changes_nothing_for_others(path: Path) -> None:
    store = SqliteStore(path, max_backlog=100)
    gate = await Gate.shut(store)
    gone = asyncio.ensure_future(store.put("alice", b"1" * 100, NOW))
    load = asyncio.ensure_future(store.load("alice", NOW))
    await asyncio.sleep(0)
    gone.cancel()
    load.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    # What it gave still waits for the disk, and still counts.
    assert (await store.put("alice", b"2", NOW)).error_code == StoreCode.BUSY
    gate.opened.set()
    assert [m.body for m in await store.load("alice", NOW)] == [b"1" * 100]
    assert (await store.put("alice", b"3", NOW)).stored
    await store.close()


async def test_close_writes_what_is_queued(path: Path) -> None:
    store = SqliteStore(path)
    puts = [asyncio.ensure_future(store.put("alice", b"x", NOW)) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert all(result.stored for result in await asyncio.gather(*puts))
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no journal is left over

    store = SqliteStore(path)
    assert store.stats().messages == 50
    await store.close()


def test_a_loop_that_is_gone_does_not_stop_the_thread(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore(path)
    gates: list[Gate] = []

    async def abandon() -> None:
        gates.append(await Gate.shut(store))
        waiting = asyncio.ensure_future(store.put("alice", b"1", NOW))
        await asyncio.sleep(0)
        waiting.cancel()

    async def return_later() -> StoreStats:
        await store.load("alice", NOW)
        await store.close()
        return store.stats()

    caplog.clear()
    with caplog.at_level("INFO", "quicgw.store"):
        asyncio.run(abandon())
        gates[0].opened.set()
        assert asyncio.run(return_later()).messages == 1
    assert caplog.messages[0] == "offline store results came too late"
