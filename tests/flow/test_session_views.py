"""What operators see of sessions: lists that hold nobody up, and the flight recorder of one."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend
from quicgw_fast.clock import SystemClock
from quicgw_fast.flow.session_views import SessionViews
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.session import Event
from quicgw_fast.session.registry import ENDED_TRAILS
from tests.flow.grouping import join, leave
from tests.session.making import make_registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


def views_of(house: House) -> SessionViews:
    return SessionViews(house.clock.face, house.path.registry, "quinn")


def told(house: House, client: Client) -> list[tuple[Any, ...]]:
    """Direction, kind, number and outcome of what was recorded."""
    shown = views_of(house).one(client.answer.connection_id)
    assert shown is not None
    return [(event["direction"], event["kind"], event["number"], event["outcome"]) for event in shown["events"]]


async def test_what_goes_over_a_session_is_recorded_with_times_and_outcomes(make_house: MakeHouse) -> None:
    house = await make_house()
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow", data=b"12345")
    await house.settle()
    house.clock.advance(0.25)
    house.upstream.waiting()[0].answer()
    await house.settle()
    client.ack(2)
    client.heartbeat()
    assert told(house, client) == [
        ("up", "start", 0, "started"),
        ("up", "request", 1, ""), ("down", "reply", 1, "200"), ("up", "ack", 1, ""),
        ("up", "request", 2, ""), ("down", "reply", 2, "200"),
        ("up", "ack", 2, ""), ("up", "heartbeat", 0, ""),
    ]  # fmt: skip
    shown = views_of(house).one(client.session.id)
    assert shown is not None
    reply = shown["events"][5]
    assert (reply["duration"], reply["request"], reply["at"]) == (0.25, 2, pytest.approx(house.clock.wall))
    assert shown["events"][4]["size"] > 5
    assert "12345" not in str(shown)


async def test_errors_pushes_and_ends_of_connections_are_recorded(make_house: MakeHouse) -> None:
    house = await make_house()
    client = await house.online()
    client.call("echo", seq=9)
    await house.push("alice", "one")
    await house.broadcast("all")
    client.link.lose()
    await house.push("alice", "two")
    assert told(house, client)[4:] == [
        ("up", "request", 9, ""), ("down", "error", 2, "400"),
        ("down", "notify", 3, "sent"), ("down", "broadcast", None, ""),
        ("up", "close", None, "NORMAL"), ("down", "notify", 5, "retained"),
    ]  # fmt: skip


async def test_it_is_kept_for_a_while_after_the_end_and_goes_with_the_memory_of_the_session(
    make_house: MakeHouse,
) -> None:
    house = await make_house(session={"resume_window": "60s"})
    client = await house.online()
    client.stop()
    shown = views_of(house).one(client.answer.connection_id)
    assert shown is not None
    assert (shown["state"], shown["attached"], shown["in_flight"]) == ("CLOSED", False, 0)
    assert shown["events"][-1]["kind"] in ("stop", "close")
    assert (await views_of(house).find({}, -1, 10))["total"] == 0
    house.clock.advance(61.0)
    assert views_of(house).one(client.answer.connection_id) is None


async def test_the_oldest_falls_out_and_without_a_recorder_nothing_is_kept(make_house: MakeHouse) -> None:
    house = await make_house(session={"flight_recorder": 3})
    client = await house.online()
    for _ in range(5):
        client.heartbeat()
    assert [event[1] for event in told(house, client)] == ["heartbeat"] * 3
    off = await make_house(session={"flight_recorder": 0})
    other = await off.online()
    assert other.session.trail is None
    assert told(off, other) == []
    other.stop()
    assert views_of(off).one(other.answer.connection_id) is None


def test_the_memory_of_ended_sessions_with_a_recorder_is_bounded() -> None:
    registry = make_registry(backend, trail=4)
    for number in range(ENDED_TRAILS + 10):
        session = registry.create(f"user-{number}", 0, 0.0)
        registry.end(session, Event.STOPPED, 0.0)
    assert registry.remembered == ENDED_TRAILS + 10
    assert len(registry._ended_trails) == ENDED_TRAILS


# Lists


async def test_sessions_are_found_by_what_is_known_of_them(make_house: MakeHouse) -> None:
    house = await make_house()
    house.upstream.answers["hello"] = UpstreamResponse(code=200, headers={"gid": "g-7", "zone": "3"})
    alice = await house.online("alice")
    bob = house.started("bob")
    carol = house.started("carol")
    carol.link.lose()
    views = views_of(house)

    async def found(**wanted: str) -> list[str]:
        page = await views.find(wanted, -1, 10)
        assert page["total"] == len(page["sessions"])
        return [session["openid"] for session in page["sessions"]]

    assert await found() == ["alice", "bob", "carol"]
    assert await found(openid="bob") == ["bob"]
    assert await found(gid="g-7") == await found(state="NORMAL") == ["alice"]
    assert await found(state="INITED") == ["bob", "carol"]
    assert await found(state="DETACHED") == ["carol"]
    assert await found(state="ATTACHED", q="o") == ["bob"]
    assert await found(q=alice.session.id[5:20]) == ["alice"]
    assert await found(address=bob.link.peer) == ["bob"]
    assert await found(address=bob.link.peer.rpartition(":")[0]) == ["alice", "bob", "carol"]
    assert await found(q="nobody") == []
    first = (await views.find({}, -1, 1))["sessions"][0]
    assert (first["gid"], first["zone"], first["transport"]) == ("g-7", "3", "quinn")
    assert first["window_messages"] == 0


async def test_pages_show_everybody_once_whoever_comes_and_goes(make_house: MakeHouse) -> None:
    house = await make_house()
    clients = [house.started(f"user-{number}") for number in range(10)]
    views = views_of(house)
    first = await views.find({}, -1, 4)
    assert (len(first["sessions"]), first["total"]) == (4, 10)
    clients[1].stop()
    clients[5].stop()
    house.started("late")
    seen = [session["openid"] for session in first["sessions"]]
    cursor = first["next"]
    while cursor is not None:
        page = await views.find({}, int(cursor), 4)
        seen += [session["openid"] for session in page["sessions"]]
        cursor = page["next"]
    assert seen == [f"user-{number}" for number in range(10) if number != 5] + ["late"]


async def test_ten_thousand_sessions_do_not_hold_the_loop() -> None:
    registry = make_registry(backend, trail=4)
    for number in range(10_000):
        registry.create(f"user-{number}", 0, 0.0)
    turns: list[float] = []
    over = asyncio.Event()

    async def others() -> None:
        while not over.is_set():
            began = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began)

    gc.collect()
    gc.disable()  # a round of it over the objects of all tests would count as time of the walk
    try:
        task = asyncio.create_task(others())
        page = await SessionViews(SystemClock(), registry, "aioquic").find({"q": "user"}, -1, 500)
        over.set()
        await task
    finally:
        gc.enable()
    assert (page["total"], len(page["sessions"]), page["next"]) == (10_000, 500, "499")
    assert len(turns) > 3, "others had their turn"
    assert max(turns) < 0.005, "processor time between two of them: a busy machine counts for nothing"


async def test_the_groups_of_a_session_and_all_groups(house: House) -> None:
    clients = [await house.online(name) for name in ("alice", "bob")]
    for number in range(3):
        await join(house, "alice", f"g{number}")
    await join(house, "bob", "g1", ttl=5)
    views = views_of(house)
    shown = views.one(clients[1].session.id)
    assert shown is not None
    assert shown["groups"] == [{"name": "g1", "ends_at": round(house.clock.wall + 5, 3)}]
    first = views.groups(0, 2)
    assert first["groups"] == [{"name": "g0", "members": 1}, {"name": "g1", "members": 2}]
    assert (first["total"], first["memberships"]) == (3, 4)
    await leave(house, "alice", "g0")
    second = views.groups(int(first["next"]), 2)
    assert (second["groups"], second["next"]) == ([{"name": "g2", "members": 1}], None)
    house.clock.advance(5)
    shown = views.one(clients[1].session.id)
    assert shown is not None
    assert shown["groups"] == []
