"""What ``log.level = "debug"`` writes: a line for each message, with the ids of what it is about."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import config as configs
from quicgw_fast.flow.reconfiguring import reconfigure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]

TRACE = "0af7651916cd43dd8448eb211c80319c"
DEBUG = {"level": "debug"}
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@pytest.fixture(autouse=True)
def written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "quicgw")


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """The lines of messages, and their fields."""
    return [
        (record.message, {name: value for name, value in vars(record).items() if name not in OWN})
        for record in caplog.records
        if record.name == "quicgw.messages"
    ]


def take(house: House, level: str) -> None:
    reconfigure(house.path, configs.read(overrides={"log": {"level": level}}), house)


async def test_each_message_has_a_line_with_its_ids(make_house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    house = await make_house(log=DEBUG)
    client = await house.online()
    house.upstream.held.add("slow")
    caplog.clear()
    client.call("slow", b"12345", headers={"x-request-id": "mine", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    await house.settle()
    house.clock.advance(0.25)
    house.upstream.waiting()[0].answer(data=b"123")
    await house.settle()
    await house.push("alice", b"12")
    client.heartbeat()
    client.ack(3)
    about = {"session": client.session.id, "openid": "alice"}
    request = {**about, "request": "mine", "trace": TRACE}
    (received, asked), *others = messages(caplog)
    size = asked.pop("size")
    assert (received, asked, size > 5) == ("received", {**request, "kind": "request", "number": 2}, True)
    assert [(event, {**fields, "size": 0}) for event, fields in others] == [
        ("answered", {**request, "kind": "reply", "number": 2, "size": 0, "duration": 0.25, "outcome": "200"}),
        ("pushed", {**about, "kind": "notify", "number": 3, "size": 0, "outcome": "sent"}),
        ("received", {**about, "kind": "heartbeat", "number": 0, "size": 0}),
        ("received", {**about, "kind": "ack", "number": 3, "size": 0}),
    ]
    assert [fields["size"] for _, fields in others[:2]] == [3, 2]


async def test_a_request_without_an_id_of_its_own_has_that_of_its_number(
    make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house = await make_house(log=DEBUG)
    client = await house.online()
    client.call("echo")
    await house.settle()
    for kind in ("request", "reply"):
        fields = [fields for _, fields in messages(caplog) if fields["kind"] == kind][-1]
        assert fields["request"] == f"{client.session.id}-2" == dict(house.upstream.calls[-1].metadata)["x-request-id"]
        assert "trace" not in fields


async def test_there_are_lines_without_a_flight_recorder(
    make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house = await make_house(log=DEBUG, session={"flight_recorder": 0})
    client = await house.online()
    assert [event for event, _ in messages(caplog)] == ["received", "received", "answered", "received"]
    assert client.session.trail is not None
    assert list(client.session.trail) == []


async def test_the_level_changes_for_whoever_is_there(make_house: MakeHouse, caplog: pytest.LogCaptureFixture) -> None:
    house = await make_house()
    client = await house.online()
    recorded = list(client.session.trail or ())
    assert (messages(caplog), len(recorded)) == ([], 4)
    take(house, "debug")
    client.call("echo")
    await house.settle()
    assert [event for event, _ in messages(caplog)] == ["received", "answered"]
    take(house, "info")
    caplog.clear()
    client.call("echo")
    await house.settle()
    assert messages(caplog) == []
    kept = list(client.session.trail or ())
    assert (kept[:4], len(kept)) == (recorded, 8)
    assert client.session.spoken is None


async def test_a_session_of_later_goes_by_the_new_level(
    make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house = await make_house(session={"flight_recorder": 0})
    first = await house.online("first")
    take(house, "debug")
    await house.online("second")
    assert {fields["openid"] for _, fields in messages(caplog)} == {"second"}
    take(house, "info")
    assert first.session.trail is None


async def test_ids_of_requests_that_are_answered_are_not_kept(make_house: MakeHouse) -> None:
    house = await make_house(log=DEBUG, limits={"requests_per_second": 1})
    client = await house.online()
    for _ in range(20):
        client.call("echo", headers={"x-request-id": "mine"})
    client.call("echo", seq=77)
    await house.settle()
    assert client.session.spoken is not None
    assert client.session.spoken.unanswered == 0
