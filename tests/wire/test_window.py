"""Protocol §5: the retained window, slow consumers, and overflow."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from quicgw_fast import config as configs
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def fill(world: World, openid: str, most: int = 2000, size: int = 10) -> int:
    """Push until the window is full; returns how many were accepted."""
    for count in range(most):
        reply = await world.pusher.push(openid, data=b"%d" % count + bytes(size))
        if not reply.success:
            assert reply.error_code == "WINDOW_FULL"
            return count
    raise AssertionError(f"{most} pushes and the window is not full")


async def acknowledged(client: RawClient, number: int) -> None:
    client.ack(number)
    await client.reply(client.heartbeat())


async def assert_overflow_reset(world: World, client: RawClient, last_acked: int) -> RawClient:
    again = await world.back(client, last_acked)
    answer = again.started
    assert answer is not None
    assert answer.success
    assert (answer.resumed, answer.reset_reason) == (False, pb.RESET_REASON_OVERFLOW)
    assert (await again.hello()).seq_id == last_acked + 1
    return again


def test_the_default_window() -> None:
    session = configs.SessionConfig()
    assert (session.window_messages, session.window_bytes) == (1024, 1 << 20)
    assert session.memory == 256 << 20
    assert session.slow_consumer_after == 10


async def test_a_push_that_does_not_fit_is_refused_to_its_sender(world: World) -> None:
    client = await world.online("alice")
    assert await fill(world, "alice") == 1023, "the login's reply is in the window too"
    await client.wait_count(1024)
    client.assert_gap_free()
    await acknowledged(client, 10)
    assert await fill(world, "alice") == 10
    await client.wait_count(1034)
    client.assert_gap_free()
    assert client.closed is None


async def test_the_window_is_bounded_in_bytes_too(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_bytes": "20KiB"})
    client = await world.online("alice")
    count = await fill(world, "alice", size=1000)
    assert 17 <= count <= 20
    await client.wait_count(count + 1)
    await acknowledged(client, client.last_seq)
    assert 17 <= await fill(world, "alice", size=1000) <= 20


async def test_a_detached_session_has_the_same_window(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    client = await world.online("alice")
    client.abandon()
    assert await fill(world, "alice") == 7
    again = await world.resumed(client, 1)
    await again.wait_count(7)
    again.assert_gap_free(2)
    assert await fill(world, "alice") == 1, "the resume acknowledged the login's reply"


async def test_one_message_fits_into_an_empty_window_whatever_its_size(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_bytes": "1KiB"})
    client = await world.online("alice")
    for number in range(2, 5):
        await acknowledged(client, client.last_seq)
        assert (await world.pusher.push("alice", data=bytes(100_000))).success
        assert (await world.pusher.push("alice")).error_code == "WINDOW_FULL"
        await client.wait_count(number)
    await acknowledged(client, client.last_seq)
    assert wire.business(await client.call("echo", data=bytes(50_000))).data == bytes(50_000)
    client.assert_gap_free()


async def test_replies_have_a_quarter_more_and_the_next_one_overflows(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    async with world.bystander():
        client = await world.online("alice")
        assert await fill(world, "alice") == 7
        for n in range(2):
            assert wire.business(await client.call("echo", data=b"%d" % n)).code == 200
        client.business("echo", data=b"too much")
        await assert_closed(client, CloseCode.SLOW_CONSUMER)
        client.assert_gap_free()
        assert client.last_seq == 10
        assert not (await world.pusher.push("alice")).success
    again = await assert_overflow_reset(world, client, 10)
    assert again.start_push is not None
    told = dict(again.start_push.headers)
    assert (told["gap-reason"], told["gap-from"], told["gap-responses"]) == ("OVERFLOW", "11", "1")


async def test_a_group_that_does_not_fit_is_not_sent_in_parts(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    client = await world.online("alice")
    for n in range(4):
        assert (await world.pusher.push("alice", data=b"bound", hint=1 + n % 2, bind=2)).success
    assert await fill(world, "alice") == 7
    client.business("echo", data=b"reply")
    await assert_closed(client, CloseCode.SLOW_CONSUMER)
    assert client.last_seq == 8, "part of the group was sent"
    again = await assert_overflow_reset(world, client, 8)
    assert again.start_push is not None
    told = dict(again.start_push.headers)
    assert (told["gap-responses"], told["gap-notifies"]) == ("1", "4")


async def test_errors_use_the_reserve_too(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    client = await world.online("alice")
    assert await fill(world, "alice") == 7
    for _ in range(2):
        assert wire.error(await client.reply(client.business("echo", seq=99))).error_code == 400
    client.business("echo", seq=99)
    await assert_closed(client, CloseCode.SLOW_CONSUMER)
    await assert_overflow_reset(world, client, 10)


async def test_a_broadcast_that_does_not_fit_overflows_only_that_session(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    full, detached, fine = [await world.online(name) for name in ("full", "detached", "fine")]
    detached.abandon()
    for name in ("full", "detached"):
        assert await fill(world, name) == 7
    assert (await world.pusher.broadcast(b"all")).sent_count == 1
    await assert_closed(full, CloseCode.SLOW_CONSUMER)
    assert wire.business(await fine.wait_for(wire.is_notify)).data == b"all"
    assert (await world.pusher.broadcast(b"again")).sent_count == 1
    for client, have in ((full, 8), (detached, 1)):
        again = await assert_overflow_reset(world, client, have)
        assert again.start_push is not None
        told = dict(again.start_push.headers)
        assert int(told["gap-notifies"]) == 8 - have + 2, told


async def test_after_an_overflow_nothing_is_accepted_until_the_reset(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 8})
    client = await world.online("alice")
    client.abandon()
    await fill(world, "alice")
    assert (await world.pusher.broadcast(b"all")).sent_count == 0
    assert not (await world.pusher.push("alice")).success
    again = await assert_overflow_reset(world, client, 1)
    assert (await world.pusher.push("alice", data=b"after")).success
    await again.wait_for(wire.is_notify)
    again.assert_gap_free(2)


# ---- slow consumers


async def test_a_client_that_does_not_acknowledge_is_closed_and_loses_nothing(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 10, "slow_consumer_after": 0.6})
    async with world.bystander():
        client = await world.online("alice")
        for n in range(8):
            assert (await world.pusher.push("alice", data=b"%d" % n)).success
        begun = time.monotonic()
        await assert_closed(client, CloseCode.SLOW_CONSUMER)
        assert time.monotonic() - begun > 0.5
        again = await world.resumed(client, 1)
        await again.wait_count(8)
        again.assert_gap_free(2)


async def test_at_80_percent_nobody_is_closed(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 10, "slow_consumer_after": 0.3})
    client = await world.online("alice")
    for _ in range(7):
        assert (await world.pusher.push("alice")).success
    await asyncio.sleep(0.9)
    assert client.closed is None


async def test_an_acknowledgement_begins_the_time_anew(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 10, "slow_consumer_after": 2.0})
    client = await world.online("alice")
    await fill(world, "alice")
    for number in range(1, 5):
        await asyncio.sleep(0.6)
        await acknowledged(client, number)
        assert await fill(world, "alice") == 1
    assert client.closed is None


async def test_a_client_that_stops_reading_gets_everything_when_it_reads_again(world: World) -> None:
    client = await world.online("alice", receive_window=64 << 10)
    client.pause_reading()
    count = await fill(world, "alice", size=5000)
    assert 150 < count < 210
    client.resume_reading()
    await client.wait_count(count + 1, within=20)
    client.assert_gap_free()


async def test_a_client_that_never_reads_disturbs_nobody(make_world: WorldMaker) -> None:
    world = await make_world(session={"slow_consumer_after": 1.0})
    async with world.bystander():
        client = await world.online("alice", receive_window=64 << 10)
        client.pause_reading()
        count = await fill(world, "alice", size=5000)
        await assert_closed(client, CloseCode.SLOW_CONSUMER)
        again = await world.resumed(client, 1)
        await again.wait_count(count, within=20)
        again.assert_gap_free(2)


async def test_a_client_on_a_slow_link_gets_an_answer_that_fills_its_window(make_world: WorldMaker) -> None:
    """It takes longer than a client may take that makes no progress, and is acknowledged at its end."""
    world = await make_world(session={"slow_consumer_after": 2.0})
    client = await world.online("alice", receive_window=16 << 10)
    client.pause_reading()
    message = client.business("echo", data=bytes(1_000_000))
    begun = time.monotonic()
    while not client.replies(message):
        assert client.closed is None, f"closed after {time.monotonic() - begun:.1f} s: {client.closed}"
        assert time.monotonic() - begun < 40.0
        await asyncio.sleep(0.6)  # its credit doubles each time
        client.resume_reading()
        client.pause_reading()
    assert time.monotonic() - begun > 1.5 * 2.0
    client.resume_reading()
    await acknowledged(client, client.last_seq)
    assert client.closed is None
    client.assert_gap_free()


async def test_a_client_that_reads_and_never_acknowledges_is_closed_whatever_else_it_sends(
    make_world: WorldMaker,
) -> None:
    world = await make_world(session={"window_messages": 10, "slow_consumer_after": 0.6})
    client = await world.online("alice")
    for _ in range(8):
        assert (await world.pusher.push("alice")).success
    begun = time.monotonic()
    while client.closed is None:
        client.heartbeat()
        await asyncio.sleep(0.05)
        assert time.monotonic() - begun < 20.0
    await assert_closed(client, CloseCode.SLOW_CONSUMER)
