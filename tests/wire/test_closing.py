"""Protocol §6: draining, and limits of connections."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.transport import TransportLimits
from tests.support import raw_client, wire
from tests.support.raw_client import HandshakeError
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from quicgw_fast.config import SessionConfig
    from tests.support.world import World, WorldMaker


def test_the_numbers_of_the_close_codes() -> None:
    assert {code.name: code.value for code in CloseCode} == {
        "NORMAL": 0,
        "AUTH_FAILED": 0x101,
        "PROTOCOL_ERROR": 0x102,
        "SUPERSEDED": 0x103,
        "KICKED": 0x104,
        "TOKEN_EXPIRED": 0x105,
        "ALREADY_ONLINE": 0x106,
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
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
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
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
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
    codes = [wire.error(push).error_code for message in messages for push in client.replies(message)]
    assert codes == [500, 503, 503], "one was with its service, which never answered; the others were not passed on"
    await assert_closed(client, CloseCode.DRAINING)
    client.assert_gap_free()


async def test_stopping_an_idle_gateway_is_quick(world: World) -> None:
    client = await world.online("alice")
    async with asyncio.timeout(15):  # half of the time for a drain
        await world.gateway.stop()
    await assert_closed(client, CloseCode.DRAINING)


async def test_more_connections_than_allowed_are_refused_and_the_others_stay(make_world: WorldMaker) -> None:
    world = await make_world(limits={"max_connections": 3})
    clients = [await world.online(f"user-{n}") for n in range(3)]
    with pytest.raises(HandshakeError) as refused:
        extra = await world.connect()
        await extra.wait_closed()
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


async def test_every_end_is_counted_by_its_code_and_told_with_openid_and_peer(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quicgw.session")
    world = await make_world(session={"timeout": 0.5, "heartbeat_interval": 0.1})
    left, broken, idle = [await world.started(name) for name in ("left", "broken", "idle")]
    await left.close(0x7777, "my own reasons")
    broken.send_raw(b"\xff" * 8)
    await assert_closed(broken, CloseCode.PROTOCOL_ERROR)
    await assert_closed(idle, CloseCode.IDLE)
    await wire.until(lambda: not world.gateway._path.conversations.open, what="their ends")
    closes = world.gateway.stats()["closes"]
    assert isinstance(closes, dict)
    assert {name: count for name, count in closes["client"].items() if count} == {"OTHER": 1}
    assert {name: count for name, count in closes["gateway"].items() if count} == {"PROTOCOL_ERROR": 1, "IDLE": 1}
    told = {
        (record.getMessage(), record.openid): record.__dict__
        for record in caplog.records
        if record.name == "quicgw.session" and hasattr(record, "openid")
    }
    for client, close, level in (
        (left, "0x7777", "INFO"),
        (broken, "PROTOCOL_ERROR", "WARNING"),
        (idle, "IDLE", "INFO"),
    ):
        peer = f"127.0.0.1:{client.local_port}" if client is not left else None
        began, ended = told["session attached", client.openid], told["disconnected", client.openid]
        assert began["how"] == "started"
        assert (ended["close"], ended["levelname"]) == (close, level)
        assert began["session"] == ended["session"]
        assert began["peer"] == ended["peer"]
        assert peer in (None, began["peer"])


async def test_a_client_that_the_transport_gives_up_is_counted_too(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quicgw_fast.gateway.TransportLimits", SimpleNamespace(of=hurried))
    world = await make_world()
    client = await world.online("alice", receive_window=16 << 10)
    client.pause_reading()
    for _ in range(8):
        assert (await world.pusher.push("alice", data=bytes(10_000))).success
    await assert_closed(client, CloseCode.SLOW_CONSUMER)
    await wire.until(lambda: not world.gateway._path.conversations.open, what="its end")
    closes = world.gateway.stats()["closes"]
    assert isinstance(closes, dict)
    assert closes["gateway"]["SLOW_CONSUMER"] == 1
    assert any(r.getMessage() == "disconnected" and r.levelname == "WARNING" for r in caplog.records)


def hurried(session: SessionConfig, *, short_path: bool) -> TransportLimits:
    """As configured, but for a client that is given up soon."""
    return replace(
        TransportLimits.of(session, short_path=short_path), high_water=32 << 10, low_water=8 << 10, stall_timeout=0.3
    )
