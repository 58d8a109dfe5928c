"""Clients that acknowledge nothing fill the memory of all sessions; who reads and acknowledges does not pay (§5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport.limits import LEAST_BACKLOG
from tests.support import wire

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

LIMIT = 2 << 20


def held(world: World) -> int:
    found: Any = world.gateway.stats()["retained_bytes"]
    assert isinstance(found, int)
    return found


async def at_work(world: World, healthy: RawClient, first: int, calls: int = 20) -> None:
    """So many calls and as many broadcasts, all of which must arrive, in order, at a client that acknowledges."""
    for number in range(first, first + calls):
        reply = await healthy.call("echo", data=b"%d" % number + bytes(10_000))
        assert wire.business(reply).data.startswith(b"%d" % number)
        assert (await world.pusher.broadcast(b"b%d" % number + bytes(5_000))).sent_count > 0
        said = b"b%d\0" % number
        await healthy.wait_for(lambda push, said=said: wire.is_notify(push) and said in push.payload)  # type: ignore[misc]
        healthy.ack(healthy.last_seq)
    healthy.assert_gap_free()
    assert healthy.closed is None


async def test_pushes_to_clients_that_acknowledge_nothing(make_world: WorldMaker) -> None:
    world = await make_world(session={"memory": LIMIT})
    healthy = await world.online("healthy")
    for number in range(4):
        assert (await world.pusher.push("healthy", data=b"%d" % number)).success
    hogs = [await world.online(f"hog{number}") for number in range(8)]
    hogs[0].abandon()
    for hog in hogs:
        assert (await world.pusher.push(hog.openid, data=bytes(500_000))).success
        assert held(world) <= LIMIT
    await at_work(world, healthy, 0)
    for hog in hogs[:4]:
        assert (await world.pusher.push(hog.openid, data=bytes(500_000))).error_code in ("", "WINDOW_FULL")
    await at_work(world, healthy, 20)
    assert held(world) <= LIMIT
    counters: Any = world.gateway.stats()["counters"]
    assert counters["memory_victims"] == counters["overflows"] > 0


async def test_replies_of_one_message_each(make_world: WorldMaker) -> None:
    """One message always fits into an empty window, but not into a memory that is full."""
    world = await make_world(session={"memory": LIMIT})
    healthy = await world.online("healthy")
    hogs = [await world.online(f"hog{number}") for number in range(12)]
    for hog in hogs:
        hog.business("echo", data=bytes(600_000))
        await wire.until(lambda h=hog: h.closed is not None or len(h.numbered) == 2, what="a reply or a reset")  # type: ignore[misc]
        assert held(world) <= LIMIT * 5 // 4
    closed = [hog.closed for hog in hogs if hog.closed is not None]
    assert len(closed) >= 8
    assert {close.code for close in closed} == {CloseCode.SLOW_CONSUMER}
    await at_work(world, healthy, 0)
    counters: Any = world.gateway.stats()["counters"]
    assert counters["replies_dropped"] == 0, "who came last did not pay either"


async def test_who_is_away_goes_first_and_is_told(make_world: WorldMaker) -> None:
    world = await make_world(session={"memory": LIMIT})
    away, here = await world.online("away"), await world.online("here")
    await away.close()
    newer = [await world.online(f"newer{number}") for number in range(3)]
    for client in (here, away, *newer):
        assert (await world.pusher.push(client.openid, data=bytes(450_000))).success
    again = await world.back(away, 1)
    assert again.started is not None
    assert again.start_push is not None
    assert again.started.reset_reason == pb.RESET_REASON_OVERFLOW
    assert again.start_push.headers["gap-notifies"] == "1"
    assert [client.closed for client in (here, *newer)] == [None] * 4


async def test_an_acknowledgement_gives_room_back(make_world: WorldMaker) -> None:
    """Sixteen times the memory goes through clients that acknowledge, and nobody has to go."""
    world = await make_world(session={"memory": "256KiB"})
    clients = [await world.online(f"client{number}") for number in range(4)]
    for number in range(16):
        for client in clients:
            assert (await world.pusher.push(client.openid, data=bytes(60_000))).success
        for client in clients:
            await client.wait_count(2 + number)
            client.ack(client.last_seq)
            await client.reply(client.heartbeat())
    assert held(world) == 0
    assert [client.closed for client in clients] == [None] * 4


async def test_what_is_bound_to_requests_that_never_come_is_bounded(make_world: WorldMaker) -> None:
    world = await make_world()
    client = await world.online("alice")
    codes = [
        (await world.pusher.push("alice", data=bytes(1_000_000), hint=hint, bind=2 + number)).error_code
        for number, hint in enumerate([1, 2] * 6)
    ]
    assert codes == ["", *["BIND_LIMIT"] * 11]
    assert held(world) < 1_100_000
    client.ack(1)  # the step of the next request fits into an empty window, whatever its size
    reply = await client.call("echo", data=bytes(900_000))
    assert wire.business(reply).data == bytes(900_000)
    assert [len(wire.business(push).data) for push in client.numbered[1:]] == [1_000_000, 900_000]
    assert (await world.pusher.push("alice", data=bytes(700_000), hint=1, bind=9)).message == "bound"
    client.stop()
    await client.wait_closed()
    assert held(world) == 0


async def test_many_sessions_cannot_bind_more_than_the_memory(make_world: WorldMaker) -> None:
    world = await make_world(session={"memory": LIMIT})
    healthy = await world.online("healthy")
    for number in range(6):
        client = await world.online(f"hog{number}")
        told = await world.pusher.push(client.openid, data=bytes(600_000), hint=1, bind=9)
        assert told.message == "bound"
        assert held(world) <= LIMIT
    await at_work(world, healthy, 0)


@pytest.mark.parametrize("size", [600_000, 900_000])
async def test_large_replies_in_sequence_are_no_reset_for_who_acknowledges_each(world: World, size: int) -> None:
    """The acknowledgement and the next request go out together, as a client's do that has no time to lose."""
    client = await world.online("alice")
    for number in range(8):
        client.ack(client.last_seq)
        reply = await client.call("echo", data=bytes([number]) * size)
        assert wire.business(reply).data == bytes([number]) * size
    client.assert_gap_free()
    assert client.closed is None
    assert held(world) <= size + 1000


def in_quic(world: World, name: str) -> int:
    found: Any = world.gateway.stats()["transport"]
    assert isinstance(found, dict)
    return int(found[name])


async def test_who_acknowledges_what_it_never_read_takes_no_memory_either(make_world: WorldMaker) -> None:
    """Its window is free, so that what QUIC holds for it is in no session's account: that has a bound of its own."""
    world = await make_world(session={"memory": LIMIT})
    healthy = await world.online("healthy")
    # All are there before the first one has anything: one that takes nothing for 10 s is closed for that alone.
    hogs = [await world.online(f"hog{number}", receive_window=16 << 10) for number in range(24)]
    for hog in hogs:
        hog.pause_reading()
        before = held(world)
        assert (await world.pusher.push(hog.openid, data=bytes(1_000_000))).success
        if hog.closed is None:
            hog.ack(2)
            await wire.until(lambda h=hog, b=before: h.closed is not None or held(world) < b + 9_000, what="its end")  # type: ignore[misc]
        assert in_quic(world, "unacknowledged") <= LEAST_BACKLOG
    await at_work(world, healthy, 0)
    assert in_quic(world, "given_up") >= 5
    closed = [hog.closed.code for hog in hogs if hog.closed is not None]
    assert set(closed) == {CloseCode.SLOW_CONSUMER}
