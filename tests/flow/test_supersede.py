"""A newer push with the supersede key of an older one replaces it, as long as that was not sent (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import LostReason, PushCode, SyncHint
from quicgw_fast.store import MemoryStore, SqliteStore
from tests.flow.receipts import ACKNOWLEDGED, lost, online, ready, waiting
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

SUPERSEDED = lost(LostReason.SUPERSEDED)


async def test_what_can_be_sent_is_sent(house: House) -> None:
    client = await house.online()
    for number in range(3):
        assert (await house.push(content=str(number), supersede_key="score")).message == "sent"
    assert (client.texts, client.numbers) == (["0", "1", "2"], [2, 3, 4])
    assert house.count("pushes_superseded") == 0


async def test_a_client_that_is_away_gets_the_newest_of_each_key(house: House) -> None:
    client = await house.online()
    client.link.lose()
    pushes = [await waiting(house, content=f"score {number}", supersede_key="score") for number in range(3)]
    await waiting(house, content="place", supersede_key="place")
    await house.push(content="plain")
    assert [push.waits for push in pushes] == [False, False, True]
    assert [push.told for push in pushes[:2]] == [SUPERSEDED] * 2
    assert house.count("pushes_superseded") == 2
    again = house.back(client, 1)
    assert (again.texts, again.numbers) == (["plain", "score 2", "place"], [2, 3, 4])
    again.ack(4)
    await house.settle()
    assert pushes[2].told == ACKNOWLEDGED
    notifies = house.accounts()["notifies"]
    assert (notifies["accepted"], notifies["delivered"], notifies["lost"], notifies["open"]) == (5, 3, 2, 0)


async def test_a_client_that_does_not_read_gets_the_newest(house: House) -> None:
    client = await house.online()
    client.link.counts_pending = True
    await house.push(content="score 0", supersede_key="score")
    client.link.pending = 1 << 20
    for number in range(1, 4):
        assert (await house.push(content=f"score {number}", supersede_key="score")).message == "waiting"
    assert client.texts == ["score 0"]
    client.link.relieve()
    assert (client.texts, client.numbers) == (["score 0", "score 3"], [2, 3])


async def test_before_the_login_it_waits_among_the_others(house: House) -> None:
    client = house.started()
    await house.push(content="score 0", supersede_key="score")
    await house.push(content="plain")
    await house.push(content="score 1", supersede_key="score")
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "plain", "score 1"]


async def test_what_waits_counts_in_the_memory_of_the_session(house: House) -> None:
    client = await house.online()
    client.link.lose()
    first = await house.push(content="x" * 1000, supersede_key="score")
    assert first.pending_bytes > 1000
    second = await house.push(content="x" * 1000, supersede_key="score")
    assert second.pending_bytes == first.pending_bytes


async def test_what_cannot_take_its_place_leaves_the_older_one(house: House) -> None:
    client = await house.online()
    client.link.lose()
    await house.push(content="small", supersede_key="score")
    refused = await house.push(content="x" * 70_000, supersede_key="score")
    assert refused.error_code == PushCode.CACHE_FULL
    assert house.back(client, 1).texts == ["small"]


async def test_one_that_is_sent_is_replaced_by_nobody(house: House) -> None:
    client = house.started()
    push = await waiting(house, content="score 0", supersede_key="score")
    client.call("hello")
    await house.settle()
    await house.push(content="score 1", supersede_key="score")
    assert client.texts == ["200 ", "score 0", "score 1"]
    client.ack(3)
    await house.settle()
    assert push.told == ACKNOWLEDGED


async def test_what_is_bound_has_no_key(house: House) -> None:
    await house.online()
    refused = await house.push(hint=SyncHint.BEFORE_RESPONSE, client_seq=5, supersede_key="score")
    assert refused.error_code == PushCode.BAD_OPTIONS
    assert (await house.push(supersede_key="x" * 65)).error_code == PushCode.BAD_OPTIONS


@pytest.fixture(params=["memory", "sqlite"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore | SqliteStore:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")


async def test_the_store_keeps_the_newest(make_house: MakeHouse, disk: MemoryStore | SqliteStore) -> None:
    house = await make_house(store=disk)
    old = await waiting(house, content="score 0", supersede_key="score")
    await ready(house, "pushes_stored", 1)
    await house.push(content="plain")
    new = await waiting(house, content="score 1", supersede_key="score")
    await ready(house, "pushes_stored", 3)
    await house.push("bob", content="bob's", supersede_key="score")
    await ready(house, "offline_superseded", 1)
    assert old.told == SUPERSEDED
    client = house.started()
    client.call("hello")
    await ready(house, "logins", 1)
    assert client.texts == ["200 ", "plain", "score 1"]
    client.ack(3)
    await ready(house, "offline_messages", 1)
    await house.settle()
    assert new.told == ACKNOWLEDGED
    notifies = house.accounts()["notifies"]
    assert (notifies["accepted"], notifies["delivered"], notifies["lost"], notifies["stored"]) == (4, 2, 1, 1)


async def test_the_key_goes_into_the_store_with_what_a_session_leaves(
    make_house: MakeHouse, disk: MemoryStore | SqliteStore
) -> None:
    house = await make_house(store=disk)
    client = await online(house)
    client.link.lose()
    old = await waiting(house, content="score 0", supersede_key="score")
    house.path.kicks.kick(openid="alice")
    await ready(house, "offline_messages", 1)
    await house.push(content="score 1", supersede_key="score")
    await house.settle()
    assert old.told == SUPERSEDED
    again = house.started()
    again.call("hello")
    await ready(house, "logins", 2)
    assert again.texts == ["200 ", "score 1"]


async def test_what_waits_in_a_session_replaces_what_is_read_for_it(make_house: MakeHouse) -> None:
    house = await make_house(store=(store := SlowStore()))
    old = await waiting(house, content="score 0", supersede_key="score")
    await house.push(content="stored")
    store.shut("load")
    client = house.started()
    client.call("hello")
    await house.settle()
    await house.push(content="score 1", supersede_key="score")
    store.open("load")
    await house.settle()
    assert client.texts == ["200 ", "stored", "score 1"]
    assert old.told == SUPERSEDED
    client.ack(3)
    await house.settle()
    notifies = house.accounts()["notifies"]
    assert (notifies["accepted"], notifies["delivered"], notifies["lost"]) == (3, 2, 1)
