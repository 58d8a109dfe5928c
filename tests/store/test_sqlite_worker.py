"""The store's thread when its database, its disk or its callers go away under it."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import StoreCode
from quicgw_fast.store import SqliteStore, StoreFailed, sqlite_tables
from quicgw_fast.store.sqlite_file import LOG_BYTES, SPARE_BYTES
from tests.store.conftest import NOW, ROOMY, Gate

if TYPE_CHECKING:
    from pathlib import Path


async def test_who_went_away_while_his_step_ran_is_left_out_and_the_others_get_their_results(
    store: SqliteStore,
) -> None:
    gate = await Gate.shut(store)
    gate.done.cancel()  # its step has begun
    stays = asyncio.ensure_future(store.put("alice", b"1", NOW))
    gate.opened.set()
    assert (await stays).stored
    assert gate.done.cancelled()


async def test_a_put_of_an_ended_session_is_done_though_nobody_waits_for_it(store: SqliteStore) -> None:
    gate = await Gate.shut(store)
    store.put_all("alice", [b"1", b"2"], NOW).cancel()
    gate.opened.set()
    assert [message.body for message in await store.load("alice", NOW)] == [b"1", b"2"]


async def test_a_database_that_closes_under_us_is_told_of_and_still_ends(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    # The step's own transaction cannot be committed, and not be rolled back either.
    closing = store._committer.submit(store._tables._db.close)
    with pytest.raises(Exception, match="the offline store failed: Cannot operate on a closed database"):
        await closing
    assert caplog.messages == ["offline store down", "offline store not rolled back"]
    assert (await store.put("alice", b"1", NOW)).error_code == StoreCode.FAILED
    await store.close()


def elsewhere(path: Path) -> Path:
    return path.with_name("elsewhere.db")


def lose(path: Path, how: str) -> None:
    if how == "deleted":
        path.unlink()
    else:
        path.rename(elsewhere(path))
    if how == "replaced":
        path.touch()


@pytest.mark.parametrize("how", ["deleted", "moved away", "replaced"])
async def test_every_step_on_a_file_that_is_gone_fails_alike_and_it_is_told_once(
    store: SqliteStore, path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await store.put("alice", b"1", NOW)
    lose(path, how)
    for _ in range(2):
        assert (await store.put("alice", b"2", NOW)).error_code == StoreCode.FAILED
        (handed_over,) = await store.put_all("alice", [b"3"], NOW)
        assert handed_over.error_code == StoreCode.FAILED
        for asked in (store.delete("alice", [kept.id]), store.load("alice", NOW), store.sweep(NOW)):
            with pytest.raises(StoreFailed, match=f"{path} was "):
                await asked
    (record,) = caplog.records
    assert record.message == "offline store down"
    assert not record.exc_info
    assert record.__dict__["remedy"].startswith("put the file back")
    if how == "moved away":
        elsewhere(path).rename(path)
        assert await store.delete("alice", [kept.id]) == 1
        assert caplog.messages == ["offline store down", "offline store up"]


async def test_a_database_that_cannot_be_closed_is_told_of_and_the_thread_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(path, ROOMY)

    def broken() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:  # a disk that fails in this very moment cannot be had
        patched.setattr(store._tables, "close", broken)
        await store.close()
    (record,) = caplog.records
    assert (record.message, record.__dict__["reason"]) == ("offline store not closed", "disk I/O error")
    store._tables.close()


async def test_messages_stop_before_the_disk_is_full_and_go_on_when_it_has_room_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The true thing, on a disk of its own, is in test_disk.py; here the free space is what the test says."""
    free = SPARE_BYTES
    monkeypatch.setattr(sqlite_tables, "free_bytes", lambda _path: free)
    for _ in range(2):
        refused = await store.put("alice", b"x" * LOG_BYTES, NOW)
        assert (refused.error_code, refused.message) == (StoreCode.FAILED, "the disk of the offline store is full")
    assert caplog.messages == ["offline store full"], "one line, not one for each message"
    assert store.stats().refused == 2
    free += LOG_BYTES  # not yet enough to say so
    assert (await store.put("alice", b"small", NOW)).stored
    assert caplog.messages == ["offline store full"]
    free += 4 * LOG_BYTES
    assert (await store.put("alice", b"x" * LOG_BYTES, NOW)).stored
    assert caplog.messages == ["offline store full", "offline store has room again"]
