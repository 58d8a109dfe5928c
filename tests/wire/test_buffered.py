"""What waits in the process is told in bytes beside its bound, and services are told what clients are owed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.observe import BufferKind
from quicgw_fast.proto import service_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker

EACH = {"arriving", "requests", "sessions", "unacknowledged"}
"""Kinds of which one client has a bound of its own."""


def buffered(world: World) -> Any:
    return world.gateway.stats()["buffered"]


def used(world: World, kind: str) -> int:
    return int(buffered(world)["used"][kind])


async def test_every_kind_is_there_beside_its_bound_and_empty_at_rest(make_world: WorldMaker) -> None:
    world = await make_world(offline={"store": "memory"})
    client = await world.online("alice")
    client.ack(1)
    await client.reply(client.heartbeat())
    await wire.until(lambda: used(world, "unacknowledged") == 0, what="the last acknowledgement")
    told = buffered(world)
    kinds = {kind.value for kind in BufferKind}
    assert set(told["used"]) == set(told["limit"]) == kinds
    assert set(told["most"]) == set(told["most_limit"]) == EACH
    assert all(told["limit"][kind] > 0 for kind in kinds)
    assert {kind: told["used"][kind] for kind in kinds - {"log"}} == dict.fromkeys(kinds - {"log"}, 0)


async def test_each_kind_shows_what_waits(world: World) -> None:
    stalled, other = await world.online("stalled", receive_window=16 << 10), await world.online("other")
    stalled.pause_reading()
    assert (await world.pusher.push("stalled", data=bytes(300_000))).success
    assert used(world, "sessions") > 300_000
    assert used(world, "unacknowledged") > 200_000
    assert buffered(world)["most"]["sessions"] == stalled_bytes(world)
    assert buffered(world)["most"]["unacknowledged"] <= used(world, "unacknowledged")
    other.send_raw((500_000).to_bytes(4, "big") + bytes(50_000))
    await wire.until(lambda: used(world, "arriving") == 50_004, what="half a message")
    assert buffered(world)["most"]["arriving"] == 50_004
    await other.close()
    await wire.until(lambda: used(world, "arriving") == 0, what="the end of its connection")


def stalled_bytes(world: World) -> int:
    (session,) = (one for one in world.gateway._path.registry if one.openid == "stalled")
    return session.outbox.memory


async def test_messages_that_do_not_arrive_are_bounded_together(make_world: WorldMaker) -> None:
    world = await make_world(limits={"arriving_memory": "4MiB"})
    async with world.bystander():
        hogs = [await world.online(f"hog{number}") for number in range(8)]
        for hog in hogs:
            hog.send_raw((1_000_000).to_bytes(4, "big") + bytes(700_000))
        await wire.until(lambda: sum(hog.closed is not None for hog in hogs) >= 2, what="room")
        assert used(world, "arriving") <= 4 << 20
    for hog in hogs:
        if hog.closed is not None:
            await assert_closed(hog, CloseCode.OVERLOADED)
    assert world.gateway.stats()["counters"]["arriving_given_up"] >= 2


# What services are told


async def test_a_push_is_answered_with_what_its_client_is_owed(world: World) -> None:
    client = await world.online("alice")
    client.ack(1)
    await client.reply(client.heartbeat())
    first = await world.pusher.push("alice", data=bytes(10_000))
    second = await world.pusher.push("alice", data=bytes(10_000))
    assert 10_000 < first.pending_bytes < 11_000
    assert second.pending_bytes == 2 * first.pending_bytes == used(world, "sessions")
    await client.wait_count(3)
    client.ack(client.last_seq)
    await client.reply(client.heartbeat())
    bound = await world.pusher.push("alice", data=bytes(5_000), hint=1, bind=9)
    assert bound.message == "bound"
    assert 5_000 < bound.pending_bytes < 6_000


async def test_so_is_a_push_that_is_refused(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_bytes": "64KiB"})
    client = await world.online("alice")
    taken = await world.pusher.push("alice", data=bytes(50_000))
    refused = await world.pusher.push("alice", data=bytes(50_000))
    assert (taken.success, refused.error_code) == (True, "WINDOW_FULL")
    assert refused.pending_bytes == taken.pending_bytes > 50_000
    assert (await world.pusher.push("nobody")).pending_bytes == 0
    assert client.closed is None


async def test_a_broadcast_is_answered_with_all_and_with_the_most(world: World) -> None:
    clients = [await world.online(name) for name in ("alice", "bob", "carol")]
    for client in clients:
        client.ack(1)
        await client.reply(client.heartbeat())
    owed = (await world.pusher.push("bob", data=bytes(20_000))).pending_bytes
    told = await world.pusher.broadcast(bytes(1_000))
    assert told.sent_count == 3
    assert told.most_pending_bytes - owed == (told.pending_bytes - owed) // 3
    assert told.pending_bytes == used(world, "sessions")


async def test_metadata_say_it_to_services_with_older_stubs(world: World) -> None:
    await world.online("alice")
    push = pb.UnicastPushRequest(target_type="openid", target_id="alice", data=bytes(1000))
    call = world.pusher.stub.PushToClient(push, timeout=20.0)
    answer = await call
    assert dict(await call.trailing_metadata())["pending-bytes"] == str(answer.pending_bytes)
    to_all = world.pusher.stub.BroadcastToClients(pb.BroadcastRequest(data=bytes(1000)), timeout=20.0)
    told = await to_all
    metadata = dict(await to_all.trailing_metadata())
    assert metadata["pending-bytes"] == str(told.pending_bytes)
    assert metadata["most-pending-bytes"] == str(told.most_pending_bytes)
