"""Messages that cost the gateway something and bring nothing have a bound, whatever their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker

FLOOD = 20_000


@pytest.mark.parametrize("kind", [pb.REQUEST_HEARTBEAT, pb.REQUEST_ACK, 99])
async def test_a_flood_ends_its_own_connection_and_disturbs_nobody(world: World, kind: int) -> None:
    async with world.bystander():
        client = await world.online("alice")
        one = wire.frame(pb.ClientRequest(type=kind).SerializeToString())  # type: ignore[arg-type]
        for _ in range(20):
            client.send_raw(one * (FLOOD // 20), flush=False)
        client.flush()
        await assert_closed(client, CloseCode.OVERLOADED)
        assert len(client.log) < 1000
        again = await world.resumed(client, 1)
        assert wire.business(await again.call("echo")).code == 200


@pytest.mark.parametrize("kind", [pb.REQUEST_HEARTBEAT, pb.REQUEST_ACK, 99])
async def test_who_floods_and_reads_nothing_is_ended_too_and_nothing_piles_up(world: World, kind: int) -> None:
    async with world.bystander():
        clients = [await world.online(f"deaf{number}", receive_window=16 << 10) for number in range(3)]
        one = wire.frame(pb.ClientRequest(type=kind).SerializeToString())  # type: ignore[arg-type]
        for client in clients:
            client.pause_reading()
            for _ in range(5):
                client.send_raw(one * 1000)
        for client in clients:
            await assert_closed(client, CloseCode.OVERLOADED)
        counters: Any = world.gateway.stats()["counters"]
        assert counters["errors"] < 3 * 1000, "of 15 000"


async def test_a_flood_of_requests_is_closed_as_such_and_the_session_goes_on(make_world: WorldMaker) -> None:
    # A low rate: a busy machine may take seconds to read the flood.
    world = await make_world(limits={"messages_per_second": 10, "message_burst": 200, "in_flight": 64})
    client = await world.online("alice")
    for _ in range(4000):
        client.business("echo", flush=False)
    client.flush()
    await assert_closed(client, CloseCode.OVERLOADED)
    stats: Any = world.gateway.stats()
    assert stats["refused"]["request"]["request-flood"] == 1
    assert stats["counters"]["overflows"] == 0
    again = await world.resumed(client, client.last_seq)
    assert again.closed is None


async def test_a_busy_honest_client_is_not_taken_for_a_flood(world: World) -> None:
    client = await world.online("alice")
    for number in range(600):
        message = client.business("echo", data=b"%d" % number)
        if number % 5 == 0:
            await client.reply(client.heartbeat())
        await client.reply(message)
        client.ack(client.last_seq)
    assert client.closed is None


@pytest.mark.parametrize("transport", ["aioquic", "quinn"])
async def test_a_flood_into_a_full_queue_is_answered_one_by_one_and_disturbs_nobody(
    make_world: WorldMaker, transport: str
) -> None:
    world = await make_world(
        server={"transport": transport},
        processor={"max_workers": 2, "max_queue_size": 4},
        limits={"messages_per_second": 1e6, "message_burst": 1_000_000, "in_flight": 400},
    )
    world.business.hold("slow")
    client = await world.online("alice")
    for _ in range(5):
        client.business("slow")
    await wire.until(lambda: world.business.running == 1, what="a worker being taken")
    async with world.bystander():
        for _ in range(20):
            messages = [client.business("echo", flush=False) for _ in range(100)]
            client.flush()
            for message in messages:
                await client.reply(message)
            client.ack(client.last_seq)
        client.assert_gap_free()
    stats: Any = world.gateway.stats()
    assert stats["counters"]["queue_full"] > 1000, "of 2 000: a held call may end, and one of them take its place"
    assert client.closed is None
