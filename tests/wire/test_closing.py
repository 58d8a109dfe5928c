"""Contract §6: draining, and limits of connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast._proto import client_pb2 as pb
from quicgw_fast.types import CloseCode
from tests.support import raw_client, wire
from tests.support.raw_client import HandshakeError
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker


def test_the_numbers_of_the_close_codes() -> None:
    assert {code.name: code.value for code in CloseCode} == {
        "NORMAL": 0,
        "AUTH_FAILED": 0x101,
        "PROTOCOL_ERROR": 0x102,
        "SUPERSEDED": 0x103,
        "KICKED": 0x104,
        "TOKEN_EXPIRED": 0x105,
        "IDLE": 0x201,
        "OVERLOADED": 0x202,
        "DRAINING": 0x203,
        "SLOW_CONSUMER": 0x204,
        "INTERNAL": 0x205,
    }


async def test_a_stop_answers_what_was_accepted_and_then_closes_with_draining(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1, "drain_timeout": 5.0})
    gate = world.zone.hold("echo")
    client, idle = await world.online("alice"), await world.started("bob")
    running = client.business("echo", data=b"running")
    await world.zone.wait_requests(1)
    queued = [client.business("echo", data=b"queued") for _ in range(5)]
    await client.reply(client.heartbeat())  # they were accepted
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._parts.draining, what="the drain")
    late = client.business("echo", data=b"late")
    push = await client.reply(late)
    assert wire.error(push).error_code == 503
    assert int(push.headers["retry-after-ms"]) > 0
    gate.open()
    assert wire.business(await client.reply(running)).data == b"running"
    for message in queued:
        assert wire.business(await client.reply(message)).data == b"queued"
    await assert_closed(client, CloseCode.DRAINING)
    await assert_closed(idle, CloseCode.DRAINING)
    await stopping
    client.assert_gap_free()


async def test_while_draining_nobody_new_comes_in(make_world: WorldMaker) -> None:
    world = await make_world(processor={"drain_timeout": 5.0})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    waiting = await world.connect()
    message = client.business("echo")
    await world.zone.wait_requests(1)
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._parts.draining, what="the drain")
    with pytest.raises(HandshakeError):
        newcomer = await raw_client.connect(*world.address, within=1.0)
        await newcomer.wait_closed(within=1.0)
        await newcomer.close()
        raise HandshakeError(newcomer.closed)
    waiting.request(pb.REQUEST_START, pb.StartRequest(openid="bob").SerializeToString())
    await assert_closed(waiting, CloseCode.DRAINING)
    gate.open()
    assert wire.business(await client.reply(message)).code == 200
    await stopping


async def test_what_cannot_be_finished_while_draining_still_gets_its_reply(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1, "drain_timeout": 0.3})
    world.zone.hold("echo")
    world.hello.on("hello", world.hello.default)
    client = await world.online("alice")
    messages = [client.business("echo") for _ in range(3)]
    await client.reply(client.heartbeat())
    await world.gateway.stop()
    for message in messages:
        (push,) = client.replies(message)
        assert wire.error(push).error_code == 503
    await assert_closed(client, CloseCode.DRAINING)
    client.assert_gap_free()


async def test_stopping_an_idle_gateway_is_quick(world: World) -> None:
    client = await world.online("alice")
    async with asyncio.timeout(2):
        await world.gateway.stop()
    await assert_closed(client, CloseCode.DRAINING)


async def test_more_connections_than_allowed_are_refused_and_the_others_stay(make_world: WorldMaker) -> None:
    world = await make_world(limits={"max_connections": 3})
    clients = [await world.online(f"user-{n}") for n in range(3)]
    with pytest.raises(HandshakeError) as refused:
        extra = await world.connect(within=2.0)
        await extra.wait_closed(within=2.0)
        raise HandshakeError(extra.closed)
    assert refused.value.info is not None, "the refusal must be told"
    if refused.value.info.application:
        assert refused.value.info.code == CloseCode.OVERLOADED
    for client in clients:
        assert wire.business(await client.call("echo")).code == 200
    await clients[0].close()
    await wire.until(lambda: world.gateway.stats()["connections"] == 2, what="the free place")
    again = await world.online("user-9")
    assert wire.business(await again.call("echo")).code == 200
