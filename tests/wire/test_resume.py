"""Protocol §5: acknowledgement and resume."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.world import World

from tests.support.resuming import BOTH_WAYS, acknowledged, assert_reset, with_pushes

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
    assert_reset(third, client, pb.RESET_REASON_NOT_RETAINED)


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
