"""What a store promises; every test runs on each kind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import pytest

from quicgw_fast.codes import StoreCode
from quicgw_fast.store import OfflineStore, Stored, StoreFailed, StoreStats
from quicgw_fast.store.base import RECORD_COST
from tests.store.conftest import NOW
from tests.store.opening import KINDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.store.opening import Stores

DAY = 24 * 3600.0


class Opener(Protocol):
    async def __call__(self, **bounds: float) -> OfflineStore: ...


@pytest.fixture(params=KINDS)
async def opened(request: pytest.FixtureRequest, stores: Stores, tmp_path: Path) -> AsyncIterator[Opener]:
    """Give a function that opens a store of this kind with some bounds."""
    made: list[OfflineStore] = []

    async def opener(**bounds: float) -> OfflineStore:
        made.append(await stores.open(request.param, tmp_path, **bounds))
        return made[-1]

    yield opener
    for store in made:
        await store.close()


async def put(store: OfflineStore, openid: str, *bodies: bytes, wall: float = NOW) -> list[int]:
    results = [await store.put(openid, body, wall) for body in bodies]
    assert all(result.stored and not result.error_code for result in results), results
    return [result.id for result in results]


async def refused(store: OfflineStore, openid: str, body: bytes, wall: float = NOW) -> str:
    before = store.stats()
    result = await store.put(openid, body, wall)
    assert not result.stored
    assert result.id == 0
    assert result.message
    after = store.stats()
    assert (after.refused, after.stored) == (before.refused + 1, before.stored)
    return result.error_code


async def bodies(store: OfflineStore, openid: str, wall: float = NOW) -> list[bytes]:
    return [stored.body for stored in await store.load(openid, wall)]


async def test_messages_come_back_in_the_order_of_arrival_each_to_its_own(opened: Opener) -> None:
    store = await opened()
    await put(store, "alice", b"1")
    await put(store, "bob", b"x")
    await put(store, "alice", b"2", b"", b"\0\xff")
    assert await bodies(store, "alice") == [b"1", b"2", b"", b"\0\xff"]
    assert await bodies(store, "bob") == [b"x"]
    assert await bodies(store, "carol") == []


async def test_what_is_loaded_says_when_it_came_and_stays(opened: Opener) -> None:
    store = await opened()
    (first,) = await put(store, "alice", b"1", wall=NOW - 5)
    (second,) = await put(store, "alice", b"2", wall=NOW)
    expected = [Stored(first, b"1", NOW - 5), Stored(second, b"2", NOW)]
    assert await store.load("alice", NOW) == expected
    assert await store.load("alice", NOW) == expected


async def test_order_is_that_of_arrival_also_when_the_wall_clock_is_set_back(opened: Opener) -> None:
    store = await opened()
    for wall in (NOW, NOW - 3600, NOW + 3600):
        await put(store, "alice", str(wall).encode(), wall=wall)
    assert await bodies(store, "alice") == [str(wall).encode() for wall in (NOW, NOW - 3600, NOW + 3600)]


async def test_ids_grow_and_are_never_used_again(opened: Opener) -> None:
    store = await opened()
    seen: list[int] = []
    for _ in range(3):
        ids = await put(store, "alice", b"1", b"2") + await put(store, "bob", b"3")
        await store.delete("alice", ids)
        await store.delete("bob", ids)
        seen += ids
    assert seen == sorted(set(seen))
    assert seen[0] > 0


async def test_delete_takes_only_what_is_named_and_owned(opened: Opener) -> None:
    store = await opened()
    mine = await put(store, "alice", b"1", b"2", b"3")
    theirs = await put(store, "bob", b"x")
    assert await store.delete("alice", [mine[1], *theirs, 0, -1, 10**9, 1 << 63, 1 << 70]) == 1
    assert await bodies(store, "alice") == [b"1", b"3"]
    assert await bodies(store, "bob") == [b"x"]
    assert await store.delete("alice", mine) == 2
    assert await store.delete("alice", mine) == 0
    assert await store.delete("alice", []) == 0
    assert await store.delete("nobody", iter([1])) == 0
    assert store.stats().deleted == 3


async def test_an_id_named_twice_counts_once(opened: Opener) -> None:
    store = await opened()
    (number,) = await put(store, "alice", b"1")
    assert await store.delete("alice", [number, number]) == 1
    assert store.stats().messages == 0


# Bounds: what does not fit is refused, and what was accepted stays.


async def test_messages_of_an_openid_are_bounded(opened: Opener) -> None:
    store = await opened(max_messages=3)
    ids = await put(store, "alice", b"1", b"2", b"3")
    assert await refused(store, "alice", b"4") == StoreCode.FULL
    await put(store, "bob", b"1")
    assert await bodies(store, "alice") == [b"1", b"2", b"3"]
    await store.delete("alice", ids[:1])
    await put(store, "alice", b"5")
    assert await bodies(store, "alice") == [b"2", b"3", b"5"]


async def test_bytes_of_an_openid_are_bounded(opened: Opener) -> None:
    store = await opened(max_bytes=100)
    ids = await put(store, "alice", b"a" * 60, b"b" * 40)
    assert await refused(store, "alice", b"c") == StoreCode.FULL
    await put(store, "alice", b"")
    await put(store, "bob", b"x" * 100)
    await store.delete("alice", ids[1:])
    assert await refused(store, "alice", b"d" * 41) == StoreCode.FULL
    await put(store, "alice", b"d" * 40)


async def test_all_bytes_together_are_bounded_by_what_keeping_them_costs(opened: Opener) -> None:
    price = RECORD_COST + len("u1") + 10
    store = await opened(max_total_bytes=3 * price)
    first = await put(store, "u1", b"x" * 10)
    await put(store, "u2", b"x" * 10)
    await put(store, "u3", b"x" * 9)
    assert await refused(store, "u4", b"") == StoreCode.FULL
    assert await refused(store, "u1", b"") == StoreCode.FULL
    await store.delete("u1", first)
    await put(store, "u4", b"x" * 11)
    assert store.stats().bytes == 3 * price


async def test_a_message_that_never_fits_is_told_so(opened: Opener) -> None:
    assert await refused(await opened(max_bytes=10), "alice", b"x" * 11) == StoreCode.TOO_LARGE
    assert await refused(await opened(max_total_bytes=RECORD_COST + 10), "alice", b"x" * 6) == StoreCode.TOO_LARGE
    assert await refused(await opened(max_total_bytes=RECORD_COST + 10), "a" * 11, b"") == StoreCode.TOO_LARGE


async def test_the_defaults_are_a_hundred_messages_and_256_kib(opened: Opener) -> None:
    store = await opened()
    await put(store, "alice", *[b"x"] * 100)
    assert await refused(store, "alice", b"x") == StoreCode.FULL
    await put(store, "bob", b"x" * (256 << 10))
    assert await refused(store, "bob", b"x") == StoreCode.FULL


# Age


async def test_messages_over_their_age_are_not_delivered_but_counted(opened: Opener) -> None:
    store = await opened()
    await put(store, "alice", b"old", wall=NOW)
    await put(store, "alice", b"new", wall=NOW + 10)
    assert await bodies(store, "alice", NOW + DAY - 0.1) == [b"old", b"new"]
    assert store.stats().expired == 0
    assert await bodies(store, "alice", NOW + DAY) == [b"new"]
    assert await bodies(store, "alice", NOW) == [b"new"]
    assert store.stats() == StoreStats(1, RECORD_COST + len("alice") + 3, stored=2, expired=1)


async def test_messages_over_their_age_take_no_room_of_their_openid(opened: Opener) -> None:
    store = await opened(max_messages=1)
    await put(store, "alice", b"old")
    assert await refused(store, "alice", b"new", NOW + DAY - 0.1) == StoreCode.FULL
    await put(store, "alice", b"new", wall=NOW + DAY)
    assert await bodies(store, "alice", NOW + DAY) == [b"new"]


async def test_messages_over_their_age_take_no_room_of_others(opened: Opener) -> None:
    store = await opened(max_total_bytes=2 * (RECORD_COST + 2))
    await put(store, "u1", b"")
    await put(store, "u2", b"", wall=NOW + 10)
    assert await refused(store, "u3", b"", NOW + DAY - 0.1) == StoreCode.FULL
    await put(store, "u3", b"", wall=NOW + DAY)
    assert store.stats().expired == 1


async def test_sweep_removes_what_is_over_its_age_of_everybody(opened: Opener) -> None:
    store = await opened(max_messages=2000, max_age=60.0)
    await put(store, "alice", *[b"a"] * 1200)
    await put(store, "bob", b"b", wall=NOW)
    await put(store, "bob", b"c", wall=NOW + 1)
    assert await store.sweep(NOW + 59.9) == 0
    assert await store.sweep(NOW + 60) == 1201
    assert await store.sweep(NOW + 60) == 0
    assert await bodies(store, "bob", NOW + 60) == [b"c"]
    assert store.stats() == StoreStats(1, RECORD_COST + len("bob") + 1, stored=1202, expired=1201)


# Names, many at once, the end


@pytest.mark.parametrize("openid", ["", "阿莉丝", "a\0b", "a' OR '1'='1", "%", "🦊" * 50])
async def test_any_openid_is_only_a_name(opened: Opener, openid: str) -> None:
    store = await opened()
    await put(store, openid, b"1")
    await put(store, "a", b"2")
    assert await bodies(store, openid) == [b"1"]
    assert await bodies(store, "a") == [b"2"]


async def test_puts_at_once_keep_their_order(opened: Opener) -> None:
    store = await opened(max_messages=500)
    results = await asyncio.gather(*(store.put("alice", str(n).encode(), NOW) for n in range(500)))
    assert [result.id for result in results] == sorted(result.id for result in results)
    assert await bodies(store, "alice") == [str(n).encode() for n in range(500)]


async def test_bounds_hold_for_puts_at_once(opened: Opener) -> None:
    store = await opened(max_messages=10)
    results = await asyncio.gather(*(store.put("alice", b"x", NOW) for _ in range(100)))
    assert [result.error_code for result in results] == [None] * 10 + [StoreCode.FULL] * 90
    assert store.stats() == StoreStats(10, 10 * (RECORD_COST + 6), stored=10, refused=90)


async def test_a_body_may_be_changed_after_it_was_given(opened: Opener) -> None:
    store, body = await opened(), bytearray(b"before")
    waiting = asyncio.ensure_future(store.put("alice", body, NOW))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    body[:] = b"after!"
    await waiting
    assert await bodies(store, "alice") == [b"before"]


async def test_after_the_end_nothing_is_stored_and_nobody_is_told_otherwise(opened: Opener) -> None:
    store = await opened()
    await put(store, "alice", b"1")
    await store.close()
    await store.close()
    assert await refused(store, "alice", b"2") == StoreCode.CLOSED
    for step in (store.load("alice", NOW), store.delete("alice", [1]), store.sweep(NOW)):
        with pytest.raises(StoreFailed, match="closed"):
            await step
