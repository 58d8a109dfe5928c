"""Protocol §6: a stop ends when the clients have what was accepted, and within its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.raw_upstream import RawUpstream
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.world import WorldMaker


@pytest.mark.parametrize(("count", "size"), [(18, 50_000), (9, 200_000)])
async def test_answers_under_way_arrive_before_the_close(make_world: WorldMaker, count: int, size: int) -> None:
    """More than goes onto the connection at once: part of it is still in the outbox when the last call ends."""
    world = await make_world(processor={"max_workers": 32, "drain_timeout": 10.0}, session={"window_bytes": "4MiB"})
    gate = world.zone.hold("echo")  # it echoes when it is let go
    client = await world.online("alice")
    messages = [client.business("echo", data=bytes(size)) for _ in range(count)]
    await world.zone.wait_requests(count, "echo")
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
    gate.open()
    for message in messages:
        assert len(wire.business(await client.reply(message)).data) == size
    await assert_closed(client, CloseCode.DRAINING)
    client.assert_gap_free()
    await stopping
    assert world.gateway.stats()["counters"]["drain_undelivered"] == 0


async def test_a_client_that_takes_its_time_gets_everything(make_world: WorldMaker) -> None:
    world = await make_world(processor={"drain_timeout": 10.0})
    client = await world.online("alice", receive_window=64 << 10)
    client.pause_reading()
    for _ in range(15):
        assert (await world.pusher.push("alice", data=bytes(50_000))).success
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
    with pytest.raises(TimeoutError):
        await client.wait_closed(within=1.0)
    client.resume_reading()
    await assert_closed(client, CloseCode.DRAINING)
    assert len(client.notifies) == 15
    client.assert_gap_free()
    await stopping


async def test_a_client_that_has_everything_does_not_wait_for_one_that_has_not(make_world: WorldMaker) -> None:
    world = await make_world(processor={"drain_timeout": 10.0})
    slow, quick = await world.online("slow", receive_window=64 << 10), await world.online("quick")
    slow.pause_reading()
    assert (await world.pusher.push("slow", data=bytes(200_000))).success
    stopping = asyncio.create_task(world.gateway.stop())
    await assert_closed(quick, CloseCode.DRAINING)
    assert slow.closed is None
    slow.resume_reading()
    await assert_closed(slow, CloseCode.DRAINING)
    assert len(slow.notifies) == 1
    await stopping


async def test_a_client_that_does_not_read_holds_up_nothing_beyond_the_time(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world(processor={"drain_timeout": 0.5}, session={"slow_consumer_after": 60.0})
    client = await world.online("alice", receive_window=64 << 10)
    client.pause_reading()
    for _ in range(15):
        assert (await world.pusher.push("alice", data=bytes(50_000))).success
    begun = time.monotonic()
    with caplog.at_level("WARNING"):
        await world.gateway.stop()
    assert time.monotonic() - begun < 15.0
    assert world.gateway.stats()["counters"]["drain_undelivered"] == 16, "the login's reply is not acknowledged either"
    (line,) = [record for record in caplog.records if record.getMessage() == "drain incomplete"]
    assert (line.clients, line.messages) == (1, 16)  # type: ignore[attr-defined]


async def test_a_client_that_has_vanished_is_given_up(make_world: WorldMaker) -> None:
    """Long before the drain time is over: what makes no progress at all will not get there."""
    world = await make_world(processor={"drain_timeout": 60.0}, session={"slow_consumer_after": 0.5})
    client = await world.online("alice")
    client.deafen()
    assert (await world.pusher.push("alice", data=b"nobody hears")).success
    begun = time.monotonic()
    await world.gateway.stop()
    assert time.monotonic() - begun < 20.0
    assert world.gateway.stats()["counters"]["drain_undelivered"] == 2


async def test_the_time_of_a_drain_is_kept(make_world: WorldMaker) -> None:
    world = await make_world(processor={"drain_timeout": 0.5, "task_timeout": 60.0})
    world.zone.hold("echo")
    client = await world.online("alice")
    message = client.business("echo")
    await world.zone.wait_requests(1, "echo")
    begun = time.monotonic()
    await world.gateway.stop()
    took = time.monotonic() - begun
    assert wire.error(client.replies(message)[0]).error_code == 500
    assert 0.45 < took < 15.0, "not that of the call"
    await assert_closed(client, CloseCode.DRAINING)


# ---- the real command

WORKERS = "[processor]\nmax_workers = 32\n"
SHORT = WORKERS + 'drain_timeout = "500ms"\ntask_timeout = "60s"\n[session]\nslow_consumer_after = "60s"\n'


async def test_sigterm_loses_no_answer_that_was_accepted(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with RawUpstream() as upstream:
        gate = upstream.hold("echo")
        config = write_config(tmp_path, certificate, upstream.address, WORKERS + 'drain_timeout = "10s"')
        async with (
            GatewayProcess.serve(config, parts=parts) as gateway,
            await raw_client.connect(*gateway.ready.quic) as client,
        ):
            await client.start("alice")
            await client.hello()
            messages = [client.business("echo", data=bytes(50_000)) for _ in range(18)]
            await upstream.wait_requests(18, "echo")
            gateway.terminate()
            gate.open()
            for message in messages:
                assert len(wire.business(await client.reply(message)).data) == 50_000
            await assert_closed(client, CloseCode.DRAINING)
            assert await gateway.wait() == 0


async def test_sigterm_ends_in_its_time_whatever_a_client_does(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """One call hangs, and the client does not read."""
    async with RawUpstream() as upstream:
        gate = upstream.hold("time")
        config = write_config(tmp_path, certificate, upstream.address, SHORT)
        async with (
            GatewayProcess.serve(config, parts=parts) as gateway,
            await raw_client.connect(*gateway.ready.quic, receive_window=64 << 10) as client,
        ):
            await client.start("alice")
            await client.hello()
            client.pause_reading()
            for _ in range(8):
                client.business("echo", data=bytes(50_000))
            client.business("time")
            await upstream.wait_requests(1, "time")
            await upstream.wait_requests(8, "echo")
            begun = time.monotonic()
            gateway.terminate()
            assert await gateway.wait() == 0
            assert 0.4 < time.monotonic() - begun < 15.0
            assert "drain incomplete" in gateway.errors
            gate.open()


async def test_a_push_that_nobody_would_get_any_more_is_refused(make_world: WorldMaker) -> None:
    """Nobody comes back to a gateway that stops: "retained" or "cached" would be a success for a dropped message."""
    world = await make_world(processor={"drain_timeout": 5.0})
    gate = world.business.hold("slow")
    busy, away, new = await world.online("busy"), await world.online("away"), await world.started("new")
    await away.close()
    await wire.until(lambda: not world.gateway._path.registry.by_openid("away").attached)  # type: ignore[union-attr]
    request = busy.next_seq
    message = busy.business("slow")
    await world.business.wait_requests(1, "slow")
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
    for openid, options in (
        ("away", {}),
        ("new", {}),
        ("away", {"hint": 2, "bind": 1}),
        ("busy", {"hint": 1, "bind": 9}),
    ):
        refused = await world.pusher.push(openid, **options)
        assert (refused.success, refused.error_code) == (False, "DRAINING"), (openid, options, refused)
    assert (await world.pusher.push("busy", data=b"now")).message == "sent"
    assert (await world.pusher.push("busy", data=b"with", hint=1, bind=request)).message == "bound"
    assert (await world.pusher.broadcast(data=b"all")).sent_count == 1
    gate.open()
    await busy.reply(message)
    await assert_closed(busy, CloseCode.DRAINING)
    assert [wire.business(push).data for push in busy.notifies] == [b"now", b"all", b"with"]
    await assert_closed(new, CloseCode.DRAINING)
    await stopping


async def test_the_last_line_says_what_is_lost_with_the_stop(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    """A push that was retained before the stop has nobody to come back for it."""
    world = await make_world()
    client = await world.online("alice")
    client.ack(1)
    await client.reply(client.heartbeat())
    await client.close()
    session = world.gateway._path.registry.by_openid("alice")
    assert session is not None
    await wire.until(lambda: not session.attached)
    assert (await world.pusher.push("alice")).message == "retained"
    with caplog.at_level("INFO", "quicgw.gateway"):
        await world.gateway.stop()
    (line,) = [record for record in caplog.records if record.getMessage() == "gateway stopped"]
    assert (line.notifies_lost, line.responses_lost) == (1, 0)  # type: ignore[attr-defined]
