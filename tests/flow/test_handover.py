"""A session ends, whatever it holds; what the store does not take is counted and told, the rest keeps its order."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import RequestType, ResetReason, SyncHint
from quicgw_fast.config import OfflineConfig
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore, SqliteStore
from tests.flow.endings import away, gap, logged_in, until
from tests.store.test_sqlite import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

LARGEST = 1_048_477
"""Bytes of data of a push that is just small enough for a frame."""
GAPS = ("notifies", "unnumbered", "responses", "unanswered")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1000))
    yield made
    await made.close()


# It ends, whatever it holds


async def test_a_message_that_the_store_cannot_take_keeps_nobody_from_ending(
    make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    roomy = OfflineConfig.model_construct(store="memory", max_bytes=4 << 20)
    house = await make_house(store=MemoryStore(roomy))
    clients = [await away(house, openid, "small") for openid in ("alice", "bob", "carol")]
    client = await away(house, "dave")
    assert (await house.push("dave", data=b"x" * LARGEST, content="")).message == "retained"
    with caplog.at_level(logging.WARNING):
        await house.pass_time(120.5)
    assert all(c.session.state is SessionState.CLOSED for c in [*clients, client])
    assert house.count("housekeeping_failed") == 0
    assert [r.getMessage() for r in caplog.records if r.name == "quicgw.offline"] == ["pushes lost"]
    assert (house.count("pushes_lost"), house.count("pushes_handed_over")) == (1, 3)
    assert (await house.push("dave", content="later")).message == "stored"
    again = house.back(client, 1)
    assert again.answer.reset_reason == ResetReason.EXPIRED
    assert gap(again)["notifies"] == "1"
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "later"]


async def test_nothing_that_can_go_wrong_with_one_session_keeps_the_others_from_being_handed_over_at_the_stop(
    house: House, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for openid in ("alice", "bob", "carol"):
        await away(house, openid, "kept")
    end = house.path.registry.end

    def fails_for_alice(session: object, *details: object) -> int:
        if getattr(session, "openid", "") == "alice":
            raise OSError("surprise")
        return end(session, *details)  # type: ignore[arg-type]

    monkeypatch.setattr(house.path.registry, "end", fails_for_alice)
    with caplog.at_level(logging.ERROR):
        house.path.closing.end_all()
    assert store.stats().messages == 2
    assert "session could not be ended" in caplog.text


async def test_without_memory_for_the_handover_a_session_ends_all_the_same(
    house: House, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = await away(house, "alice", "1", "2")

    def no_memory(session: object) -> list[bytes]:
        raise MemoryError

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(house.offline.handovers, "unsent", no_memory)
        await house.pass_time(121.0)
    assert client.session.state is SessionState.CLOSED
    assert [r.getMessage() for r in caplog.records] == ["no memory to hand over pushes"]
    assert store.stats().messages == 0
    again = house.back(client, 1)
    assert gap(again)["notifies"] == "2", "they are lost, and their client is told"
    assert house.accounts()["notifies"]["lost"] == 2


# What the store does not take is counted, told and logged once


async def test_what_the_store_has_no_room_for_is_counted_and_told(
    house: House, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    client = await away(house, "alice", *map(str, range(300)))
    with caplog.at_level(logging.WARNING):
        await house.pass_time(120.5)
    assert [r.getMessage() for r in caplog.records] == ["pushes lost"]
    assert vars(caplog.records[0])["lost"] == 200
    assert (house.count("pushes_handed_over"), house.count("pushes_lost")) == (100, 200)
    again = house.back(client, 1)
    assert {name: gap(again)[name] for name in GAPS} == {
        "notifies": "200",
        "unnumbered": "0",
        "responses": "0",
        "unanswered": "0",
    }
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", *map(str, range(100))]
    assert gap(house.started()) == {}, "told once"


@pytest.mark.parametrize("after", [121.0, 600.0])
async def test_a_fresh_start_is_told_as_well(house: House, after: float) -> None:
    """Also long after the session itself was forgotten."""
    await away(house, "alice", *map(str, range(101)))
    await house.pass_time(121.0)
    await house.pass_time(after)
    again = house.started()
    assert again.answer.reset_reason == ResetReason.NONE
    assert gap(again) == {"reason": "NONE", "notifies": "1", "unnumbered": "1"}
    assert gap(house.started("bob")) == {}


async def test_a_claim_of_another_history_is_told_what_is_known(house: House) -> None:
    await away(house, "alice", *map(str, range(101)))
    again = house.started("alice", last_acked=7, session_id="f" * 32, epoch="0" * 16)
    assert gap(again) == {"reason": "UNKNOWN_SESSION", "from": "8", "notifies": "1", "unnumbered": "1"}
    third = house.started("alice", last_acked=7, session_id="f" * 32, epoch="0" * 16)
    assert gap(third) == {"reason": "UNKNOWN_SESSION", "from": "8"}


async def test_what_waited_for_a_login_has_no_number_in_the_report(make_house: MakeHouse) -> None:
    house = await make_house(store=MemoryStore(OfflineConfig.model_construct(store="memory", max_messages=2)))
    client = house.started()
    for number in range(5):
        assert (await house.push(content=str(number))).message == "cached"
    client.link.lose()
    await house.pass_time(120.5)
    again = house.back(client, 0)
    assert (gap(again)["notifies"], gap(again)["unnumbered"]) == ("3", "3")


async def test_the_gap_does_not_count_what_the_store_delivers(house: House) -> None:
    client = await away(house, "alice", "first", "second")
    await house.pass_time(120.5)
    again = house.back(client, 1)
    assert again.answer.reset_reason == ResetReason.EXPIRED
    assert {name: gap(again)[name] for name in GAPS} == dict.fromkeys(GAPS, "0")
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "first", "second"]


async def test_what_the_store_has_still_is_not_missed_when_its_session_is_lost(house: House) -> None:
    await house.push(content="stored")
    client = await logged_in(house, number=2)
    client.link.lose()
    await house.pass_time(120.5)
    again = house.back(client, 1)
    assert gap(again)["notifies"] == "0"
    again.seq = 0
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "stored"]


# Only what no connection ever took


async def test_what_an_earlier_connection_took_is_not_delivered_twice(house: House, store: MemoryStore) -> None:
    client = await house.online()
    await house.push(content="seen")
    client.link.lose()
    again = house.connect()
    again.link.pending = 1 << 30  # takes nothing
    again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert again.answer.resumed
    assert not again.numbered
    await house.push(content="unseen")
    again.link.lose()
    await house.pass_time(120.5)
    assert [stored.body.count(b"unseen") > 0 for stored in await store.load("alice", house.clock.wall)] == [True]
    third = house.back(client, 1)
    assert gap(third)["notifies"] == "1"  # the one that nobody can know about


async def test_notifies_of_a_reply_are_not_handed_over_without_it(house: House, store: MemoryStore) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    done, waits = client.call("slow"), client.call("slow")
    await house.settle()
    client.link.lose()
    for client_seq in (done, waits):
        for hint in (SyncHint.BEFORE_RESPONSE, SyncHint.AFTER_RESPONSE):
            assert (await house.push(content="bound", hint=hint, client_seq=client_seq)).message == "bound"
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert (await house.push(content="late", hint=SyncHint.AFTER_RESPONSE, client_seq=done)).success
    assert (await house.push(content="free")).success
    await house.pass_time(30.0)
    await house.pass_time(90.5)
    kept = await store.load("alice", house.clock.wall)
    assert [b"free" in stored.body for stored in kept] == [True]
    again = house.back(client, 1)
    assert (gap(again)["responses"], gap(again)["unanswered"]) == ("1", "1")
    assert int(gap(again)["notifies"]) >= 3


async def test_what_came_from_the_store_is_not_handed_over_once_more(house: House, store: MemoryStore) -> None:
    await house.push(content="stored")
    client = await house.online()
    assert store.stats().messages in (0, 1)
    client.link.lose()
    await house.pass_time(120.5)
    assert store.stats().stored == 1


# Order


async def test_what_is_pushed_meanwhile_and_the_login_come_behind_the_hand_over(
    make_house: MakeHouse, disk: SqliteStore
) -> None:
    house = await make_house(store=disk)
    await away(house, "alice", *map(str, range(60)))
    gate = await Gate.shut(disk)
    await house.pass_time(120.5)
    new = asyncio.create_task(house.push(content="new"))
    await house.settle()
    client = house.connect()
    msg_id = client.send(RequestType.START, b"\x0a\x05alice")
    client.call("hello")
    await house.settle()
    assert not client.link.sent
    gate.opened.set()
    await until(lambda: len(client.numbers) == 62)
    client.started(msg_id)
    assert gap(client) == {}
    assert (await new).message == "stored"
    assert client.texts == ["200 ", *map(str, range(60)), "new"]
