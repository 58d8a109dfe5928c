"""Contract §5: acknowledgement, resume, and every reason for a reset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast._proto import client_pb2 as pb
from quicgw_fast.types import CloseCode
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

BOTH_WAYS = pytest.mark.parametrize("by_session", [True, False], ids=["session", "openid"])


async def with_pushes(world: World, openid: str, count: int) -> RawClient:
    """A client that is logged in (number 1) and has received pushes 2 … count + 1."""
    client = await world.online(openid)
    for n in range(2, count + 2):
        assert (await world.pusher.push(openid, data=b"push %d" % n)).success
    await client.wait_count(count + 1)
    return client


async def acknowledged(client: RawClient, number: int) -> None:
    """Acknowledge, and wait until the gateway has read it."""
    client.ack(number)
    await client.reply(client.heartbeat())


def assert_reset(client: RawClient, before: RawClient, reason: int, after: int) -> None:
    """Check a START_RESP that resets, for a client that said it had everything up to ``after``."""
    answer = client.started
    assert answer is not None
    assert before.started is not None
    assert answer.success, answer.error
    assert not answer.resumed
    assert answer.reset_reason == reason, pb.ResetReason.Name(answer.reset_reason)
    assert answer.epoch not in ("", before.started.epoch)
    assert answer.connection_id != before.started.connection_id
    assert answer.max_client_seq == 0


async def assert_numbers_from(world: World, client: RawClient, first: int) -> None:
    """Check that a fresh session numbers from ``first`` and takes any first client number."""
    client.next_seq = 5000
    push = await client.hello()
    assert wire.business(push).code == 200, "a new session needs a new login"
    assert push.seq_id == first
    assert (await world.pusher.push(client.openid, data=b"new")).success
    await client.wait_count(2)
    client.assert_gap_free(first)


# ---- resume


@BOTH_WAYS
async def test_the_missing_messages_come_again_with_their_numbers_and_then_new_ones(
    world: World, by_session: bool
) -> None:
    client = await with_pushes(world, "alice", 9)
    client.abandon()
    again = await world.resumed(client, 4, by_session=by_session)
    answer, before = again.started, client.started
    assert answer is not None
    assert before is not None
    assert (answer.connection_id, answer.epoch) == (before.connection_id, before.epoch)
    assert (answer.replay_from, answer.reset_reason, answer.max_client_seq) == (5, pb.RESET_REASON_NONE, 1)
    assert answer.resume_window == 120
    assert (await world.pusher.push("alice", data=b"new")).success
    await again.wait_count(7)
    again.assert_gap_free(5)
    assert again.numbered[:6] == client.numbered[4:]
    assert wire.business(again.numbered[6]).data == b"new"
    assert again.log[0].type == pb.PUSH_START_RESP, "the answer comes before what is replayed"


@BOTH_WAYS
async def test_nothing_missing_means_nothing_replayed(world: World, by_session: bool) -> None:
    client = await with_pushes(world, "alice", 3)
    client.abandon()
    again = await world.resumed(client, 4, by_session=by_session)
    await again.call("echo")
    again.assert_gap_free(5)


async def test_everything_comes_again_from_zero_with_the_session_id(world: World) -> None:
    client = await with_pushes(world, "alice", 3)
    client.abandon()
    again = await world.resumed(client, 0)
    await again.wait_count(4)
    assert again.numbered == client.numbered
    assert again.started is not None
    assert again.started.replay_from == 1


async def test_a_resume_acknowledges_too(world: World) -> None:
    client = await with_pushes(world, "alice", 5)
    client.abandon()
    again = await world.resumed(client, 4)
    again.abandon()
    third = await world.back(client, 3)
    assert_reset(third, client, pb.RESET_REASON_NOT_RETAINED, 3)


async def test_resuming_again_and_again_loses_nothing(world: World) -> None:
    client = await with_pushes(world, "alice", 1)
    got = list(client.numbered)
    for n in range(10):
        client.abandon()
        assert (await world.pusher.push("alice", data=b"away %d" % n)).success
        client = await world.resumed(client, got[-1].seq_id)
        await client.call("echo", data=b"echo %d" % n)
        got += client.numbered
    assert [push.seq_id for push in got] == list(range(1, 23))


async def test_the_session_keeps_its_state_and_needs_no_second_login(world: World) -> None:
    client = await world.online("alice")
    client.abandon()
    again = await world.resumed(client, 1)
    assert wire.business(await again.call("echo")).code == 200
    assert len(world.hello.seen) == 1


async def test_a_session_that_was_not_logged_in_is_resumed_as_such(world: World) -> None:
    client = await world.started("alice")
    client.abandon()
    assert (await world.pusher.push("alice", data=b"cached")).success
    again = await world.resumed(client, 0)
    assert wire.error(await again.call("echo")).error_code == 401
    await again.hello()
    await again.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"cached")


async def test_max_client_seq_tells_which_requests_arrived(world: World) -> None:
    client = await world.online("alice")
    for _ in range(3):
        await client.call("echo")
    client.abandon()
    again = await world.resumed(client, client.last_seq)
    assert again.started is not None
    assert again.started.max_client_seq == 4
    assert wire.error(await again.reply(again.business("echo", seq=4))).error_code == 400
    assert wire.business(await again.reply(again.business("echo", seq=5))).code == 200


@BOTH_WAYS
async def test_requests_in_flight_go_on_and_their_replies_are_retained(world: World, by_session: bool) -> None:
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    messages = [client.business("echo", data=b"%d" % n) for n in range(3)]
    await world.zone.wait_requests(3)
    client.abandon()
    gate.open()
    await wire.until(lambda: world.zone.running == 0, what="the answers")
    again = await world.resumed(client, 1, by_session=by_session)
    for n, message in enumerate(messages):
        assert wire.business(await again.reply(message)).data == b"%d" % n
    assert again.started is not None
    assert again.started.max_client_seq == 4
    again.assert_gap_free(2)
    assert len(world.zone.seen) == 3


async def test_a_login_in_flight_goes_on_while_its_client_is_away(world: World) -> None:
    gate = world.hello.hold("hello")
    client = await world.started("alice")
    login, echo = client.business("hello"), client.business("echo", data=b"behind")
    await world.hello.wait_requests(1)
    client.abandon()
    gate.open()
    again = await world.resumed(client, 0)
    assert wire.business(await again.reply(login)).code == 200
    assert wire.business(await again.reply(echo)).data == b"behind"
    again.assert_gap_free(1)


async def test_a_group_that_was_cut_in_the_middle_is_completed(world: World) -> None:
    client = await world.online("alice")
    for hint in (1, 1, 2, 2):
        assert (await world.pusher.push("alice", data=b"hint %d" % hint, hint=hint, bind=2)).success
    await client.call("echo", data=b"reply")
    await client.wait_count(6)
    client.abandon()
    for have in (1, 2, 3, 4, 5):
        again = await world.resumed(client, have)
        await again.wait_count(6 - have)
        assert again.numbered == client.numbered[have:]


@pytest.mark.parametrize("code", [0, 7])
async def test_a_close_by_the_client_is_a_drop(world: World, code: int) -> None:
    client = await world.online("alice")
    await client.close(code)
    assert (await world.pusher.push("alice", data=b"kept")).success
    again = await world.resumed(client, 1)
    await again.wait_for(wire.is_notify)


async def test_a_client_that_ends_its_stream_can_resume(world: World) -> None:
    client = await world.online("alice")
    client.send_raw(b"", end=True)
    await client.close()
    await world.resumed(client, 1)


async def test_a_large_backlog_is_replayed_whole(world: World) -> None:
    client = await world.online("alice")
    client.abandon()
    for n in range(300):
        assert (await world.pusher.push("alice", data=b"%d " % n + bytes(3000))).success
    again = await world.resumed(client, 1)
    await again.wait_count(300, within=20)
    again.assert_gap_free(2)


async def test_pushes_during_the_replay_come_behind_it(world: World) -> None:
    client = await world.online("alice")
    client.abandon()
    for n in range(100):
        assert (await world.pusher.push("alice", data=b"%d" % n + bytes(5000))).success

    async def more() -> None:
        for n in range(100, 150):
            assert (await world.pusher.push("alice", data=b"%d" % n + bytes(5000))).success

    again, _ = await asyncio.gather(world.resumed(client, 1), more())
    await again.wait_count(150, within=20)
    again.assert_gap_free(2)
    assert [wire.business(push).data.rstrip(b"\0") for push in again.numbered] == [b"%d" % n for n in range(150)]


# ---- acknowledgements


async def test_an_acknowledgement_above_the_highest_number_is_a_protocol_error(world: World) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.ack(2)
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)


async def test_a_stale_acknowledgement_is_ignored(world: World) -> None:
    client = await with_pushes(world, "alice", 4)
    await acknowledged(client, 4)
    for number in (0, 1, 3, 4):
        await acknowledged(client, number)
    assert client.closed is None
    client.abandon()
    again = await world.resumed(client, 4)
    await again.wait_count(1)
    again.assert_gap_free(5)


async def test_what_was_received_and_not_acknowledged_is_retained(world: World) -> None:
    """QUIC's own acknowledgements do not count."""
    client = await with_pushes(world, "alice", 20)
    await asyncio.sleep(0.2)
    client.abandon()
    again = await world.resumed(client, 0)
    await again.wait_count(21)
    assert again.numbered == client.numbered


# ---- resets


@BOTH_WAYS
async def test_unknown_session(world: World, by_session: bool) -> None:
    client = await world.connect()
    answer = await client.start("alice", "", 7, "0" * 32 if by_session else "", "e" if by_session else "")
    assert answer.success
    assert (answer.resumed, answer.reset_reason) == (False, pb.RESET_REASON_UNKNOWN_SESSION)
    await assert_numbers_from(world, client, 8)


@BOTH_WAYS
async def test_expired_after_the_resume_window(make_world: WorldMaker, by_session: bool) -> None:
    world = await make_world(session={"resume_window": 0.5})
    client = await with_pushes(world, "alice", 3)
    client.ack(2)
    await client.close()
    pushed = await world.pusher.push("alice")
    assert pushed.success, "it still lives"
    await asyncio.sleep(0.8)
    assert (await world.pusher.push("alice")).error_code == "TARGET_NOT_FOUND"
    again = await world.back(client, 4, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_EXPIRED, 4)
    await assert_numbers_from(world, again, 5)


async def test_a_session_can_be_resumed_until_the_end_of_its_window(make_world: WorldMaker) -> None:
    world = await make_world(session={"resume_window": 1.5})
    client = await world.online("alice")
    for _ in range(3):
        await client.close()
        await asyncio.sleep(0.8)
        client = await world.resumed(client, 1)


async def test_an_ended_session_is_forgotten_after_the_resume_window(make_world: WorldMaker) -> None:
    world = await make_world(session={"resume_window": 0.5})
    client = await world.online("alice")
    client.stop()
    await client.wait_closed()
    again = await world.back(client, 1)
    assert_reset(again, client, pb.RESET_REASON_EXPIRED, 1)
    again.stop()
    await again.wait_closed()
    await asyncio.sleep(1.0)
    assert_reset(await world.back(client, 1), client, pb.RESET_REASON_UNKNOWN_SESSION, 1)


async def test_epoch(world: World) -> None:
    client = await with_pushes(world, "alice", 3)
    assert client.started is not None
    again = await world.connect()
    await again.start("alice", "", 2, client.started.connection_id, "another epoch")
    assert_reset(again, client, pb.RESET_REASON_EPOCH, 2)
    await assert_closed(client, CloseCode.SUPERSEDED)
    await assert_numbers_from(world, again, 3)


@BOTH_WAYS
async def test_future_ack(world: World, by_session: bool) -> None:
    client = await with_pushes(world, "alice", 3)
    client.abandon()
    again = await world.back(client, 5, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_FUTURE_ACK, 5)
    await assert_numbers_from(world, again, 6)


@BOTH_WAYS
async def test_not_retained(world: World, by_session: bool) -> None:
    client = await with_pushes(world, "alice", 4)
    await acknowledged(client, 4)
    client.abandon()
    again = await world.back(client, 3, by_session=by_session)
    assert_reset(again, client, pb.RESET_REASON_NOT_RETAINED, 3)
    await assert_numbers_from(world, again, 4)


async def test_a_reset_leaves_nothing_of_the_old_session(world: World) -> None:
    gate = world.zone.hold("echo")
    client = await with_pushes(world, "alice", 3)
    message = client.business("echo", data=b"old")
    await world.zone.wait_requests(1)
    again = await world.back(client, 100)
    assert_reset(again, client, pb.RESET_REASON_FUTURE_ACK, 100)
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
    assert_reset(third, client, pb.RESET_REASON_EXPIRED, 2)


async def test_a_restarted_gateway_knows_nothing(make_world: WorldMaker) -> None:
    before = await make_world()
    client = await with_pushes(before, "alice", 3)
    after = await make_world()
    again = await after.back(client, 3)
    assert_reset(again, client, pb.RESET_REASON_UNKNOWN_SESSION, 3)
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
    assert_reset(again, client, pb.RESET_REASON_NOT_RETAINED, 2)
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
