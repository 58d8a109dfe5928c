"""Pushes to an openid that is away: stored, delivered in order at login, deleted when acknowledged, never lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ResetReason, SyncHint
from quicgw_fast.config import OfflineConfig
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.store import Stored
    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


async def stored(store: MemoryStore, openid: str = "alice") -> int:
    return len(await MemoryStore.load(store, openid, 1_800_000_000.0))


async def test_without_a_store_nobody_is_told_that_something_was_kept(make_house: MakeHouse) -> None:
    house = await make_house()
    assert (await house.push()).error_code == "TARGET_NOT_FOUND"


async def test_a_push_to_who_is_away_is_stored_and_delivered_at_login(house: House, store: SlowStore) -> None:
    for number in range(3):
        told = await house.push(content=str(number))
        assert (told.success, told.message) == (True, "stored")
    client = house.started()
    await house.settle()
    assert not client.numbered
    client.call("hello")
    client.call("echo", b"behind")
    await house.settle()
    assert client.texts == ["200 ", "0", "1", "2", "200 behind"]
    assert client.numbers == [1, 2, 3, 4, 5]
    assert len({push.headers["offline-id"] for push in client.numbered[1:4]}) == 3
    assert house.count("pushes_stored") == 3
    assert await stored(store) == 3  # until they are acknowledged
    client.ack(3)
    await house.settle()
    assert await stored(store) == 1
    client.ack(4)
    await house.settle()
    assert await stored(store) == 0


async def test_what_was_stored_comes_before_what_was_cached(house: House) -> None:
    await house.push(content="stored")
    client = house.started()
    await house.push(content="cached")
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "stored", "cached"]


async def test_a_login_that_fails_delivers_nothing(house: House, store: SlowStore) -> None:
    await house.push(content="kept")
    house.upstream.answers["hello"] = UpstreamResponse(code=403)
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.texts == ["403 "]
    assert await stored(store) == 1


async def test_only_what_is_for_an_openid_and_for_no_request_is_stored(house: House, store: SlowStore) -> None:
    for options in (
        {"kind": "session"},
        {"kind": "gid"},
        {"hint": SyncHint.BEFORE_RESPONSE, "client_seq": 1},
        {"hint": SyncHint.AFTER_RESPONSE, "client_seq": 1},
        {"target": ""},
    ):
        told = await house.push(**options)  # type: ignore[arg-type]
        assert (told.success, told.error_code) == (False, "TARGET_NOT_FOUND")
    assert await stored(store) == 0


async def test_a_session_that_is_only_detached_is_not_away(house: House, store: SlowStore) -> None:
    client = await house.online()
    client.link.lose()
    assert (await house.push()).message == "retained"
    assert await stored(store) == 0


async def test_a_session_that_cannot_be_resumed_any_more_is_away(house: House, store: SlowStore) -> None:
    """Also before the next round of housekeeping: what it retained now would be lost."""
    client = await house.online()
    client.link.lose()
    house.clock.advance(120.5)
    assert (await house.push(content="kept")).message == "stored"
    assert client.session.state is SessionState.CLOSED
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "kept"]


async def test_a_store_that_is_full_says_so(make_house: MakeHouse) -> None:
    house = await make_house(store=MemoryStore(OfflineConfig.model_construct(store="memory", max_messages=2)))
    assert [(await house.push()).error_code for _ in range(3)] == ["", "", "STORE_FULL"]
    told = await house.push()
    assert not told.success
    assert told.message


async def test_another_ones_messages_stay_where_they_are(house: House, store: SlowStore) -> None:
    await house.push("bob", content="for bob")
    client = await house.online("alice")
    assert client.texts == []
    assert await stored(store, "bob") == 1


# Redelivery


async def test_what_was_not_acknowledged_is_delivered_again_in_the_next_session(house: House, store: SlowStore) -> None:
    for number in range(3):
        await house.push(content=str(number))
    client = house.started()
    client.call("hello")
    await house.settle()
    client.ack(2)
    await house.settle()
    offline_ids = [push.headers["offline-id"] for push in client.numbered[2:]]
    client.stop()
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "1", "2"]
    assert [push.headers["offline-id"] for push in again.numbered[1:]] == offline_ids


async def test_a_resume_brings_it_again_under_its_old_number_and_not_twice(house: House, store: SlowStore) -> None:
    await house.push(content="kept")
    client = house.started()
    client.call("hello")
    await house.settle()
    client.link.lose()
    again = house.back(client, 1)
    again.seq = client.seq
    assert (again.texts, again.numbers) == (["kept"], [2])
    again.call("hello")
    await house.settle()
    assert again.texts == ["kept", "200 "]
    third = house.back(again, 2)
    await house.settle()
    assert third.texts == ["200 "]
    assert await stored(store) == 0


@pytest.mark.parametrize("lost", ["expired", "overflow"])
async def test_what_a_client_has_of_a_lost_session_is_not_delivered_again(
    make_house: MakeHouse, store: SlowStore, lost: str
) -> None:
    house = await make_house(store=store, session={"window_messages": 5})
    for number in range(4):
        await house.push(content=str(number))
    client = house.started()
    client.call("hello")
    await house.settle()
    if lost == "overflow":
        await house.broadcast()
    else:
        client.link.lose()
        await house.pass_time(121.0)
    again = house.back(client, 3)
    assert again.answer.reset_reason == (ResetReason.OVERFLOW if lost == "overflow" else ResetReason.EXPIRED)
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "2", "3"]


async def test_a_restart_with_the_store_delivers_what_nobody_acknowledged(
    make_house: MakeHouse, store: SlowStore
) -> None:
    before = await make_house(store=store)
    await before.push(content="kept")
    client = before.started()
    client.call("hello")
    await before.settle()
    assert client.texts == ["200 ", "kept"]
    after = await make_house(store=store)
    again = after.started("alice", last_acked=1, session_id=client.answer.connection_id, epoch=client.answer.epoch)
    again.call("hello")
    await after.settle()
    assert (again.texts, again.numbers) == (["200 ", "kept"], [2, 3])


# Meanwhile


async def test_a_push_that_was_being_stored_while_its_openid_came_online(house: House, store: SlowStore) -> None:
    store.shut("put")
    pushing = asyncio.create_task(house.push(content="between"))
    await house.settle()
    client = await house.online()
    store.open("put")
    assert (await pushing).message == "stored"
    await house.settle()
    assert client.texts == ["between"]


async def test_a_push_that_was_stored_between_start_and_login(house: House, store: SlowStore) -> None:
    store.shut("put")
    pushing = asyncio.create_task(house.push(content="between"))
    await house.settle()
    client = house.started()
    store.open("put")
    await pushing
    assert not client.numbered
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "between"]


async def test_a_push_that_is_stored_while_the_login_reads(house: House, store: SlowStore) -> None:
    await house.push(content="0")
    store.shut("put")
    pushing = asyncio.create_task(house.push(content="1"))
    await house.settle()
    store.shut("load")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.open("put")
    await pushing
    await house.push(content="cached")
    store.open("load")
    await house.settle()
    assert client.texts == ["200 ", "0", "1", "cached"]


async def test_a_push_that_is_stored_between_the_reading_of_a_login_and_its_end(
    house: House, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can read for the session then, which is not logged in yet: it must not wait for an acknowledgement."""
    store.shut("put")
    pushing = asyncio.create_task(house.push(content="late"))
    await house.settle()
    client = house.started()
    load = store.load

    async def load_and_let_the_push_end(openid: str, wall: float) -> list[Stored]:
        found = await load(openid, wall)
        if "put" in store.gates:
            store.open("put")
        return found

    monkeypatch.setattr(store, "load", load_and_let_the_push_end)
    client.call("hello")
    await house.settle()
    assert (await pushing).message == "stored"
    assert client.texts == ["200 ", "late"]


async def test_nothing_is_delivered_twice_while_its_deletion_is_under_way(house: House, store: SlowStore) -> None:
    await house.push(content="once")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.shut("delete")
    client.ack(2)
    client.call("hello")
    await house.settle()
    store.open("delete")
    await house.settle()
    assert client.texts == ["200 ", "once", "200 "]
    assert await stored(store) == 0


async def test_more_than_a_window_is_delivered_as_the_client_acknowledges(make_house: MakeHouse) -> None:
    store = SlowStore()
    house = await make_house(store=store, session={"window_messages": 4})
    for number in range(20):
        await house.push(content=str(number))
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.numbers == [1, 2, 3, 4]
    while len(client.numbers) < 21:
        before = len(client.numbers)
        client.ack(client.numbers[-1])
        await house.settle()
        assert len(client.numbers) > before
    assert client.texts == ["200 ", *map(str, range(20))]
    assert client.ended is None
    client.ack(21)
    await house.settle()
    assert await stored(store) == 0


async def test_a_message_that_does_not_fit_waits_without_work(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window has room by its fill, but not for this one: nobody may try again and again until the next ACK."""
    store = SlowStore()
    house = await make_house(store=store, session={"window_bytes": 10_000})
    await house.push(content="small")
    await house.push(content="large", data=b"x" * 9_990)
    loads = 0
    load = store.load

    async def counted(openid: str, wall: float) -> list[Stored]:
        nonlocal loads
        loads += 1
        return await load(openid, wall)

    monkeypatch.setattr(store, "load", counted)
    client = house.started()
    client.call("hello")
    for _ in range(20):
        await house.settle()
    assert client.texts == ["200 ", "small"]
    assert loads == 1
    client.ack(2)
    await house.settle()
    assert len(client.numbered) == 3


# A store that breaks


async def test_a_store_that_cannot_be_read_does_not_keep_anybody_out(
    house: House, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    await house.push(content="kept")
    store.broken = True
    client = house.started()
    with caplog.at_level(logging.ERROR):
        client.call("hello")
        client.call("echo")
        await house.settle()
    assert client.texts == ["200 ", "200 "]
    assert client.session.state is SessionState.NORMAL
    assert "could not be read" in caplog.text
    store.broken = False
    client.ack(2)
    await house.settle()
    assert client.texts == ["200 ", "200 ", "kept"]


async def test_a_deletion_that_fails_is_logged_and_stops_nothing(
    house: House, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    await house.push(content="kept")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.broken = True
    with caplog.at_level(logging.ERROR):
        client.ack(2)
        await house.settle()
    assert "offline store failed" in caplog.text
    await house.push(content="next")
    assert client.texts == ["200 ", "kept", "next"]


async def test_a_stop_finishes_what_was_begun_and_closes_the_store(house: House, store: SlowStore) -> None:
    await house.push(content="kept")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.shut("delete")
    client.ack(2)
    stopping = asyncio.create_task(house.offline.stop())
    await house.settle()
    assert not store.closed_at_last
    store.open("delete")
    await stopping
    assert store.closed_at_last
    assert store.stats().deleted == 1


async def test_a_stop_closes_the_store_even_if_what_was_begun_fails(house: House, store: SlowStore) -> None:
    await house.push(content="kept")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.broken = True
    client.ack(2)
    await house.offline.stop()
    assert store.closed_at_last


@pytest.mark.parametrize("years", [-10, 10])
async def test_what_waits_does_not_age_when_the_systems_clock_is_moved(house: House, years: int) -> None:
    assert (await house.push(content="before")).message == "stored"
    house.clock.wall += years * 365 * 86_400.0
    house.clock.advance(3600.0)
    house.housekeeping.round(house.clock.now, house.clock.wall)
    await house.settle()
    assert (await house.push(content="behind")).message == "stored"
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "before", "behind"]
