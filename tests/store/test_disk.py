"""A disk that is full, that hangs or fails, and what the bounds mean on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import StoreCode
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import (
    OfflineStore,
    SqliteStore,
    StoreFailed,
    make_store,
    sqlite_file,
    sqlite_worker,
)
from quicgw_fast.store.unwritten import Unwritten
from tests.store.conftest import NOW, ROOMY, Gate, pragma
from tests.support.small_disk import on_a_disk_of_its_own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_OPENID = "🦊" * 64
"""256 bytes, the most that a client may be called."""


@pytest.fixture(params=["memory", "sqlite"])
async def small(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[OfflineStore]:
    made = make_store(OfflineConfig.model_construct(store=request.param, path=path, max_messages=3, max_bytes=100))
    assert made is not None
    yield made
    await made.close()


# Full


def run_on_a_small_disk(script: Path, folder: Path) -> dict[str, object]:
    """Run a script with a folder on a disk of its own, and return what it says."""
    command = [*on_a_disk_of_its_own(folder, "4m"), sys.executable, str(script), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_a_disk_that_others_filled_is_read_and_what_is_acknowledged_goes(tmp_path: Path) -> None:
    said = run_on_a_small_disk(Path(__file__).with_name("full_disk.py"), tmp_path)
    put, deleted = said.pop("put"), said.pop("deleted one by one")
    assert isinstance(put, int)
    assert put >= 20
    assert deleted == [True] * put
    assert said == {
        "refused": "STORE_FAILED",
        "read": 0,
        "read beside too old ones": 0,
        "left": 0,
        "room again": True,
        "after a restart": ["z"],
    }


async def test_the_log_stays_small_whatever_goes_through_it(store: SqliteStore, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    for _ in range(3):
        results = await asyncio.gather(*(store.put("alice", b"x" * 50_000, NOW) for _ in range(100)))
        await store.delete("alice", [result.id for result in results])
    await store.put("alice", b"one more", NOW)
    assert log.stat().st_size <= sqlite_file.LOG_BYTES


async def test_a_store_without_room_for_its_log_is_opened_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    store = SqliteStore(path, ROOMY)
    assert (await store.put("alice", b"1", NOW)).stored
    await store.close()


async def test_all_bytes_together_are_bytes_also_on_the_disk(path: Path) -> None:
    """Not characters: the longest names may take four times as many."""
    limit = 1 << 20
    store = SqliteStore(path, OfflineConfig.model_construct(store="sqlite", path=path, max_total_bytes=limit))
    results = await asyncio.gather(*(store.put(f"{number:04}{LONGEST_OPENID[1:]}", b"", NOW) for number in range(4000)))
    assert {result.error_code for result in results} == {None, StoreCode.FULL}
    assert store.stats().bytes <= limit
    await store.close()
    assert os.path.getsize(path) < 2 * limit  # noqa: ASYNC240, PTH202 - the name stands in the table and in its index


# Hanging


async def test_a_disk_that_hangs_does_not_hold_up_the_end(path: Path) -> None:
    store = SqliteStore(path, ROOMY)
    gate = await Gate.shut(store)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.close(), 0.05)
    assert (await store.put("alice", b"1", NOW)).error_code == StoreCode.CLOSED
    gate.opened.set()
    await store.close()


async def test_what_nobody_waits_for_any_more_is_not_read(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    seen: list[str] = []
    gone = store._committer.submit(lambda: seen.append("gone"))
    stays = store._committer.submit(lambda: seen.append("stays"))
    gone.cancel()
    gate.opened.set()
    await stays
    assert seen == ["stays"]


async def test_steps_that_wait_for_the_disk_are_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_worker, "MAX_WAITING", 2)
    gate = await Gate.shut(store)
    waiting = [asyncio.ensure_future(store.put("alice", b"x", NOW)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await store.put("alice", b"x", NOW)).error_code == StoreCode.BUSY
    assert [result.error_code for result in await store.put_all("alice", [b"x"], NOW)] == [StoreCode.BUSY]
    gate.opened.set()
    assert all(result.stored for result in await asyncio.gather(*waiting))


# Failing


async def test_a_full_disk_is_a_refusal_and_what_was_stored_stays(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await store.put("alice", b"first", NOW)).stored
    await pragma(store, f"max_page_count = {await pragma(store, 'page_count')}")
    caplog.clear()
    with caplog.at_level("INFO", "quicgw.store"):
        results = [await store.put("alice", b"x" * 100_000, NOW) for _ in range(3)]
    assert [result.error_code for result in results] == [StoreCode.FAILED] * 3
    assert "full" in results[0].message
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert [m.body for m in await store.load("alice", NOW)] == [b"first"]
    assert (store.stats().messages, store.stats().stored, store.stats().refused) == (1, 1, 3)

    await pragma(store, "max_page_count = 1000000")
    caplog.clear()
    with caplog.at_level("INFO", "quicgw.store"):
        assert (await store.put("alice", b"x" * 100_000, NOW)).stored
    assert caplog.messages == ["offline store up"]
    assert len(await store.load("alice", NOW)) == 2


async def test_one_that_fails_does_not_take_others_along(store: SqliteStore) -> None:
    assert (await store.put("alice", b"first", NOW)).stored
    await pragma(store, f"max_page_count = {await pragma(store, 'page_count')}")
    gate = await Gate.shut(store)
    before = asyncio.ensure_future(store.put("alice", b"before", NOW))
    too_much = asyncio.ensure_future(store.put("alice", b"x" * 100_000, NOW))
    load = asyncio.ensure_future(store.load("alice", NOW))
    small = asyncio.ensure_future(store.put("alice", b"second", NOW))
    await asyncio.sleep(0)
    gate.opened.set()
    assert (await too_much).error_code == StoreCode.FAILED
    assert (await before).stored
    assert [m.body for m in await load] == [b"first", b"before"]
    assert (await small).stored
    # What was undone and done again is counted once.
    assert (store.stats().messages, store.stats().stored) == (3, 3)


async def test_a_file_that_breaks_under_us_is_an_error_and_never_a_success(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    await store._committer.submit(partial(store._tables._db.execute, "DROP TABLE message"))
    caplog.clear()
    with caplog.at_level("INFO", "quicgw.store"):
        assert (await store.put("alice", b"1", NOW)).error_code == StoreCode.FAILED
        for step in (store.load("alice", NOW), store.delete("alice", [1]), store.sweep(NOW)):
            with pytest.raises(StoreFailed, match="no such table"):
                await step
    assert len(caplog.records) == 1


async def test_an_openid_that_is_no_text_fails_its_own_call(store: SqliteStore) -> None:
    for step in (
        store.put("\ud800", b"", NOW),
        store.load("\ud800", NOW),
        store.delete("\ud800", []),
    ):
        with pytest.raises(ValueError, match="surrogates"):
            await step
    assert (await store.put("alice", b"1", float("nan"))).error_code == StoreCode.FAILED
    assert (await store.put("alice", b"1", NOW)).stored


# Many at once, in order


async def test_put_all_keeps_the_order_and_says_of_each_whether_it_stays(small: OfflineStore) -> None:
    results = await small.put_all("alice", [b"1", b"x" * 101, b"2", b"3", b"4"], NOW)
    assert [result.error_code for result in results] == [
        None,
        StoreCode.TOO_LARGE,
        None,
        None,
        StoreCode.FULL,
    ]
    assert [stored.body for stored in await small.load("alice", NOW)] == [b"1", b"2", b"3"]
    assert (small.stats().stored, small.stats().refused) == (3, 2)


async def test_what_is_begun_first_is_done_first(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    first = store.put_all("alice", [b"1", b"2"], NOW)
    second = asyncio.ensure_future(store.put("alice", b"3", NOW))
    load = asyncio.ensure_future(store.load("alice", NOW))
    third = asyncio.ensure_future(store.put("alice", b"4", NOW))
    await asyncio.sleep(0)
    gate.opened.set()
    assert [stored.body for stored in await load] == [b"1", b"2", b"3"]
    assert all(result.stored for result in [*await first, await second, await third])


async def test_put_all_never_raises(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await store._committer.submit(partial(store._tables._db.execute, "ALTER TABLE message RENAME TO gone"))
    results = await store.put_all("alice", [b"1", b"2"], NOW)
    assert [result.error_code for result in results] == ["STORE_FAILED"] * 2
    assert store.stats().refused == 2
    await store._committer.submit(partial(store._tables._db.execute, "ALTER TABLE gone RENAME TO message"))
    monkeypatch.setattr(store, "_handed_over", Unwritten(10))
    gate = await Gate.shut(store)
    first, second = store.put_all("alice", [b"x" * 10], NOW), store.put_all("alice", [b"y"], NOW)
    assert not first.done()
    assert [result.error_code for result in await second] == [StoreCode.BUSY]
    gate.opened.set()
    assert (await first)[0].stored
    assert (await store.put_all("alice", [b"z"], NOW))[0].stored  # what is done does not count any more
    await store.close()
    assert [result.error_code for result in await store.put_all("alice", [b"1"], NOW)] == [StoreCode.CLOSED]
