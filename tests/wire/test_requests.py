"""Contract §3: numbers of requests, one reply each, deadlines, limits and failures."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from quicgw_fast import config as configs
from quicgw_fast._proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from quicgw_fast._proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def slow(request: UpstreamRequest) -> UpstreamResponse:
    await asyncio.sleep(30)
    return answer(request)


async def error_of(client: RawClient, message: int, within: float = 10.0) -> pb.ErrorMessage:
    return wire.error(await client.reply(message, within))


def names(error: pb.ErrorMessage, number: int) -> bool:
    """Whether an error tells a number."""
    words = f"{error.error_message} {error.detail}".replace(",", " ").replace(".", " ").split()
    return str(number) in words


# ---- numbers


@pytest.mark.parametrize("first", [1, 2, 1000, 1 << 40, (1 << 64) - 2])
async def test_the_first_number_may_be_anything_above_zero(world: World, first: int) -> None:
    client = await world.started("alice")
    client.next_seq = first
    assert wire.business(await client.hello()).code == 200
    assert wire.business(await client.call("echo")).code == 200
    assert world.zone.requests[-1].client_seq_id == first + 1


async def test_zero_is_never_the_right_number(world: World) -> None:
    client = await world.started("alice")
    assert (await error_of(client, client.business("hello", seq=0))).error_code == 400
    await client.hello()
    error = await error_of(client, client.business("echo", seq=0))
    assert error.error_code == 400
    assert names(error, 2)


@pytest.mark.parametrize("wrong", [1, 5, 6, 8, 9, (1 << 64) - 1])
async def test_a_wrong_number_is_400_naming_the_right_one_and_is_not_consumed(world: World, wrong: int) -> None:
    async with world.bystander():
        client = await world.started("alice")
        client.next_seq = 6
        await client.hello()
        for _ in range(2):
            error = await error_of(client, client.business("echo", seq=wrong))
            assert error.error_code == 400
            assert names(error, 7), error
        assert wire.business(await client.call("echo", data=b"seven")).data == b"seven"
        client.assert_gap_free()
    assert [request.client_seq_id for request in world.zone.requests if request.openid == "alice"] == [7]


async def test_a_number_is_consumed_whatever_the_reply_is(world: World) -> None:
    client = await world.started("alice")
    assert wire.error(await client.call("echo")).error_code == 401
    assert (await error_of(client, client.request(pb.REQUEST_BUSINESS, b"\xff\xff", seq=2))).error_code == 400
    client.next_seq = 3
    assert wire.business(await client.hello()).code == 200
    world.zone.on("broken", slow)
    await world.zone.stop()
    assert wire.error(await client.call("echo")).error_code in (500, 503)
    assert wire.business(await client.call("status")).code == 200
    assert world.hello.requests[-1].client_seq_id == 5
    client.assert_gap_free()


# ---- what is refused


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
async def test_a_payload_that_does_not_parse_is_400(world: World, payload: bytes) -> None:
    async with world.bystander():
        client = await world.online("alice")
        error = await error_of(client, client.request(pb.REQUEST_BUSINESS, payload, seq=2))
        assert error.error_code == 400
        client.next_seq = 3
        assert wire.business(await client.call("echo")).code == 200


@pytest.mark.parametrize("payload", [b"", b"\x1a\x03abc"])
async def test_a_request_without_an_action_is_400(world: World, payload: bytes) -> None:
    client = await world.online("alice")
    assert (await error_of(client, client.request(pb.REQUEST_BUSINESS, payload, seq=2))).error_code == 400


@pytest.mark.parametrize("kind", [pb.REQUEST_UNKNOWN, 6, 99, -1])
async def test_an_unknown_request_type_is_400_and_the_session_goes_on(world: World, kind: int) -> None:
    async with world.bystander():
        client = await world.online("alice")
        assert (await error_of(client, client.request(kind, b""))).error_code == 400
        assert wire.business(await client.call("echo")).code == 200
        client.assert_gap_free()


@pytest.mark.parametrize("kind", [pb.REQUEST_HEARTBEAT, pb.REQUEST_ACK, pb.REQUEST_STOP])
async def test_other_payloads_that_do_not_parse_are_400(world: World, kind: int) -> None:
    async with world.bystander():
        client = await world.online("alice")
        assert (await error_of(client, client.request(kind, b"\xff\xff\xff"))).error_code == 400
        assert wire.business(await client.call("echo")).code == 200


# ---- what goes up and what comes down


async def test_everything_goes_up_and_comes_back(world: World) -> None:
    async def full(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, 207, "partly", b"\x00\xff", {"x-one": "1", "x-two": ""})

    world.business.on("order", full)
    client = await world.online("alice")
    message = client.business("Order", {"k": "v", "empty": ""}, b"\x01\x02", {"trace": "abc"})
    push = await client.reply(message)
    request = world.business.requests[-1]
    assert client.started is not None
    assert request.session_id == client.started.connection_id
    assert (request.openid, request.action.lower(), request.client_seq_id) == ("alice", "order", 2)
    assert (dict(request.params), request.data) == ({"k": "v", "empty": ""}, b"\x01\x02")
    assert request.headers["trace"] == "abc"
    response = wire.business(push)
    assert (response.code, response.message, response.data) == (207, "partly", b"\x00\xff")
    assert (push.headers["x-one"], push.headers["x-two"]) == ("1", "")
    assert (push.seq_id, push.msg_id) == (2, message)


@pytest.mark.parametrize("code", [0, 1, 400, 500, 503, -7])
async def test_an_upstreams_own_code_is_passed_on_as_a_response(world: World, code: int) -> None:
    async def coded(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, code)

    world.zone.on("echo", coded)
    client = await world.online("alice")
    assert wire.business(await client.call("echo")).code == code


async def test_message_ids_are_given_back_even_if_they_are_not_unique(world: World) -> None:
    client = await world.online("alice")
    for seq, msg_id in ((2, 7), (3, 7), (4, (1 << 32) - 1)):
        body = pb.BusinessRequest(action="echo").SerializeToString()
        client.send(pb.ClientRequest(msg_id=msg_id, seq_id=seq, type=pb.REQUEST_BUSINESS, payload=body))
    await client.wait_count(4)
    assert [push.msg_id for push in client.numbered[1:]] == [7, 7, (1 << 32) - 1]


async def test_every_request_gets_exactly_one_reply(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 40})

    async def mixed(request: UpstreamRequest) -> UpstreamResponse:
        kind = request.client_seq_id % 4
        if kind == 0:
            raise Rejected
        if kind == 1:
            await asyncio.sleep(0.02)
        if kind == 2:
            await asyncio.sleep(30)
        return answer(request)

    world.business.on("mixed", mixed)
    client = await world.online("alice")
    messages = [client.business("mixed", headers={"timeout-ms": "400"}) for _ in range(40)]
    for message in messages:
        await client.reply(message)
    await client.call("status")
    assert [len(client.replies(message)) for message in messages] == [1] * 40
    kinds = [client.replies(message)[0].type for message in messages]
    assert kinds.count(pb.PUSH_ERROR) == 20
    client.assert_gap_free()


# ---- deadlines


def test_the_default_deadline_is_thirty_seconds() -> None:
    assert configs.Processor().task_timeout == 30.0


async def test_a_request_that_takes_too_long_is_504(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 0.3})
    world.zone.on("echo", slow)
    client = await world.online("alice")
    begun = time.monotonic()
    assert wire.error(await client.call("echo")).error_code == 504
    assert 0.25 < time.monotonic() - begun < 1.5
    await wire.until(lambda: world.zone.cancelled == 1, what="the upstream learning that nobody waits")


async def test_a_login_that_takes_too_long_is_504(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 0.3})
    world.hello.on("hello", slow)
    client = await world.started("alice")
    assert wire.error(await client.hello()).error_code == 504
    assert wire.error(await client.call("echo")).error_code == 401


async def test_a_client_may_shorten_the_deadline_and_not_lengthen_it(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 0.6})
    world.zone.on("echo", slow)
    client = await world.online("alice")
    begun = time.monotonic()
    short = client.business("echo", headers={"timeout-ms": "150"})
    long = client.business("echo", headers={"timeout-ms": "60000"})
    assert (await error_of(client, short)).error_code == 504
    assert time.monotonic() - begun < 0.55
    assert (await error_of(client, long)).error_code == 504
    assert time.monotonic() - begun < 2.0
    first, second = (seen.remaining for seen in world.zone.seen)
    assert first is not None
    assert second is not None
    assert first <= 0.2
    assert second <= 0.65


@pytest.mark.parametrize("text", ["", "abc", "-5", "0", "1.5", "9" * 40])
async def test_a_useless_timeout_header_does_no_harm(world: World, text: str) -> None:
    async with world.bystander():
        client = await world.online("alice")
        push = await client.call("echo", headers={"timeout-ms": text})
        assert push.type in (pb.PUSH_ERROR, pb.PUSH_BUSINESS_DATA)
        if push.type == pb.PUSH_ERROR:
            assert wire.error(push).error_code in (400, 504)
        assert wire.business(await client.call("echo")).code == 200


async def test_waiting_in_the_queue_counts_and_the_upstream_gets_what_remains(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    blocking = client.business("echo", headers={"timeout-ms": "5000"})
    await world.zone.wait_requests(1)
    late = client.business("time", headers={"timeout-ms": "200"})
    waiting = client.business("time", headers={"timeout-ms": "5000"})
    await asyncio.sleep(0.4)
    gate.open()
    assert wire.business(await client.reply(blocking)).code == 200
    assert (await error_of(client, late)).error_code == 504
    assert wire.business(await client.reply(waiting)).code == 200
    (seen,) = await world.zone.wait_requests(1, "time")
    assert seen.remaining is not None
    assert seen.remaining < 4.7, "the time in the queue was given again"


# ---- limits


async def test_a_full_queue_is_503_at_once_and_says_when_to_come_back(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1, "max_queue_size": 2})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    running = client.business("echo")
    await world.zone.wait_requests(1)
    queued = [client.business("echo") for _ in range(2)]
    begun = time.monotonic()
    push = await client.reply(client.business("echo"))
    assert time.monotonic() - begun < 1.0
    assert wire.error(push).error_code == 503
    assert int(push.headers["retry-after-ms"]) > 0
    other = await world.online("bob")  # a login does not need the queue
    assert wire.error(await other.call("echo")).error_code == 503
    gate.open()
    for message in (running, *queued):
        assert wire.business(await client.reply(message)).code == 200
    assert wire.business(await client.call("echo")).code == 200
    client.assert_gap_free()


async def test_more_than_64_requests_in_flight_are_429(world: World) -> None:
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    messages = [client.business("echo") for _ in range(64)]
    push = await client.reply(client.business("echo"))
    assert wire.error(push).error_code == 429
    assert int(push.headers["retry-after-ms"]) > 0
    other = await world.online("bob")
    gate.open()
    for message in messages:
        assert wire.business(await client.reply(message)).code == 200
    assert wire.business(await client.call("echo")).code == 200
    assert wire.business(await other.call("echo")).code == 200
    client.assert_gap_free()


async def test_a_flood_of_messages_is_429_and_only_for_its_sender(make_world: WorldMaker) -> None:
    world = await make_world(limits={"messages_per_second": 50, "message_burst": 20, "in_flight": 1000})
    async with world.bystander():
        client = await world.online("alice")
        messages = [client.business("echo") for _ in range(200)]
        pushes = [await client.reply(message) for message in messages]
        refused = [push for push in pushes if push.type == pb.PUSH_ERROR]
        assert 100 < len(refused) < 190
        assert {wire.error(push).error_code for push in refused} == {429}
        assert all(int(push.headers["retry-after-ms"]) > 0 for push in refused)
        client.assert_gap_free()


def test_the_default_rate_limits() -> None:
    assert (configs.Limits().messages_per_second, configs.Limits().in_flight) == (100, 64)


# ---- failures of upstreams


@pytest.mark.parametrize("status", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED])
async def test_a_failing_upstream_is_500(world: World, status: grpc.StatusCode) -> None:
    async def failing(request: UpstreamRequest) -> UpstreamResponse:
        raise Rejected(status)

    world.zone.on("echo", failing)
    client = await world.online("alice")
    assert wire.error(await client.call("echo")).error_code == 500
    assert wire.business(await client.call("time")).code == 200


async def test_a_refused_connection_is_500(world: World) -> None:
    client = await world.online("alice")
    await world.business.stop()
    push = await client.call("order")
    assert wire.error(push).error_code == 500
    assert wire.business(await client.call("echo")).code == 200


async def test_an_upstream_that_comes_back_is_used_again(world: World) -> None:
    client = await world.online("alice")
    address = world.business.address
    await world.business.stop()
    assert wire.error(await client.call("order")).error_code in (500, 503)
    await world.business.start(address)
    deadline = time.monotonic() + 8
    while (push := await client.call("order")).type == pb.PUSH_ERROR:
        assert wire.error(push).error_code in (500, 503)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_no_instance_is_503_and_says_when_to_come_back(make_world: WorldMaker) -> None:
    world = await make_world()
    without = await make_world(upstream={"hello": [world.hello.address]})
    client = await without.online("alice")
    push = await client.call("echo")
    assert wire.error(push).error_code == 503
    assert int(push.headers["retry-after-ms"]) > 0


async def test_an_answer_larger_than_a_frame_is_500(world: World) -> None:
    async def huge(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, data=bytes(int(request.params["size"])))

    world.zone.on("echo", huge)
    client = await world.online("alice")
    assert wire.error(await client.call("echo", {"size": str(wire.MAX_BODY)})).error_code == 500
    push = await client.call("echo", {"size": str(wire.MAX_BODY - 100)})
    assert len(wire.business(push).data) == wire.MAX_BODY - 100
    assert wire.error(await client.call("echo", {"size": str(5 << 20)})).error_code == 500
    assert wire.business(await client.call("status")).code == 200
    client.assert_gap_free()


# ---- clients that go away


async def test_a_client_that_vanishes_during_its_request_disturbs_nobody(world: World) -> None:
    gate = world.zone.hold("echo")
    async with world.bystander(action="order"):
        client = await world.online("alice")
        message = client.business("echo", data=b"kept")
        await world.zone.wait_requests(1)
        client.abandon()
        gate.open()
    again = await world.resumed(client, 1)
    assert wire.business(await again.reply(message)).data == b"kept"


async def test_the_processor_tells_its_figures(world: World) -> None:
    stats: dict[str, Any] = world.gateway.stats()["processor"]  # type: ignore[assignment]
    assert stats["max_queue_size"] == 10_000
    assert stats["max_workers"] % 4 == 0
    assert (stats["queue_length"], stats["started"]) == (0, True)
