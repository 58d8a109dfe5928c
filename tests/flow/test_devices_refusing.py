"""An openid that keeps its client, and STARTs of several clients that wait at once (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode, RequestType, ResetReason
from quicgw_fast.config import OfflineConfig
from quicgw_fast.placement import HERE
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.session import SessionState
from quicgw_fast.store import SqliteStore
from tests.flow.devices import assert_refused, assert_refused_start, texts
from tests.flow.endings import answered, away, until
from tests.placement.slow import SlowPlacement
from tests.store.test_sqlite import Gate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


async def test_whoever_else_comes_is_refused_while_one_is_online(refusing: House) -> None:
    first = await refusing.online()
    for claim in ((0, "", ""), (1, "", ""), (1, "f" * 32, ""), (0, "", "e")):
        other = refusing.connect()
        other.start("alice", *claim)
        assert_refused(other)
    assert first.ended is None
    assert (await refusing.push()).message == "sent"
    assert refusing.count("starts_online_elsewhere") == refusing.count("starts_refused") == 4
    assert len(refusing.path.registry) == 1
    assert refusing.started("bob").ended is None


async def test_its_own_client_comes_back_whether_it_is_attached_or_not(refusing: House) -> None:
    first = await refusing.online()
    second = refusing.back(first, 1)
    assert second.answer.resumed
    assert first.ended is CloseCode.SUPERSEDED
    second.link.lose()
    third = refusing.back(first, 1)
    assert third.answer.resumed
    reset = refusing.back(first, 99)
    assert reset.answer.reset_reason == ResetReason.FUTURE_ACK
    assert third.ended is CloseCode.SUPERSEDED


async def test_nobody_is_refused_by_who_is_not_there(refusing: House) -> None:
    first = await refusing.online()
    first.link.lose()
    other = refusing.started()
    assert first.session.state is SessionState.CLOSED
    other.link.lose()
    old = refusing.connect()
    assert old.start("alice", 0 + 1).reset_reason == ResetReason.FUTURE_ACK, (
        "an old client's number means the one there"
    )
    assert_refused_start(refusing)
    back = refusing.back(first, 1)
    assert_refused(back)  # it was replaced, and another one is there now


async def test_a_refused_start_is_not_the_highest_attempt_seen(refusing: House) -> None:
    first = await refusing.online()
    other = refusing.connect()
    other.start("alice", 0, "", "e", attempt=9)
    assert_refused(other)
    first.stop()
    again = refusing.connect()
    assert again.start("alice", 0, "", "e", attempt=3).success


# STARTs that wait for an answer of somebody else


@pytest.fixture
def placement() -> SlowPlacement:
    return SlowPlacement()


def come(house: House, **claim: Any) -> Client:
    client = house.connect()
    client.send(RequestType.START, pb.StartRequest(openid="alice", **claim).SerializeToString(), msg_id=7)
    return client


def waits(client: Client) -> bool:
    return not client.link.sent and client.ended is None


async def test_devices_that_come_at_once_wait_beside_each_other(
    make_house: MakeHouse, placement: SlowPlacement
) -> None:
    house = await make_house(session={"devices": 3}, placement=placement)
    left = come(house)
    clients = [come(house) for _ in range(2)]
    left.link.lose()
    clients.append(come(house))
    assert [waits(client) for client in clients] == [True] * 3, "who left takes no place"
    clients.append(come(house))
    assert clients[0].started(7).error.error_code == 403
    assert clients[0].ended is CloseCode.SUPERSEDED
    assert [waits(client) for client in clients[1:]] == [True] * 3
    for question in reversed(placement.claims):
        question.answer()
        await house.settle()
    answers = [client.started(7) for client in clients[1:]]
    assert [answer.success for answer in answers] == [True] * 3
    assert len(house.path.registry) == 3


async def test_a_newer_start_of_a_device_takes_its_own_place_alone(
    make_house: MakeHouse, placement: SlowPlacement
) -> None:
    house = await make_house(session={"devices": 3}, placement=placement)
    placement.known["alice"] = HERE
    mine = await house.online()
    del placement.known["alice"]
    other = come(house)
    claim = {"session_id": mine.answer.connection_id, "epoch": mine.answer.epoch, "last_acked_seq_id": 1}
    older = come(house, attempt=1, **claim)
    newer = come(house, attempt=2, **claim)
    assert older.ended is CloseCode.SUPERSEDED
    assert waits(other)
    late = come(house, attempt=1, **claim)
    assert late.started(7).error.error_message == "outdated START"
    for question in placement.claims:
        question.answer()
    await house.settle()
    assert newer.started(7).resumed
    assert other.started(7).success
    assert len(house.path.registry) == 2


async def test_of_those_that_come_at_once_the_first_stays(make_house: MakeHouse, placement: SlowPlacement) -> None:
    house = await make_house(session={"devices": "refuse"}, placement=placement)
    first, second = come(house), come(house)
    second.started(7)
    assert_refused(second)
    assert waits(first)
    first.link.lose()
    third = come(house)
    assert waits(third)
    for question in placement.claims:
        question.answer()
    await house.settle()
    assert third.started(7).success
    assert len(house.path.registry) == 1


async def test_who_comes_back_meanwhile_is_not_sent_away(make_house: MakeHouse, placement: SlowPlacement) -> None:
    house = await make_house(session={"devices": "refuse"}, placement=placement)
    placement.known["alice"] = HERE
    mine = await house.online()
    mine.link.lose()
    del placement.known["alice"]
    other = come(house)
    placement.known["alice"] = HERE
    back = house.back(mine, 1)
    assert back.answer.resumed
    placement.claims[0].answer()
    await house.settle()
    assert back.ended is None
    assert other.ended is CloseCode.SUPERSEDED


async def test_devices_that_wait_for_the_store_come_in_together(make_house: MakeHouse, tmp_path: Path) -> None:
    disk = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1000))
    house = await make_house(session={"devices": 2}, store=disk)
    owed = await away(house, "alice", "kept")
    gate = await Gate.shut(disk)
    owed.session.detached_at = -1e6  # its end hands it over, and every START waits to hear of that
    clients = [come(house) for _ in range(3)]
    await house.settle()
    assert clients[0].ended is CloseCode.SUPERSEDED
    assert [answered(client) for client in clients[1:]] == [False, False]
    gate.opened.set()
    await until(lambda: all(answered(client) for client in clients))
    assert [client.started(7).success for client in clients] == [False, True, True]
    assert [client.ended for client in clients[1:]] == [None, None]
    for client in clients[1:]:
        client.call("hello")
    await until(lambda: sum(len(client.numbers) for client in clients) == 3)
    assert sorted(texts(*clients[1:])) == [["200 "], ["200 ", "kept"]]
    await disk.close()
