"""Protocol §4: numbers without gaps, and a reply with its bound notifies as one step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

BEFORE, AFTER = 1, 2


def told(client: RawClient) -> list[bytes]:
    """The data of everything numbered, the login left out."""
    return [
        pb.BusinessResponse.FromString(push.payload).data if push.type == pb.PUSH_BUSINESS_DATA else b"error"
        for push in client.numbered[1:]
    ]


def binds_around(world: World, befores: int = 2, afters: int = 2) -> None:
    """Make ``echo`` bind notifies around its own reply before it answers."""

    async def handler(request: UpstreamRequest) -> UpstreamResponse:
        client_seq = request.client_seq_id
        for number in range(max(befores, afters)):
            for hint, count, word in ((AFTER, afters, b"after"), (BEFORE, befores, b"before")):
                if number < count:
                    data = b"%s %d of %d" % (word, number, client_seq)
                    reply = await world.pusher.push(request.openid, data=data, hint=hint, bind=client_seq)
                    assert reply.success, reply
        if request.data == b"fail":
            raise Rejected
        if request.data == b"hang":
            await asyncio.sleep(30)
        return answer(request, data=b"reply %d" % client_seq)

    world.zone.on("echo", handler)


def group(client_seq: int, middle: bytes | None = None, befores: int = 2, afters: int = 2) -> list[bytes]:
    """What must come for one request, in this order and with nothing between."""
    reply = b"reply %d" % client_seq if middle is None else middle
    return [
        *(b"before %d of %d" % (n, client_seq) for n in range(befores)),
        reply,
        *(b"after %d of %d" % (n, client_seq) for n in range(afters)),
    ]


async def test_numbers_begin_at_one_and_answers_without_number_take_none(world: World) -> None:
    client = await world.online("alice")
    for n in range(10):
        await client.reply(client.heartbeat())
        await client.call("echo" if n % 2 else "no such thing")
        await world.pusher.push("alice")
    await client.wait_count(21)
    client.assert_gap_free(1)
    assert {push.seq_id for push in client.log if push.type == pb.PUSH_HEARTBEAT_RESP} == {0}
    assert client.start_push is not None
    assert client.start_push.seq_id == 0


async def test_before_reply_and_after_come_in_this_order(world: World) -> None:
    binds_around(world)
    client = await world.online("alice")
    await client.call("echo")
    await client.wait_count(6)
    assert told(client) == group(2)
    assert [push.msg_id for push in client.numbered[1:]] == [0, 0, 3, 0, 0]
    client.assert_gap_free()


@pytest.mark.parametrize("data", [b"fail", b"hang"])
async def test_bound_notifies_go_out_around_an_error_too(world: World, data: bytes) -> None:
    binds_around(world)
    client = await world.online("alice")
    error = wire.error(await client.call("echo", data=data, headers={"timeout-ms": "400"}))
    assert error.error_code == (500 if data == b"fail" else 504)
    await client.wait_count(6)
    assert told(client) == group(2, b"error")


async def test_groups_of_many_requests_stay_whole_among_other_pushes(world: World) -> None:
    binds_around(world)
    client = await world.online("alice")

    async def noise() -> int:
        for n in range(60):
            assert (await world.pusher.push("alice", data=b"noise %d" % n)).success
            await world.pusher.broadcast(b"noise for all")
        return 120

    sending = asyncio.create_task(noise())
    messages = []
    for _ in range(30):
        messages.append(client.business("echo"))
        await asyncio.sleep(0.002)
    for message in messages:
        await client.reply(message)
    await client.wait_count(1 + await sending + 30 * 5)
    client.assert_gap_free()
    assert_groups(told(client), range(2, 32))


def assert_groups(data: list[bytes], client_seqs: range) -> None:
    for client_seq in client_seqs:
        start = data.index(b"before 0 of %d" % client_seq)
        assert data[start : start + 5] == group(client_seq)


async def test_requests_are_answered_in_the_order_of_their_completion(world: World) -> None:
    async def after(request: UpstreamRequest) -> UpstreamResponse:
        await asyncio.sleep(float(request.params["delay"]))
        return answer(request, data=request.data)

    world.zone.on("echo", after)
    client = await world.online("alice")
    for delay in ("0.3", "0.15", "0.0"):
        client.business("echo", {"delay": delay}, delay.encode())
    await client.wait_count(4)
    assert told(client) == [b"0.0", b"0.15", b"0.3"]
    client.assert_gap_free()


async def test_sessions_are_numbered_independently(world: World) -> None:
    clients = [await world.online(f"user-{n}") for n in range(4)]
    for _ in range(5):
        await asyncio.gather(*(client.call("echo") for client in clients))
    for client in clients:
        client.assert_gap_free(1)
        assert client.last_seq == 6


# ---- the table of §4: what becomes of a bound notify


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_bound_to_a_request_that_was_not_seen_yet_is_kept_for_it(world: World, hint: int) -> None:
    client = await world.online("alice")
    assert (await world.pusher.push("alice", data=b"bound", hint=hint, bind=4)).success
    for n in (2, 3, 4):
        await client.call("echo", data=b"reply %d" % n)
    await client.wait_count(5)
    pair = [b"bound", b"reply 4"] if hint == BEFORE else [b"reply 4", b"bound"]
    assert told(client) == [b"reply 2", b"reply 3", *pair]


@pytest.mark.parametrize("payload", [b"\xff\xff", b"", pb.BusinessRequest(action="echo").SerializeToString()])
async def test_notifies_go_out_around_a_refusal_too(world: World, payload: bytes) -> None:
    """A payload that does not parse, no action, and a login that is missing: each error is the one reply."""
    client = await world.started("alice")
    for hint, data in ((BEFORE, b"before"), (AFTER, b"after")):
        assert (await world.pusher.push("alice", data=data, hint=hint, bind=1)).success
    message = client.request(pb.REQUEST_BUSINESS, payload, seq=1)
    first, error, last = await client.wait_count(3)
    assert wire.error(error).error_code in (400, 401)
    assert error.msg_id == message
    assert [wire.business(push).data for push in (first, last)] == [b"before", b"after"]
    client.assert_gap_free()


async def test_after_an_answered_request_is_sent_at_once(world: World) -> None:
    client = await world.online("alice")
    await client.call("echo", data=b"reply")
    assert (await world.pusher.push("alice", data=b"bound", hint=AFTER, bind=2)).success
    await client.wait_count(3)
    assert told(client) == [b"reply", b"bound"]


async def test_before_an_answered_request_is_refused(world: World) -> None:
    client = await world.online("alice")
    await client.call("echo", data=b"reply")
    reply = await world.pusher.push("alice", data=b"bound", hint=BEFORE, bind=2)
    assert (reply.success, reply.error_code) == (False, "RESPONSE_ALREADY_SENT")
    await client.call("echo", data=b"next")
    assert told(client) == [b"reply", b"next"]
    client.assert_gap_free()


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_a_number_below_the_first_one_counts_as_answered(world: World, hint: int) -> None:
    client = await world.started("alice")
    client.next_seq = 100
    await client.hello()
    reply = await world.pusher.push("alice", data=b"bound", hint=hint, bind=50)
    assert reply.success == (hint == AFTER)
    if hint == AFTER:
        await client.wait_for(wire.is_notify)
    else:
        assert reply.error_code == "RESPONSE_ALREADY_SENT"


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_bound_to_no_number_is_refused(world: World, hint: int) -> None:
    client = await world.online("alice")
    reply = await world.pusher.push("alice", hint=hint, bind=0)
    assert (reply.success, reply.error_code) == (False, "BIND_SEQ_REQUIRED")
    await client.call("echo")
    assert not client.notifies


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_a_request_holds_64_bound_notifies(world: World, hint: int) -> None:
    client = await world.online("alice")
    replies = [await world.pusher.push("alice", data=b"%d" % n, hint=hint, bind=2) for n in range(66)]
    assert [reply.success for reply in replies] == [True] * 64 + [False] * 2
    assert replies[-1].error_code == "BIND_LIMIT"
    await client.call("echo", data=b"reply")
    await client.wait_count(66)
    bound = [b"%d" % n for n in range(64)]
    assert told(client) == ([*bound, b"reply"] if hint == BEFORE else [b"reply", *bound])
    client.assert_gap_free()


async def test_the_64_are_counted_for_before_and_after_together(world: World) -> None:
    await world.online("alice")
    replies = [await world.pusher.push("alice", hint=1 + n % 2, bind=2) for n in range(65)]
    assert [reply.success for reply in replies] == [True] * 64 + [False]


async def test_a_session_holds_1024_bound_notifies(world: World) -> None:
    await world.online("alice")
    client_seqs = [2 + n // 60 for n in range(1025)]
    replies = [await world.pusher.push("alice", hint=AFTER, bind=client_seq) for client_seq in client_seqs]
    assert [reply.success for reply in replies] == [True] * 1024 + [False]
    assert replies[-1].error_code == "BIND_LIMIT"


async def test_a_bound_notify_is_dropped_after_its_time(make_world: WorldMaker) -> None:
    world = await make_world(session={"bind_timeout": 0.3})
    client = await world.online("alice")
    assert (await world.pusher.push("alice", data=b"too old", hint=BEFORE, bind=2)).success
    assert (await world.pusher.push("alice", data=b"too old", hint=AFTER, bind=2)).success
    await asyncio.sleep(0.6)
    assert (await world.pusher.push("alice", data=b"young", hint=AFTER, bind=2)).success
    await client.call("echo", data=b"reply")
    await client.wait_count(3)
    assert told(client) == [b"reply", b"young"]
    client.assert_gap_free()
    counters = world.gateway.stats()["counters"]
    assert isinstance(counters, dict)
    assert [count for name, count in counters.items() if "bind" in name and count == 2], counters


async def test_a_bound_notify_is_not_dropped_before_its_time(make_world: WorldMaker) -> None:
    world = await make_world(session={"bind_timeout": 2.0})
    client = await world.online("alice")
    assert (await world.pusher.push("alice", data=b"bound", hint=BEFORE, bind=2)).success
    await asyncio.sleep(0.7)
    await client.call("echo", data=b"reply")
    assert told(client) == [b"bound", b"reply"]


async def test_binding_races_with_the_reply_and_is_never_silently_late(world: World) -> None:
    """BEFORE pushes are sent while the reply is on its way: each is before it, or was refused."""
    client = await world.online("alice")
    for client_seq in range(2, 42):
        message = client.business("echo", data=b"reply %d" % client_seq)
        pushes = [
            world.pusher.push("alice", data=b"%d before %d" % (n, client_seq), hint=BEFORE, bind=client_seq)
            for n in range(3)
        ]
        results = await asyncio.gather(*pushes)
        await client.reply(message)
        data = told(client)
        at = data.index(b"reply %d" % client_seq)
        for n, result in enumerate(results):
            text = b"%d before %d" % (n, client_seq)
            assert (text in data[:at]) == result.success
            assert result.success or result.error_code == "RESPONSE_ALREADY_SENT"
    client.assert_gap_free()
