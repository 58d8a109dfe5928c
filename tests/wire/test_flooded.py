"""What others notice of clients that ask for much more than can be done, over real QUIC and real gRPC."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support import wire
from tests.support.wire import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

PATIENCE = 5.0
"""Seconds, on a machine that is busy with other tests as well; what they prove is that it is not never."""

SERVED_WITHIN = 20.0
"""Seconds in which one of the requests of who asks again each time must have got a place."""


@pytest.fixture(params=["aioquic", "quinn"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def flooded(make_world: WorldMaker, transport: str) -> AsyncIterator[tuple[World, list[RawClient]]]:
    """A gateway with one worker and few places, and clients that send without waiting for anything."""
    world = await make_world(
        server={"transport": transport},
        processor={"max_workers": 2, "max_queue_size": 20},
        limits={"messages_per_second": 1e6, "message_burst": 1_000_000, "in_flight": 100_000},
    )
    clients = [await world.online(f"greedy{number}") for number in range(3)]

    async def flood(client: RawClient) -> None:
        while client.closed is None:
            for _ in range(20):
                client.business("echo", flush=False)
            client.flush()
            await asyncio.sleep(0.005)
            client.ack(client.last_seq)

    floods = [asyncio.create_task(flood(client)) for client in clients]
    try:
        await until(lambda: world.gateway.stats()["counters"]["queue_full"] > 100, what="refusals")
        yield world, clients
        assert all(client.closed is None for client in clients)
    finally:
        for task in floods:
            task.cancel()
        await asyncio.gather(*floods, return_exceptions=True)


async def test_who_floods_gets_a_reply_to_each_and_answers_among_them(make_world: WorldMaker, transport: str) -> None:
    async with flooded(make_world, transport) as (world, clients):
        stats = world.gateway.stats()
        assert stats["counters"]["replies"] > 0
    for client in clients:
        sent = client.business("echo")
        await client.reply(sent)


async def test_heartbeats_go_through_a_flood(make_world: WorldMaker, transport: str) -> None:
    async with flooded(make_world, transport) as (world, _):
        client = await world.online("calm")
        for _ in range(20):
            before = time.monotonic()
            await client.reply(client.heartbeat())
            assert time.monotonic() - before < PATIENCE


async def test_who_comes_in_a_flood_can_log_in_and_leave(make_world: WorldMaker, transport: str) -> None:
    async with flooded(make_world, transport) as (world, _):
        for number in range(5):
            before = time.monotonic()
            client = await world.online(f"new{number}")
            assert time.monotonic() - before < PATIENCE
            client.stop()
            await until(lambda client=client: client.closed is not None)


async def test_who_asks_for_little_is_served_in_a_flood(make_world: WorldMaker, transport: str) -> None:
    async with flooded(make_world, transport) as (world, _):
        client = await world.online("modest")
        latest = time.monotonic() + SERVED_WITHIN
        while (await client.reply(client.business("echo"))).type != wire.pb.PUSH_BUSINESS_DATA:
            assert time.monotonic() < latest, "everybody else was served"
