"""Protocol §3: deadlines, limits, and upstreams that fail."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from quicgw_fast import client as sdk
from quicgw_fast import config as configs
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def slow(request: UpstreamRequest) -> UpstreamResponse:
    await asyncio.sleep(60)
    return answer(request)


async def error_of(client: RawClient, message: int, within: float = 20.0) -> pb.ErrorMessage:
    return wire.error(await client.reply(message, within))


def queued(world: World) -> int:
    processor: Any = world.gateway.stats()["processor"]
    assert isinstance(processor, dict)
    return int(processor["queue_length"])


# ---- deadlines


def test_the_default_deadline_is_thirty_seconds() -> None:
    assert configs.ProcessorConfig().task_timeout == 30.0


async def test_a_request_that_takes_too_long_is_504(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 0.3})
    world.zone.on("echo", slow)
    client = await world.online("alice")
    begun = time.monotonic()
    assert wire.error(await client.call("echo")).error_code == 504
    assert 0.25 < time.monotonic() - begun < 15.0
    await wire.until(lambda: world.zone.cancelled == 1, what="the upstream learning that nobody waits")


async def test_a_login_that_takes_too_long_is_504(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 0.3})
    world.hello.on("hello", slow)
    client = await world.started("alice")
    assert wire.error(await client.hello()).error_code == 504
    assert wire.error(await client.call("echo")).error_code == 401


async def test_a_client_may_shorten_the_deadline_and_not_lengthen_it(make_world: WorldMaker) -> None:
    world = await make_world(processor={"task_timeout": 3.0})
    world.zone.on("echo", slow)
    client = await world.online("alice")
    begun = time.monotonic()
    short = client.business("echo", headers={"timeout-ms": "150"})
    long = client.business("echo", headers={"timeout-ms": "60000"})
    assert (await error_of(client, short)).error_code == 504
    assert not client.replies(long)
    assert (await error_of(client, long)).error_code == 504
    assert time.monotonic() - begun < 20.0
    first, second = (seen.remaining for seen in world.zone.seen)
    assert first is not None
    assert second is not None
    assert first <= 0.2
    assert second <= 3.05


async def test_a_client_may_shorten_the_deadline_of_its_login(world: World) -> None:
    world.hello.on("hello", slow)
    client = await world.started("alice")
    begun = time.monotonic()
    push = await client.call("hello", headers={"timeout-ms": "200"})
    assert wire.error(push).error_code == 504
    assert time.monotonic() - begun < 15.0


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
    blocking = client.business("echo", headers={"timeout-ms": "20000"})
    await world.zone.wait_requests(1)
    late = client.business("time", headers={"timeout-ms": "200"})
    waiting = client.business("time", headers={"timeout-ms": "20000"})
    await wire.until(lambda: queued(world) == 2, what="both being in the queue")
    await asyncio.sleep(1.0)
    gate.open()
    assert wire.business(await client.reply(blocking)).code == 200
    assert (await error_of(client, late)).error_code == 504
    assert wire.business(await client.reply(waiting)).code == 200
    (seen,) = await world.zone.wait_requests(1, "time")
    assert seen.remaining is not None
    assert seen.remaining < 19.2, "the time in the queue was given again"


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
    assert time.monotonic() - begun < 15.0, "long before the deadline of those before it"
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
    assert (configs.LimitsConfig().messages_per_second, configs.LimitsConfig().in_flight) == (100, 64)


async def test_more_calls_to_an_upstream_than_allowed_are_503(make_world: WorldMaker) -> None:
    base = await make_world()
    addresses = {name: [getattr(base, name).address] for name in ("hello", "zone")}
    world = await make_world(upstream={**addresses, "max_concurrency": 1})
    gate = base.zone.hold("echo")
    client = await world.online("alice")
    running = client.business("echo")
    await base.zone.wait_requests(1)
    push = await client.reply(client.business("echo"))
    assert wire.error(push).error_code == 503
    assert int(push.headers["retry-after-ms"]) > 0
    assert wire.business(await client.call("status")).code == 200, "another service has a limit of its own"
    gate.open()
    assert wire.business(await client.reply(running)).code == 200


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


@pytest.mark.parametrize("window", [2, 3, 8])
async def test_a_client_that_keeps_to_what_it_is_told_fits_into_a_small_window(
    make_world: WorldMaker, window: int
) -> None:
    world = await make_world(session={"window_messages": window}, limits={"in_flight": 64})
    async with sdk.connect(world.gateway.addresses.quic, openid="alice", insecure=True) as client:
        replies = await asyncio.gather(*(client.call("echo", data=b"%d" % number) for number in range(40)))
    assert [reply.data for reply in replies] == [b"%d" % number for number in range(40)]
    counters: Any = world.gateway.stats()["counters"]
    assert counters["overflows"] == 0


@pytest.mark.parametrize(("window", "size"), [("16KiB", 2_000), ("64KiB", 20_000), ("256KiB", 60_000)])
async def test_the_same_for_a_window_of_few_bytes(make_world: WorldMaker, window: str, size: int) -> None:
    world = await make_world(session={"window_bytes": window})
    async with sdk.connect(world.gateway.addresses.quic, openid="alice", insecure=True) as client:
        for _ in range(20):
            assert (await client.call("echo", data=bytes(size))).code == 200
        replies = await asyncio.gather(*(client.call("echo", data=bytes(size)) for _ in range(30)))
    assert {len(reply.data) for reply in replies} == {size}
    counters: Any = world.gateway.stats()["counters"]
    assert counters["overflows"] == 0
