"""A START that waits for what an earlier session hands over: nothing is lost, overtaken or begun in vain meanwhile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, RequestType
from quicgw_fast.config import OfflineConfig
from quicgw_fast.flow import pending_starts
from quicgw_fast.overload import MAX_HELD
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.session import SessionState
from quicgw_fast.store import SqliteStore
from tests.flow.endings import answered, away, gap, until
from tests.store.test_sqlite import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from quicgw_fast.session import Session
    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1000))
    yield made
    await made.close()


@pytest.fixture
async def waiting(make_house: MakeHouse, disk: SqliteStore) -> AsyncIterator[tuple[House, Client, Gate]]:
    """A house whose disk hangs, and a START that ended a session and waits for it."""
    house = await make_house(store=disk)
    await away(house, "alice", "kept")
    gate = await Gate.shut(disk)
    client = house.connect()
    client.send(RequestType.START, b"\x0a\x05alice", msg_id=7)
    await house.settle()
    assert not answered(client)
    yield house, client, gate
    gate.opened.set()


async def test_what_comes_behind_a_start_that_waits_keeps_its_order(waiting: tuple[House, Client, Gate]) -> None:
    house, client, gate = waiting
    client.call("hello")
    client.call("echo", b"1")
    client.call("echo", b"2")
    await house.pass_time(60.0)  # longer than START may be missing
    assert not client.link.sent
    gate.opened.set()
    await until(lambda: len(client.numbers) == 4)
    client.started(7)
    assert client.texts == ["200 ", "kept", "200 1", "200 2"]


async def test_a_start_does_not_wait_for_ever(
    make_house: MakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_starts, "LONGEST_WAIT", 0.02)
    disk = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1))
    house = await make_house(store=disk)
    client = await away(house, "alice", "kept", "lost")
    gate = await Gate.shut(disk)
    again = house.connect()
    again.send(RequestType.START, b"\x0a\x05alice", msg_id=7)
    await until(lambda: answered(again))
    again.started(7)
    assert gap(again) == {}
    gate.opened.set()
    await until(lambda: house.count("pushes_lost"))
    assert again.session.attached
    assert client.session.state is SessionState.CLOSED
    third = house.back(again, 0)
    assert third.answer.resumed
    assert gap(third) == {"reason": "NONE", "notifies": "1", "unnumbered": "1"}, (
        "what was found out later is told later"
    )


async def test_a_newer_start_takes_the_place_of_one_that_waits(waiting: tuple[House, Client, Gate]) -> None:
    house, client, gate = waiting
    newer = house.connect()
    newer.send(RequestType.START, b"\x0a\x05alice", msg_id=8)
    await house.settle()
    assert client.ended is CloseCode.SUPERSEDED
    assert not client.started(7).success
    client.call("echo")
    gate.opened.set()
    await until(lambda: answered(newer))
    assert newer.started(8).success
    assert client.conversation.session is None
    assert len(house.path.registry) == 1


async def test_an_older_attempt_does_not_take_the_place_of_one_that_waits(
    make_house: MakeHouse, disk: SqliteStore
) -> None:
    house = await make_house(store=disk)
    before = await away(house, "alice", "kept")
    gate = await Gate.shut(disk)

    def attempt(number: int) -> Client:
        client = house.connect()
        # The epoch is that of the session, its id is not: it cannot go on.
        claim = pb.StartRequest(openid="alice", session_id="gone", epoch=before.answer.epoch, attempt=number)
        client.send(RequestType.START, claim.SerializeToString(), msg_id=number)
        return client

    newer, older = attempt(5), attempt(4)
    await house.settle()
    assert older.ended is CloseCode.SUPERSEDED
    assert newer.ended is None
    gate.opened.set()
    await until(lambda: answered(newer))
    assert newer.started(5).success


async def test_a_start_whose_connection_ends_meanwhile_begins_nothing(waiting: tuple[House, Client, Gate]) -> None:
    house, client, gate = waiting
    client.call("hello")
    client.link.lose()
    gate.opened.set()
    await until(lambda: house.count("pushes_handed_over"))
    await house.settle()
    assert len(house.path.registry) == 0
    assert not house.upstream.called()[1:]


async def test_a_start_whose_connection_is_gone_gives_way_in_silence(waiting: tuple[House, Client, Gate]) -> None:
    house, client, gate = waiting
    client.link.lose()
    newer = house.connect()
    newer.send(RequestType.START, b"\x0a\x05alice", msg_id=8)
    await house.settle()
    assert not client.link.sent
    gate.opened.set()
    await until(lambda: answered(newer))
    assert newer.started(8).success


async def test_a_bug_in_a_start_that_waited_ends_its_connection_and_nothing_else(
    waiting: tuple[House, Client, Gate], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house, client, gate = waiting

    def fails(*details: object) -> Session:
        raise OSError("surprise")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "quicgw.session"):
        patch.setattr(house.path.registry, "create", fails)
        gate.opened.set()
        await until(lambda: client.ended is not None)
    assert client.ended is CloseCode.INTERNAL
    assert client.conversation.session is None
    (line,) = caplog.records
    assert (line.getMessage(), vars(line)["openid"]) == ("START failed", "alice")
    assert house.started("alice").session.attached, "the next attempt is not in its way"


async def test_who_sends_too_much_behind_a_start_that_waits_may_come_back(
    waiting: tuple[House, Client, Gate],
) -> None:
    house, client, gate = waiting
    for _ in range(MAX_HELD // (1 << 19)):
        client.send(RequestType.BUSINESS, b"x" * (1 << 19), seq=1)
    assert client.ended is CloseCode.OVERLOADED
    gate.opened.set()
    await until(lambda: house.count("pushes_handed_over"))
    assert len(house.path.registry) == 0


async def test_a_start_that_waits_while_the_gateway_begins_to_stop_is_refused(
    waiting: tuple[House, Client, Gate],
) -> None:
    house, client, gate = waiting
    house.path.draining.active = True
    gate.opened.set()
    await until(lambda: answered(client))
    assert not client.started(7).success
    assert client.ended is CloseCode.DRAINING
