"""Messages with a time of their own and with a supersede key, and files that were written before there were such."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import StoreCode
from quicgw_fast.store import SqliteStore, Terms
from tests.store.opening import KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from quicgw_fast.store import OfflineStore
    from tests.store.opening import Stores

    MakeStore = Callable[..., Awaitable[OfflineStore]]

NOW = 1_800_000_000.0
VERSION_1 = """
CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, openid TEXT NOT NULL, stored_at REAL NOT NULL,
                      cost INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX message_openid ON message (openid, id);
CREATE INDEX message_age ON message (stored_at);
INSERT INTO message (openid, stored_at, cost, body) VALUES ('alice', 1800000000.0, 134, x'6f6e65');
PRAGMA application_id = 0x51475746;
PRAGMA user_version = 1;
"""


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest, stores: Stores, tmp_path: Path) -> MakeStore:
    return partial(stores.open, request.param, tmp_path)


async def bodies(store: OfflineStore, wall: float = NOW, openid: str = "alice") -> list[bytes]:
    return [message.body for message in await store.load(openid, wall)]


async def test_a_message_is_not_given_out_after_its_time(make_store: MakeStore) -> None:
    store = await make_store()
    await store.put("alice", b"short", NOW, Terms(expires_at=NOW + 5))
    await store.put("alice", b"long", NOW, Terms(expires_at=NOW + 50))
    await store.put("alice", b"stays", NOW)
    assert await bodies(store, NOW + 4.9) == [b"short", b"long", b"stays"]
    assert await bodies(store, NOW + 5) == [b"long", b"stays"]
    assert (store.stats().expired, store.stats().messages) == (1, 2)
    (long, _) = await store.load("alice", NOW + 5)
    assert (long.expires_at, long.key) == (NOW + 50, "")
    await store.close()


async def test_a_sweep_removes_what_is_over(make_store: MakeStore) -> None:
    store = await make_store()
    await store.put("alice", b"stays", NOW)
    await store.put("bob", b"short", NOW, Terms(expires_at=NOW + 5))
    await store.put("carol", b"long", NOW, Terms(expires_at=NOW + 50))
    assert await store.sweep(NOW + 5) == 1
    assert await store.sweep(NOW + 5) == 0
    assert store.stats().messages == 2
    await store.close()


async def test_what_is_over_makes_room(make_store: MakeStore) -> None:
    store = await make_store(max_messages=1)
    await store.put("alice", b"short", NOW, Terms(expires_at=NOW + 5))
    assert (await store.put("alice", b"new", NOW)).error_code == StoreCode.FULL
    assert (await store.put("alice", b"new", NOW + 5)).stored
    await store.close()


async def test_a_newer_one_of_the_key_takes_the_place(make_store: MakeStore) -> None:
    store = await make_store()
    first = await store.put("alice", b"score 0", NOW, Terms(key="score"))
    await store.put("alice", b"plain", NOW)
    await store.put("bob", b"bob's", NOW, Terms(key="score"))
    second = await store.put("alice", b"score 1", NOW, Terms(key="score"))
    assert (first.replaced, second.replaced) == (0, first.id)
    assert await bodies(store) == [b"plain", b"score 1"]
    assert await bodies(store, openid="bob") == [b"bob's"]
    assert (store.stats().superseded, store.stats().messages) == (1, 3)
    await store.delete("alice", [second.id])
    assert (await store.put("alice", b"score 2", NOW, Terms(key="score"))).replaced == 0
    await store.close()


async def test_the_newer_one_needs_room_beside_the_others_alone(make_store: MakeStore) -> None:
    store = await make_store(max_messages=2, max_bytes=10)
    await store.put("alice", b"12345", NOW, Terms(key="score"))
    await store.put("alice", b"67", NOW)
    assert (await store.put("alice", b"123456789", NOW, Terms(key="score"))).error_code == StoreCode.FULL
    assert await bodies(store) == [b"12345", b"67"], "it is there as long as nothing replaces it"
    assert (await store.put("alice", b"12345678", NOW, Terms(key="score"))).stored
    assert (await store.put("alice", b"", NOW)).error_code == StoreCode.FULL
    await store.close()


async def test_a_whole_hand_over_goes_by_its_terms(make_store: MakeStore) -> None:
    store = await make_store()
    terms = [Terms(key="score"), Terms(), Terms(NOW + 5, "score")]
    results = await store.put_all("alice", [b"1", b"2", b"3"], NOW, terms)
    assert [result.replaced for result in results] == [0, 0, results[0].id]
    assert await bodies(store) == [b"2", b"3"]
    assert await bodies(store, NOW + 5) == [b"2"]
    await store.close()


async def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
    old.close()
    store = SqliteStore(path)
    assert await bodies(store) == [b"one"]
    first = await store.put("alice", b"two", NOW, Terms(NOW + 5, "score"))
    await store.close()
    store = SqliteStore(path)
    assert await bodies(store) == [b"one", b"two"]
    assert (await store.put("alice", b"three", NOW, Terms(key="score"))).replaced == first.id
    await store.close()
    with sqlite3.connect(path) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (2,)
    new.close()


async def test_what_was_not_committed_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.put("alice", b"old", NOW, Terms(key="score"))
    tables = store._tables
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", lambda: (_ for _ in ()).throw(OSError("no disk")))
        assert (await store.put("alice", b"new", NOW, Terms(key="score"))).error_code == StoreCode.FAILED
    assert await bodies(store) == [b"old"]
    assert store.stats().superseded == 0
    await store.close()
