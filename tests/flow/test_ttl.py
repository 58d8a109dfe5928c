"""A push with a ttl is dropped where it was not sent in time; what has its number is in the order, and stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import LostReason, PushCode, SyncHint
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.store import MemoryStore, SqliteStore
from tests.flow.receipts import ACKNOWLEDGED, lost, online, ready, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

TTL = lost(LostReason.TTL)


async def test_what_can_be_sent_is_sent_at_once_and_stays(house: House) -> None:
    client = await house.online()
    push = await waiting(house, ttl_ms=1000)
    assert client.numbers == [2]
    client.link.lose()
    await house.pass_time(10.0)
    again = house.back(client, 1)
    assert again.numbers == [2], "its number is in the order"
    again.ack(2)
    await house.settle()
    assert push.told == ACKNOWLEDGED
    assert house.count("pushes_expired") == 0


async def test_it_is_dropped_before_the_login(house: House) -> None:
    client = house.started()
    push = await waiting(house, ttl_ms=1000)
    await house.push(content="stays")
    house.clock.advance(1.0)  # without any housekeeping
    await house.settle()
    assert push.told == TTL
    client.call("hello")
    await house.settle()
    assert client.texts == ["200 ", "stays"]
    assert house.count("pushes_expired") == 1
    notifies = house.accounts()["notifies"]
    assert (notifies["accepted"], notifies["lost"], notifies["open"]) == (2, 1, 1)


async def test_it_is_dropped_before_its_reply(house: House) -> None:
    house.upstream.held.add("slow")
    client = await house.online()
    seq = client.call("slow")
    await house.settle()
    push = await waiting(house, hint=SyncHint.BEFORE_RESPONSE, client_seq=seq, ttl_ms=1000)
    await house.push(content="stays", hint=SyncHint.AFTER_RESPONSE, client_seq=seq)
    house.clock.advance(1.0)
    await house.settle()
    assert push.told == TTL
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert client.texts == ["200 ", "stays"]


async def test_for_a_client_that_is_away_it_waits_without_a_number(house: House) -> None:
    client = await house.online()
    client.link.lose()
    short, long = await waiting(house, ttl_ms=1000), await waiting(house, content="long", ttl_ms=20_000)
    assert (await house.push(content="plain")).message == "retained"
    assert house.accounts()["notifies"]["open"] == 3
    await house.pass_time(10.0)
    assert short.told == TTL
    again = house.back(client, 1)
    await house.settle()
    assert (again.texts, again.numbers) == (["plain", "long"], [2, 3])
    again.ack(3)
    await house.settle()
    assert (long.told, long.answer.message, long.answer.seq_id) == (ACKNOWLEDGED, "waiting", 3)


async def test_for_a_client_that_does_not_read_it_waits_without_a_number(house: House) -> None:
    client = await house.online()
    client.link.counts_pending = True
    client.link.pending = 1 << 20
    push = await waiting(house, content="old", ttl_ms=1000)
    later = await waiting(house, content="young", ttl_ms=5000)
    await house.pass_time(2.0)
    client.link.relieve()
    assert (push.told, client.texts) == (TTL, ["young"])
    assert later.waits


async def test_behind_a_full_window_it_waits_for_room(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 4})
    client = await house.online()
    for _ in range(4):
        await house.push()
    assert (await house.push()).error_code == PushCode.WINDOW_FULL
    assert (await house.push(content="patient", ttl_ms=5000)).message == "waiting"
    client.ack(3)
    assert client.texts[-1] == "patient"
    assert client.numbers == [2, 3, 4, 5, 6]


async def test_more_of_them_do_not_wait_than_may(house: House) -> None:
    client = await house.online()
    client.link.lose()
    for _ in range(64):
        assert (await house.push(ttl_ms=5000)).success
    assert (await house.push(ttl_ms=5000)).error_code == PushCode.CACHE_FULL
    await house.pass_time(5.0)
    assert (await house.push(ttl_ms=5000)).success
    assert house.count("pushes_expired") == 64


@pytest.fixture(params=["memory", "sqlite"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore | SqliteStore:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")


async def test_it_is_dropped_in_the_store(make_house: MakeHouse, disk: MemoryStore | SqliteStore) -> None:
    house = await make_house(store=disk)
    push = await waiting(house, ttl_ms=1000)
    await ready(house, "pushes_stored", 1)
    assert (await house.push(content="stays", ttl_ms=50_000)).message == "stored"
    await house.pass_time(1.0)
    assert push.told == TTL
    client = house.started()
    house.upstream.answers["hello"] = UpstreamResponse(code=200)
    client.call("hello")
    await ready(house, "logins", 1)
    assert client.texts == ["200 ", "stays"]
    await ready(house, "offline_expired", 1)
    client.ack(2)
    await ready(house, "offline_messages", 0)
    notifies = house.accounts()["notifies"]
    assert (notifies["accepted"], notifies["delivered"], notifies["lost"]) == (2, 1, 1)


async def test_what_waits_for_room_takes_its_time_into_the_store(
    make_house: MakeHouse, disk: MemoryStore | SqliteStore
) -> None:
    house = await make_house(store=disk)
    client = await online(house)
    client.link.lose()
    push = await waiting(house, ttl_ms=2000)
    await house.push(content="stays")
    house.path.kicks.kick(openid="alice")
    await ready(house, "offline_messages", 2)
    assert push.waits
    await house.pass_time(2.0)
    assert push.told == TTL
    again = house.started()
    again.call("hello")
    await ready(house, "logins", 2)
    assert again.texts == ["200 ", "stays"]
