"""What is so of the store in a directory alone: several have it, and it can be away, full, or without its data."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.offline_store import PAINTED
from quicgw_fast.codes import StoreCode
from quicgw_fast.store import StoreFailed, Terms
from tests.store.conftest import NOW
from tests.store.opening import SERVERS, open_shared
from tests.support.directory_server import DirectoryServer, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from quicgw_fast.cluster.offline_store import DirectoryStore

NAME = "town"
KEYS = Keys(NAME)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[DirectoryServer]:
    server = DirectoryServer(request.param)
    server.start()
    yield server
    server.close()


@pytest.fixture
async def pair(server: DirectoryServer) -> AsyncIterator[tuple[DirectoryStore, DirectoryStore]]:
    """The store as two nodes have it."""
    server.flush()
    async with contextlib.AsyncExitStack() as stack:
        stores = [await open_shared(server.url, NAME, node) for node in ("here", "there")]
        for store in stores:
            stack.push_async_callback(store.close)
        yield stores[0], stores[1]


async def bodies(store: DirectoryStore, openid: str = "alice", wall: float = NOW) -> list[bytes]:
    return [message.body for message in await store.load(openid, wall)]


async def test_what_one_node_puts_another_one_has(pair: tuple[DirectoryStore, DirectoryStore]) -> None:
    here, there = pair
    first = await here.put("alice", b"1", NOW, Terms(key="k"))
    await there.put("alice", b"2", NOW)
    newer = await there.put("alice", b"3", NOW, Terms(key="k"))
    assert newer.replaced == first.id
    assert await bodies(here) == await bodies(there) == [b"2", b"3"]
    assert await here.delete("alice", [newer.id]) == 1
    assert await bodies(there) == [b"2"]
    assert (here.stats().stored, there.stats().stored, there.stats().messages) == (1, 2, 1)


async def test_sums_go_to_nothing_with_what_waits(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    here, there = pair
    await asyncio.gather(*(here.put(f"u{n}", b"x", NOW) for n in range(50)))
    assert await there.sweep(NOW + 86_400) == 50
    assert await here.sweep(NOW + 86_400) == 0
    assert (here.stats().messages, here.stats().bytes) == (0, 0)
    left = server.command("KEYS", "*")
    assert b":off:" not in left
    assert KEYS.offline_ends.encode() not in left


async def test_sums_that_are_wrong_are_put_right_by_sweeps_beside_all_other_work(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    """Keys went without a step of the store: by hand here, by their time or by eviction otherwise."""
    here, there = pair
    ids = [(await here.put(f"u{n}", b"x", NOW)).id for n in range(20)]
    for gone in range(5):
        server.command("DEL", f"{KEYS.waiting}u{gone}")
    server.command("HINCRBY", KEYS.offline, "b0", "100000")
    await here.sweep(NOW)
    assert here.stats().messages == 20
    right = 0
    for n in range(5, 20):
        await there.sweep(NOW)
        await there.delete(f"u{n}", [ids[n]])
        right += len("new") + len(f"v{n}") + 128
        await there.put(f"v{n}", b"new", NOW)
    assert PAINTED >= 20  # so each sweep paints all
    await here.sweep(NOW)
    assert (here.stats().messages, here.stats().bytes) == (15, right)


async def test_ids_do_not_begin_anew_when_the_data_is_lost(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    before = (await pair[0].put("alice", b"1", NOW)).id
    server.flush()
    assert await bodies(pair[0]) == []
    assert (await pair[0].put("alice", b"2", NOW)).id > before


async def test_the_server_forgets_what_no_gateway_removes(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    await pair[0].put("alice", b"1", NOW)
    left = int(server.command("PTTL", f"{KEYS.waiting}alice")[1:])
    assert 86_400_000 < left <= 86_400_000 + 3_600_000


async def test_the_node_at_which_an_openid_is_by_now_is_told(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    told: list[tuple[str, str]] = []
    store = await open_shared(server.url, NAME, "here", lambda *one: told.append(one))
    for number, node in enumerate(("here", "there", "dead")):
        server.command("HSET", f"{KEYS.at}alice", str(number), f'"{node} s e"')
    for node in ("here", "there"):
        server.command("SET", f"{KEYS.lease}{node}", "1")
    await store.put("bob", b"1", NOW)
    assert told == []
    await store.put_all("alice", [b"1", b"2"], NOW)
    assert told == [("there", "alice")]
    await store.close()


async def test_a_directory_that_is_away_refuses_and_gives_back_what_it_has(server: DirectoryServer) -> None:
    server.flush()
    store = await open_shared(server.url, NAME, within=0.3)
    await store.put("alice", b"1", NOW)
    server.pause()
    try:
        waiting = store.put_all("alice", [b"2"], NOW), asyncio.ensure_future(store.put("alice", b"3", NOW))
        with pytest.raises(StoreFailed, match="cannot be asked"):
            await store.load("alice", NOW)
        refused = [*await waiting[0], await waiting[1], await store.put("alice", b"4", NOW)]
        assert [result.error_code for result in refused] == [StoreCode.FAILED] * 3
        for step in (store.delete("alice", [1]), store.sweep(NOW)):
            with pytest.raises(StoreFailed):
                await step
        assert (store.stats().refused, store.stats().stored) == (3, 1)
    finally:
        server.go_on()
    await until(lambda: store._link.up)
    found = await bodies(store)
    assert found[0] == b"1"
    assert set(found[1:]) <= {b"2", b"3"}, "what nobody answered for may have been taken"
    server.kill()
    server.start()
    with pytest.raises(StoreFailed):  # an idle connection finds out when it is used
        await bodies(store)
    await until(lambda: store._link.up)
    assert await bodies(store) == found
    await store.close()


async def test_a_directory_without_memory_refuses_and_gives_out(
    pair: tuple[DirectoryStore, DirectoryStore], server: DirectoryServer
) -> None:
    here, _ = pair
    await here.put("alice", b"old", NOW - 86_399)
    await here.put("alice", b"1", NOW)
    server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        refused = await here.put("alice", b"2", NOW)
        assert refused.error_code == StoreCode.FAILED
        assert "the directory refuses to write" in refused.message
        assert await bodies(here, wall=NOW + 1) == [b"1"]
        with pytest.raises(StoreFailed, match="refuses to write"):
            await here.delete("alice", [1])
    finally:
        server.command("CONFIG", "SET", "maxmemory", "0")
    assert here._link.up, "the connection is as good as before"
    assert await bodies(here, wall=NOW + 1) == [b"1"]
    assert here.stats().expired == 1


async def test_what_waits_for_the_directory_is_bounded(server: DirectoryServer) -> None:
    server.flush()
    store = await open_shared(server.url, NAME, max_backlog=500)
    results = await asyncio.gather(*(store.put("alice", b"x" * 100, NOW) for _ in range(4)))
    assert [result.error_code for result in results] == [None, None, StoreCode.BUSY, StoreCode.BUSY]
    assert (await store.put("alice", b"", NOW)).stored
    await store.close()
