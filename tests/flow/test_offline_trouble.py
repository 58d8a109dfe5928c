"""The offline store beside other trouble: too many reads, full memory, an overflow, a bug. Nothing stored is lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, SyncHint
from quicgw_fast.flow import stored_messages
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


async def stored(store: MemoryStore, openid: str = "alice") -> int:
    return len(await MemoryStore.load(store, openid, 1_800_000_000.0))


async def test_reads_under_way_are_bounded_and_who_has_to_wait_logs_in_all_the_same(
    house: House, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_messages, "MAX_READS", 1)
    monkeypatch.setattr(stored_messages, "LONGEST_READ", 0.0)
    for openid in ("alice", "bob"):
        assert (await house.push(openid, content=f"for {openid}")).message == "stored"
    store.shut("load")
    clients = [house.started(openid) for openid in ("alice", "bob")]
    for client in clients:
        client.call("hello")
        await house.settle()
        assert client.session.state is SessionState.NORMAL
        assert client.texts == ["200 "]
    # The disk hangs on: bob is tried again, finds no place, and waits for the next try.
    await house.pass_time(2.0)
    store.open("load")
    await house.settle()
    assert [client.texts for client in clients] == [["200 ", "for alice"], ["200 "]]
    await house.pass_time(2.0)
    assert clients[1].texts == ["200 ", "for bob"]


async def test_a_bug_in_a_read_keeps_nobody_out(
    house: House, store: SlowStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await house.push(content="stored")

    async def fails(openid: str, wall: float) -> None:
        raise RuntimeError("surprise")

    client = house.started()
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "quicgw.offline"):
        patch.setattr(store, "load", fails)
        client.call("hello")
        await house.settle()
    assert client.texts == ["200 "]
    assert [r.getMessage() for r in caplog.records] == ["offline store failed"]
    assert caplog.records[0].exc_info is not None, "a bug, unlike a disk error, has a traceback"
    await house.pass_time(2.0)
    assert client.texts == ["200 ", "stored"]


async def test_what_is_stored_stays_stored_when_its_own_session_has_to_make_the_room(
    make_house: MakeHouse, store: SlowStore
) -> None:
    house = await make_house(store=store, session={"memory": 100_000})
    assert (await house.push(data=b"x" * 60_000)).message == "stored"
    client = house.started()
    told = await house.push(data=b"y" * 60_000, hint=SyncHint.BEFORE_RESPONSE, client_seq=9)
    assert told.message == "bound"
    client.call("hello")
    await house.settle()
    assert client.ended is CloseCode.SLOW_CONSUMER
    assert await stored(store) == 1
    again = house.back(client, 1)
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "x" * 60_000]


async def test_a_session_that_overflows_while_its_messages_are_read_gets_none_of_them(
    make_house: MakeHouse, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_messages, "LONGEST_READ", 0.0)
    house = await make_house(store=store, session={"window_messages": 8})
    await house.push(content="stored")
    store.shut("load")
    client = house.started()
    client.call("hello")
    await house.settle()
    while client.ended is None:  # refused, with numbers
        client.call("echo", seq=999)
    assert client.session.outbox.overflowed
    store.open("load")
    await house.settle()
    assert "stored" not in client.texts
    assert await stored(store) == 1


async def test_what_is_acknowledged_while_a_deletion_is_under_way_is_deleted_behind_it(
    house: House, store: SlowStore
) -> None:
    for text in ("1", "2", "3"):
        await house.push(content=text)
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "1", "2", "3"]
    store.shut("delete")
    client.ack(2)
    await house.settle()
    client.ack(3)
    client.ack(4)
    await house.settle()
    assert await stored(store) == 3
    store.open("delete")
    await house.settle()
    assert await stored(store) == 0
    assert house.accounts()["notifies"]["stored"] == 0
