"""Protocol §2: login, heartbeat, STOP, silence, and what is cached before the login."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.world import World, WorldMaker


def says(code: int, **headers: str) -> object:
    async def handler(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, code, "as told", headers=headers)

    return handler


# ---- login


async def test_every_other_action_needs_a_login(world: World) -> None:
    async with world.bystander():
        client = await world.started("alice")
        for action in ("echo", "logout", "status", "anything"):
            push = await client.call(action)
            assert wire.error(push).error_code == 401
        client.assert_gap_free()
    assert not [request for request in world.zone.requests if request.openid == "alice"]


@pytest.mark.parametrize("action", ["hello", "HELLO", "HeLLo"])
async def test_hello_logs_in_whatever_its_case(world: World, action: str) -> None:
    client = await world.started("alice")
    assert wire.business(await client.call(action)).code == 200
    assert wire.business(await client.call("echo")).code == 200


@pytest.mark.parametrize("code", [0, 201, 403, 500, -1])
async def test_a_login_that_is_not_200_is_passed_on_and_changes_nothing(world: World, code: int) -> None:
    world.hello.on("hello", says(code))  # type: ignore[arg-type]
    client = await world.started("alice")
    response = wire.business(await client.hello())
    assert (response.code, response.message) == (code, "as told")
    assert wire.error(await client.call("echo")).error_code == 401


async def test_a_login_that_fails_later_leaves_the_session_logged_in(world: World) -> None:
    client = await world.online("alice")
    world.hello.on("hello", says(403))  # type: ignore[arg-type]
    assert wire.business(await client.hello()).code == 403
    assert wire.business(await client.call("echo")).code == 200


async def test_a_login_whose_upstream_fails_is_500_and_can_be_tried_again(world: World) -> None:
    async def broken(request: UpstreamRequest) -> UpstreamResponse:
        raise Rejected

    world.hello.on("hello", broken)
    client = await world.started("alice")
    assert wire.error(await client.hello()).error_code == 500
    assert wire.error(await client.call("echo")).error_code == 401
    del world.hello.handlers["hello"]
    assert wire.business(await client.hello()).code == 200


async def test_what_is_sent_behind_hello_waits_for_it_and_other_clients_do_not(world: World) -> None:
    gate = world.hello.hold("hello")
    client = await world.started("alice")
    other = await world.started("bob")
    login = client.business("hello")
    echoes = [client.business("echo", data=b"%d" % n) for n in range(5)]
    await world.hello.wait_requests(1)
    world.hello.on("hello", says(200))  # type: ignore[arg-type]
    assert wire.business(await other.hello()).code == 200
    assert wire.business(await other.call("echo", data=b"other")).code == 200
    assert [request.data for request in world.zone.requests] == [b"other"]
    assert not client.numbered
    gate.open()
    for n, message in enumerate(echoes):
        assert wire.business(await client.reply(message)).data == b"%d" % n
    assert client.numbered[0].msg_id == login
    client.assert_gap_free()


async def test_what_waited_behind_a_refused_hello_is_401(world: World) -> None:
    world.hello.on("hello", says(403))  # type: ignore[arg-type]
    client = await world.started("alice")
    messages = [client.business("hello", flush=False), *(client.business("echo", flush=False) for _ in range(3))]
    client.flush()
    assert wire.business(await client.reply(messages[0])).code == 403
    assert [wire.error(await client.reply(message)).error_code for message in messages[1:]] == [401] * 3
    client.assert_gap_free()
    assert [push.msg_id for push in client.numbered] == messages


async def test_two_logins_at_once_are_called_one_after_the_other(world: World) -> None:
    gate = world.hello.hold("hello")
    client = await world.started("alice")
    first, second, echo = client.business("hello"), client.business("hello"), client.business("echo")
    await world.hello.wait_requests(1)
    gate.open()
    await client.reply(echo)
    assert [push.msg_id for push in client.numbered] == [first, second, echo]
    assert len(world.hello.seen) == 2


async def test_a_push_to_a_gid_goes_to_the_newest_session_that_got_it(world: World) -> None:
    world.hello.on("hello", says(200, gid="guild-7", zone="12"))  # type: ignore[arg-type]
    first, second = await world.online("alice"), await world.online("bob")
    assert (await world.pusher.push("guild-7", by="gid", data=b"x")).success
    await second.wait_for(wire.is_notify)
    assert not first.notifies
    assert (await world.pusher.push("guild-8", by="gid")).error_code == "TARGET_NOT_FOUND"


@pytest.mark.parametrize("zone", ["", "abc", "9" * 30, "1.5"])
async def test_a_zone_that_is_no_number_does_not_harm_the_login(world: World, zone: str) -> None:
    world.hello.on("hello", says(200, zone=zone))  # type: ignore[arg-type]
    client = await world.online("alice")
    assert wire.business(await client.call("echo")).code == 200


# ---- what is cached before the login


async def test_what_was_cached_goes_out_right_behind_the_login_and_its_notifies(world: World) -> None:
    client = await world.started("alice")
    for n in range(3):
        assert (await world.pusher.push("alice", data=b"cached %d" % n)).success
    assert (await world.pusher.push("alice", data=b"before", hint=1, bind=1)).success
    assert (await world.pusher.push("alice", data=b"after", hint=2, bind=1)).success
    assert not client.numbered
    login, echo = client.business("hello"), client.business("echo", data=b"echo")
    await client.reply(echo)
    client.assert_gap_free()
    assert [wire.business(push).data for push in client.numbered] == [
        b"before",
        b"",
        b"after",
        b"cached 0",
        b"cached 1",
        b"cached 2",
        b"echo",
    ]
    assert client.numbered[1].msg_id == login


async def test_what_was_cached_stays_cached_when_the_login_fails(world: World) -> None:
    world.hello.on("hello", says(403))  # type: ignore[arg-type]
    client = await world.started("alice")
    assert (await world.pusher.push("alice", data=b"cached")).success
    await client.hello()
    assert not client.notifies
    del world.hello.handlers["hello"]
    await client.hello()
    push = await client.wait_for(wire.is_notify)
    assert (push.seq_id, wire.business(push).data) == (3, b"cached")


async def test_the_cache_holds_64_messages(world: World) -> None:
    client = await world.started("alice")
    answers = [await world.pusher.push("alice", data=b"%d" % n) for n in range(66)]
    assert [reply.success for reply in answers] == [True] * 64 + [False] * 2
    assert answers[-1].error_code == "CACHE_FULL"
    await client.hello()
    notifies = await client.wait_count(64, wire.is_notify)
    assert [wire.business(push).data for push in notifies] == [b"%d" % n for n in range(64)]
    client.assert_gap_free()
    assert (await world.pusher.push("alice", data=b"now it is online")).success


async def test_the_cache_holds_64_kibibytes(world: World) -> None:
    client = await world.started("alice")
    answers = [await world.pusher.push("alice", data=bytes(15_000)) for _ in range(6)]
    assert [reply.success for reply in answers] == [True] * 4 + [False] * 2
    assert answers[-1].error_code == "CACHE_FULL"
    await client.hello()
    await client.wait_count(4, wire.is_notify)


# ---- heartbeat


async def test_a_heartbeat_is_answered_without_a_number(world: World) -> None:
    client = await world.started("alice")
    push = await client.reply(client.heartbeat(123_456))
    assert (push.type, push.seq_id) == (pb.PUSH_HEARTBEAT_RESP, 0)
    beat = pb.HeartbeatResponse.FromString(push.payload)
    assert beat.client_timestamp == 123_456
    assert abs(beat.server_timestamp - time.time() * 1000) < 5000


async def test_a_heartbeat_or_ack_with_a_number_is_400_and_the_session_goes_on(world: World) -> None:
    async with world.bystander():
        client = await world.online("alice")
        assert wire.error(await client.reply(client.heartbeat(seq=2))).error_code == 400
        assert wire.error(await client.reply(client.ack(1, seq=2))).error_code == 400
        assert wire.business(await client.call("echo")).code == 200, "they took no number"
        client.assert_gap_free()


async def test_heartbeats_and_acks_wait_for_neither_hello_nor_business(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 4})
    client = await world.online("alice")
    gate, hello_gate = world.zone.hold("echo"), world.hello.hold("hello")
    echo = client.business("echo")
    await world.zone.wait_requests(1)
    login = client.business("hello")
    for _ in range(3):
        assert (await world.pusher.push("alice")).success
    assert (await world.pusher.push("alice")).error_code == "WINDOW_FULL"
    beat = await client.reply(client.heartbeat())
    assert beat.type == pb.PUSH_HEARTBEAT_RESP
    client.ack(4)
    await client.reply(client.heartbeat())
    assert (await world.pusher.push("alice")).success, "the acknowledgement waited"
    assert not client.replies(echo)
    assert not client.replies(login)
    gate.open()
    hello_gate.open()
    await client.reply(login)


# ---- STOP


async def test_stop_closes_with_normal_and_ends_the_session(world: World) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.stop()
        await assert_closed(client, CloseCode.NORMAL)
        pushed = await world.pusher.push("alice")
        assert (pushed.success, pushed.error_code) == (False, "TARGET_NOT_FOUND")
    again = await world.back(client, client.last_seq)
    assert again.started is not None
    assert (again.started.resumed, again.started.reset_reason) == (False, pb.RESET_REASON_EXPIRED)


async def test_what_is_in_flight_at_a_stop_is_dropped(world: World) -> None:
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    message = client.business("echo")
    await world.zone.wait_requests(1)
    client.stop()
    await assert_closed(client, CloseCode.NORMAL)
    gate.open()
    again = await world.online("alice")
    await again.call("status")
    assert not client.replies(message)
    assert [push.msg_id for push in again.numbered] == [2, 3]


async def test_messages_behind_a_stop_are_not_processed(world: World) -> None:
    client = await world.online("alice")
    client.stop()
    client.business("echo", data=b"too late")
    await assert_closed(client, CloseCode.NORMAL)
    assert wire.business(await (await world.online("bob")).call("echo")).code == 200
    assert b"too late" not in [request.data for request in world.zone.requests]


# ---- silence


async def test_a_session_without_any_message_is_closed_with_idle_and_can_be_resumed(
    make_world: WorldMaker,
) -> None:
    world = await make_world(session={"timeout": 0.6})
    client = await world.online("alice")
    begun = time.monotonic()
    await assert_closed(client, CloseCode.IDLE)
    assert time.monotonic() - begun > 0.5
    again = await world.resumed(client, client.last_seq)
    assert wire.business(await again.call("echo")).code == 200


async def test_a_heartbeat_keeps_the_session_alive(make_world: WorldMaker) -> None:
    world = await make_world(session={"timeout": 2.0})
    client = await world.online("alice")
    for _ in range(8):
        await asyncio.sleep(0.4)
        await client.reply(client.heartbeat())
    assert client.closed is None
