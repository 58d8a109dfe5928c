"""Protocol §3: numbers of requests, and one reply for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def error_of(client: RawClient, message: int, within: float = 20.0) -> pb.ErrorMessage:
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
        if request.data == b"raises":
            raise Rejected
        if request.data == b"takes a while":
            await asyncio.sleep(0.02)
        if request.data == b"too late":
            await asyncio.sleep(30)
        return answer(request)

    world.business.on("mixed", mixed)
    client = await world.online("alice")
    within = {b"raises": "20000", b"takes a while": "20000", b"too late": "400", b"at once": "20000"}
    messages = [
        client.business("mixed", data=data, headers={"timeout-ms": ms})
        for _ in range(10)
        for data, ms in within.items()
    ]
    for message in messages:
        await client.reply(message)
    await client.call("status")
    assert [len(client.replies(message)) for message in messages] == [1] * 40
    kinds = [client.replies(message)[0].type for message in messages]
    assert kinds.count(pb.PUSH_ERROR) == 20
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


async def test_what_a_stopped_session_had_queued_is_skipped(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1})
    gate = world.zone.hold("echo")
    client, other = await world.online("alice"), await world.online("bob")
    client.business("echo", data=b"running")
    await world.zone.wait_requests(1)
    for _ in range(3):
        client.business("echo", data=b"queued")
    await client.reply(client.heartbeat())
    client.stop()
    await client.wait_closed()
    gate.open()
    assert wire.business(await other.call("echo", data=b"other")).data == b"other"
    assert [request.data for request in world.zone.requests] == [b"running", b"other"]
    stats: dict[str, Any] = world.gateway.stats()["processor"]  # type: ignore[assignment]
    assert stats["skipped"] == 3


async def test_what_a_detached_session_had_queued_is_done(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 1})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    messages = [client.business("echo", data=b"%d" % n) for n in range(4)]
    await client.reply(client.heartbeat())
    client.abandon()
    await client.bury()
    gate.open()
    again = await world.resumed(client, 1)
    for n, message in enumerate(messages):
        assert wire.business(await again.reply(message)).data == b"%d" % n


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_client_that_breaks_off_its_stream_disturbs_nobody_and_can_resume(world: World, how: str) -> None:
    async with world.bystander():
        client = await world.online("alice")
        if how == "reset":
            client.reset_stream(7)
        else:
            client.send_raw(b"\x00\x00\x01\x00half", end=True)
    await world.resumed(client, 1)


async def test_the_processor_tells_its_figures(world: World) -> None:
    stats: dict[str, Any] = world.gateway.stats()["processor"]  # type: ignore[assignment]
    assert stats["max_queue_size"] == 10_000
    assert stats["max_workers"] % 4 == 0
    assert (stats["queue_length"], stats["started"]) == (0, True)
