"""A store that is slow, hangs or fails: logins and ends do not wait for it, and what is acknowledged stays so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.flow import stored_messages
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore, SqliteStore, Stored
from tests.flow.receipts import online
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from quicgw_fast.store import PutResult, Terms
    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


async def stored(store: MemoryStore) -> int:
    return len(await MemoryStore.load(store, "alice", 1_800_000_000.0))


async def answered(client: Client, seq: int) -> None:
    async with asyncio.timeout(10.0):
        while not client.replies(seq):
            await asyncio.sleep(0.001)


# Slow


@pytest.mark.parametrize("patience", ["the request's", "our own"])
async def test_a_login_does_not_wait_for_a_disk_that_hangs(
    house: House, store: SlowStore, monkeypatch: pytest.MonkeyPatch, patience: str
) -> None:
    await house.push(content="stored")
    store.shut("load")
    client = house.started()
    if patience == "our own":
        monkeypatch.setattr(stored_messages, "LONGEST_READ", 0.02)
    seq = client.call("hello", headers={"timeout-ms": "20"} if patience == "the request's" else None)
    client.call("echo", b"behind")
    await answered(client, seq)
    assert client.reply(seq).type == 3
    await house.settle()
    assert client.texts == ["200 ", "200 behind"]
    assert client.session.state is SessionState.NORMAL
    # What is pushed now is newer than what is stored, and waits behind it.
    assert [(await house.push(content=text)).message for text in ("1", "2")] == ["cached", "cached"]
    client.call("hello")
    client.ack(1)
    await house.settle()
    assert client.texts == ["200 ", "200 behind", "200 "]
    store.open("load")
    await house.settle()
    assert client.texts[3:] == ["stored", "1", "2"]
    assert (await house.push(content="3")).message == "sent"
    client.ack(client.numbers[-1])
    await house.settle()
    assert await stored(store) == 0


async def test_what_waits_behind_a_hung_store_is_bounded_and_survives_the_session(
    house: House, store: SlowStore
) -> None:
    await house.push(content="stored")
    store.shut("load")
    client = house.started()
    seq = client.call("hello", headers={"timeout-ms": "20"})
    await answered(client, seq)
    told = [(await house.push(content=str(number))).error_code for number in range(70)]
    assert told == [""] * 64 + ["CACHE_FULL"] * 6
    client.link.lose()
    await house.pass_time(120.5)
    store.open("load")
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "stored", *map(str, range(64))]


async def test_what_is_stored_and_does_not_fit_yet_comes_before_what_is_pushed_meanwhile(
    make_house: MakeHouse, store: SlowStore
) -> None:
    house = await make_house(store=store, session={"window_messages": 8})
    for number in range(20):
        await house.push(content=str(number))
    client = house.started()
    assert (await house.push(content="cached")).message == "cached"
    client.call("hello")
    await house.settle()
    assert (await house.push(content="pushed")).message == "cached"
    while len(client.numbers) < 23:
        before = len(client.numbers)
        client.ack(client.numbers[-1])
        await house.settle()
        assert len(client.numbers) > before
    assert client.texts == ["200 ", *map(str, range(20)), "cached", "pushed"]
    assert client.ended is None


async def test_what_was_cached_in_a_small_window_is_delivered_as_the_client_acknowledges(
    make_house: MakeHouse,
) -> None:
    house = await make_house(session={"window_messages": 8})
    client = house.started()
    told = [(await house.push(content=str(number))).message for number in range(64)]
    assert told[:8] == ["cached"] * 8
    assert "cached" not in told[8:]
    client.call("hello")
    await house.settle()
    while len(client.numbers) < 9:
        client.ack(client.numbers[-1])
        await house.settle()
    assert client.texts == ["200 ", *map(str, range(8))]
    assert client.ended is None


# Failing


async def test_what_was_acknowledged_never_comes_again_and_the_rest_does(
    make_house: MakeHouse, store: SlowStore
) -> None:
    """The disk is full: nothing can be deleted, but everything can be read."""
    house = await make_house(store=store, session={"window_messages": 8})
    for number in range(20):
        await house.push(content=str(number))
    store.failing.add("delete")
    client = house.started()
    client.call("hello")
    await house.settle()
    while len(client.numbers) < 21:
        before = len(client.numbers)
        client.ack(client.numbers[-1])
        await house.settle()
        assert len(client.numbers) > before, "the client gets what is there, whether or not anything can be deleted"
    assert client.texts == ["200 ", *map(str, range(20))]
    client.ack(21)
    await house.settle()
    assert await stored(store) == 20
    client.stop()
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 "], "in this process nothing comes again"
    store.failing.clear()
    await house.pass_time(61.0)
    assert await stored(store) == 0
    assert house.count("store_failures") > 0


async def test_a_deletion_that_fails_is_tried_again_later_and_later(
    house: House, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    await house.push(content="kept")
    client = house.started()
    client.call("hello")
    await house.settle()
    store.broken = True
    with caplog.at_level(logging.ERROR):
        client.ack(2)
        for _ in range(20):
            await house.pass_time(1.0)
    assert house.count("store_failures") == 5  # at once, and after 1, 2, 4 and 8 seconds
    assert [r.getMessage() for r in caplog.records] == ["offline store failed"]
    store.broken = False
    await house.pass_time(20.0)
    assert await stored(store) == 0
    assert store.stats().deleted == 1


async def test_a_read_that_fails_is_tried_again_without_an_acknowledgement(house: House, store: SlowStore) -> None:
    await house.push(content="stored")
    store.broken = True
    client = house.started()
    client.call("hello")
    await house.settle()
    assert (await house.push(content="pushed")).message == "cached"
    await house.pass_time(1.0)
    assert client.texts == ["200 "]
    store.broken = False
    await house.pass_time(2.0)
    assert client.texts == ["200 ", "stored", "pushed"]


async def test_a_reset_forgets_nothing_that_the_client_said_it_has(house: House, store: SlowStore) -> None:
    for text in ("has", "has not"):
        await house.push(content=text)
    client = house.started()
    client.call("hello")
    await house.settle()
    client.link.lose()
    await house.pass_time(120.5)
    store.broken = True
    again = house.back(client, 2)
    await house.settle()
    assert not again.answer.resumed
    store.broken = False
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "has not"], "although it could not be deleted yet"
    await house.pass_time(10.0)
    assert await stored(store) == 1


async def test_a_stored_message_that_no_client_can_be_sent_is_lost_and_counted(house: House, store: SlowStore) -> None:
    await MemoryStore.put(store, "alice", b"", house.clock.wall)
    store._queues["alice"].messages[1] = Stored(1, b"x" * (1 << 20), house.clock.wall)  # of another release, say
    await house.push(content="next")
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "next"]
    assert house.count("pushes_lost") == 1


async def test_an_openid_that_nobody_can_have_is_not_stored_for(house: House, store: SlowStore) -> None:
    assert (await house.push("é" * 128)).message == "stored"
    assert (await house.push("é" * 128 + "x")).error_code == "TARGET_NOT_FOUND"


# The end


@pytest.mark.parametrize("method", ["load", "delete", "close"])
async def test_a_store_that_hangs_does_not_hold_up_the_end(
    house: House, store: SlowStore, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    await house.push(content="kept")
    client = house.started()
    store.shut(method)
    seq = client.call("hello", headers={"timeout-ms": "20"})
    await answered(client, seq)
    client.ack(client.numbers[-1])
    await house.settle()
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(house.offline.stop(0.05), 5.0)
    assert "did not finish in time" in caplog.text
    store.open(method)


async def test_housekeeping_does_not_wait_for_a_store_that_hangs(house: House, store: SlowStore) -> None:
    store.shut("sweep")
    for _ in range(3):
        await house.pass_time(61.0)
    assert store.sweeps == 1
    store.open("sweep")
    await house.settle()
    await house.pass_time(61.0)
    assert store.sweeps == 2


async def test_what_a_store_whose_file_is_gone_does_not_take_is_counted_as_a_failure(
    make_house: MakeHouse, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    house = await make_house(store=SqliteStore(path))
    client = await online(house)
    path.unlink()
    refused = await house.push("bob", content="1")
    assert (refused.error_code, house.count("store_failures")) == ("STORE_FAILED", 1)
    client.link.lose()
    assert (await house.push(content="2")).message == "retained"
    await house.pass_time(120.5)
    async with asyncio.timeout(10.0):
        while house.count("store_failures") < 3:  # the hand-over, and the sweep of that time
            await asyncio.sleep(0.001)
    assert house.count("pushes_lost") == 1


class StuckStore(MemoryStore):
    """Takes hand-overs when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[asyncio.Future[list[PutResult]], str, Sequence[bytes], float, Sequence[Terms]]] = []

    def put_all(
        self, openid: str, bodies: Sequence[bytes], wall: float, terms: Sequence[Terms] = ()
    ) -> asyncio.Future[list[PutResult]]:
        decided: asyncio.Future[list[PutResult]] = asyncio.get_running_loop().create_future()
        self.asked.append((decided, openid, bodies, wall, terms))
        return decided

    def go_on(self) -> None:
        for decided, *asked in self.asked:
            decided.set_result(super().put_all(*asked).result())


async def test_what_ended_sessions_owed_does_not_pile_up_before_a_disk_that_hangs(make_house: MakeHouse) -> None:
    """As much as the store may hold is on its way at most; what is beyond is lost at once, and counted."""
    house = await make_house(store=(store := StuckStore()), offline={"store": "memory", "max_total_bytes": 100_000})
    for name in ("alice", "bob", "carol"):
        client = await house.online(name)
        client.link.lose()
        for _ in range(2):
            assert (await house.push(name, data=b"x" * 24_000)).message == "retained"
    await house.pass_time(house.config.session.resume_window + 1.0)
    assert [len(bodies) for _, _, bodies, _, _ in store.asked] == [2, 2, 0]
    buffered = house.stats("buffered")
    assert 96_000 < buffered["used"]["handovers"] < buffered["limit"]["handovers"] == 100_000
    store.go_on()
    await house.settle()
    assert house.stats("buffered")["used"]["handovers"] == 0
    assert (house.count("pushes_handed_over"), house.count("pushes_lost")) == (4, 2)
    accounts = house.accounts()["notifies"]
    assert (accounts["stored"], accounts["lost"], accounts["open"]) == (4, 2, 0)
