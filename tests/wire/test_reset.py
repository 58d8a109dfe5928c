"""Protocol §5: every reason for a reset, and what it tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker

from tests.support.resuming import BOTH_WAYS, acknowledged, assert_numbers_from, assert_reset, with_pushes


@BOTH_WAYS
async def test_unknown_session(world: World, by_session: bool) -> None:
    client = await world.connect()
    answer = await client.start("alice", "", 7, "0" * 32 if by_session else "", "e" if by_session else "")
    assert answer.success
    assert (answer.resumed, answer.reset_reason) == (False, pb.RESET_REASON_UNKNOWN_SESSION)
    await assert_numbers_from(world, client, 8)


@BOTH_WAYS
async def test_expired_after_the_resume_window(make_world: WorldMaker, by_session: bool) -> None:
    world = await make_world(session={"resume_window": 1.5})  # it is also how long an ended session is remembered
    client = await with_pushes(world, "alice", 3)
    client.ack(2)
    await client.close()
    pushed = await world.pusher.push("alice")
    assert pushed.success, "it still lives"
    await asyncio.sleep(1.8)
    assert (await world.pusher.push("alice")).error_code == "TARGET_NOT_FOUND"
    again = await world.back(client, 4, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_EXPIRED)
    await assert_numbers_from(world, again, 5)


async def test_a_session_can_be_resumed_until_the_end_of_its_window(make_world: WorldMaker) -> None:
    world = await make_world(session={"resume_window": 3.0})
    client = await world.online("alice")
    for _ in range(3):
        await client.close()
        await asyncio.sleep(1.2)
        client = await world.resumed(client, 1)


async def test_an_ended_session_is_forgotten_after_the_resume_window(make_world: WorldMaker) -> None:
    world = await make_world(session={"resume_window": 3.0})
    client = await world.online("alice")
    client.stop()
    await client.wait_closed()
    again = await world.back(client, 1)
    assert_reset(again, client, pb.RESET_REASON_EXPIRED)
    async with asyncio.timeout(20):
        while again.started is not None and again.started.reset_reason == pb.RESET_REASON_EXPIRED:
            again.stop()
            await again.wait_closed()
            await asyncio.sleep(0.3)
            again = await world.back(client, 1)
    assert_reset(again, client, pb.RESET_REASON_UNKNOWN_SESSION)


async def test_epoch(world: World) -> None:
    client = await with_pushes(world, "alice", 3)
    assert client.started is not None
    again = await world.connect()
    await again.start("alice", "", 2, client.started.connection_id, "another epoch")
    assert_reset(again, client, pb.RESET_REASON_EPOCH)
    await assert_closed(client, CloseCode.SUPERSEDED)
    await assert_numbers_from(world, again, 3)


@BOTH_WAYS
async def test_future_ack(world: World, by_session: bool) -> None:
    client = await with_pushes(world, "alice", 3)
    client.abandon()
    again = await world.back(client, 5, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_FUTURE_ACK)
    await assert_numbers_from(world, again, 6)


@BOTH_WAYS
async def test_not_retained(world: World, by_session: bool) -> None:
    client = await with_pushes(world, "alice", 4)
    await acknowledged(client, 4)
    client.abandon()
    again = await world.back(client, 3, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_NOT_RETAINED)
    await assert_numbers_from(world, again, 4)


async def test_a_reset_leaves_nothing_of_the_old_session(world: World) -> None:
    gate = world.zone.hold("echo")
    client = await with_pushes(world, "alice", 3)
    message = client.business("echo", data=b"old")
    await world.zone.wait_requests(1)
    again = await world.back(client, 100)
    assert_reset(again, client, pb.RESET_REASON_FUTURE_ACK)
    gate.open()
    await assert_numbers_from(world, again, 101)
    assert not again.replies(message)
    assert client.started is not None
    reply = await world.pusher.push(client.started.connection_id, by="session")
    assert reply.error_code == "TARGET_NOT_FOUND"


@pytest.mark.parametrize("claimed", ["", "right epoch", "wrong epoch"])
async def test_a_session_of_somebody_else_looks_like_one_that_never_was(world: World, claimed: str) -> None:
    victim = await with_pushes(world, "victim", 3)
    assert victim.started is not None
    epoch = {"": "", "right epoch": victim.started.epoch}.get(claimed, "zzz")
    thief, guesser = await world.connect(), await world.connect()
    stolen = await thief.start("mallory", "", 1, victim.started.connection_id, epoch)
    guessed = await guesser.start("oscar", "", 1, "0" * len(victim.started.connection_id), epoch)
    for answer in (stolen, guessed):
        answer.connection_id = answer.epoch = ""
    assert stolen == guessed
    assert stolen.reset_reason == pb.RESET_REASON_UNKNOWN_SESSION
    assert thief.start_push is not None
    assert guesser.start_push is not None
    assert dict(thief.start_push.headers) == dict(guesser.start_push.headers)
    assert wire.business(await victim.call("echo")).code == 200
    victim.assert_gap_free()


async def test_an_ended_session_of_somebody_else_looks_like_one_that_never_was(world: World) -> None:
    victim = await world.online("victim")
    assert victim.started is not None
    victim.stop()
    await victim.wait_closed()
    thief = await world.connect()
    stolen = await thief.start("mallory", "", 1, victim.started.connection_id, victim.started.epoch)
    assert stolen.reset_reason == pb.RESET_REASON_UNKNOWN_SESSION


async def test_a_fresh_start_is_no_reset_and_takes_over(world: World) -> None:
    client = await with_pushes(world, "alice", 3)
    again = await world.connect()
    answer = await again.start("alice")
    assert (answer.resumed, answer.reset_reason, answer.max_client_seq) == (False, pb.RESET_REASON_NONE, 0)
    assert client.started is not None
    assert answer.epoch != client.started.epoch
    await assert_closed(client, CloseCode.SUPERSEDED)
    await assert_numbers_from(world, again, 1)
    # The session before is remembered as ended.
    third = await world.back(client, 2)
    assert_reset(third, client, pb.RESET_REASON_EXPIRED)


async def test_a_restarted_gateway_knows_nothing(make_world: WorldMaker) -> None:
    before = await make_world()
    client = await with_pushes(before, "alice", 3)
    after = await make_world()
    again = await after.back(client, 3)
    assert_reset(again, client, pb.RESET_REASON_UNKNOWN_SESSION)
    await assert_numbers_from(after, again, 4)


@pytest.mark.parametrize("number", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
async def test_absurd_numbers_do_no_harm(world: World, number: int) -> None:
    async with world.bystander():
        client = await world.connect()
        body = pb.StartRequest(openid="alice", last_acked_seq_id=number)
        client.request(pb.REQUEST_START, body.SerializeToString())
        answer = pb.StartResponse.FromString((await client.next_push()).payload)
        if answer.success:
            assert answer.reset_reason == pb.RESET_REASON_UNKNOWN_SESSION
        else:
            await assert_closed(client, CloseCode.PROTOCOL_ERROR)


# ---- the gap is told


async def test_a_reset_tells_what_was_missed(world: World) -> None:
    client = await world.online("alice")
    for n in range(3):
        await client.call("echo")
        assert (await world.pusher.push("alice", data=b"%d" % n)).success
        assert (await world.pusher.push("alice", data=b"%d" % n)).success
    await client.wait_count(10)
    await acknowledged(client, 4)
    client.abandon()
    again = await world.back(client, 2)
    assert_reset(again, client, pb.RESET_REASON_NOT_RETAINED)
    assert again.start_push is not None
    told = dict(again.start_push.headers)
    # 3 and 4 were acknowledged once; 5 … 10 are two replies and four notifies.
    assert (told["gap-reason"], told["gap-from"], told["gap-to"]) == ("NOT_RETAINED", "3", "10")
    assert (told["gap-responses"], told["gap-notifies"]) == ("2", "4")


async def test_a_stopped_session_tells_what_was_missed_too(world: World) -> None:
    client = await with_pushes(world, "alice", 4)
    client.stop()
    await client.wait_closed()
    again = await world.back(client, 2)
    assert again.start_push is not None
    told = dict(again.start_push.headers)
    assert (told["gap-from"], told["gap-to"], told["gap-notifies"], told["gap-responses"]) == ("3", "5", "3", "0")


async def test_a_resume_and_a_fresh_start_tell_of_no_gap(world: World) -> None:
    client = await world.online("alice")
    assert client.start_push is not None
    assert not [name for name in client.start_push.headers if name.startswith("gap-")]
    again = await world.resumed(client, 1)
    assert again.start_push is not None
    assert not [name for name in again.start_push.headers if name.startswith("gap-")]
