"""Protocol §3, the other side: services that register and leave, that are missing, and that answer too much."""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import config as configs
from quicgw_fast.errors import ConfigError
from quicgw_fast.gateway import Gateway
from tests.support import strangers, wire
from tests.support.raw_upstream import RawUpstream, Rejected, answer

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.proto import service_pb2 as pb
    from tests.support.world import World, WorldMaker

ZONES = [f"{number:03}" for number in range(1, 7)]


def counters(world: World) -> dict[str, int]:
    values: Any = world.gateway.stats()["counters"]
    return dict(values)


async def page(world: World, path: str) -> tuple[int, str]:
    """Get one of the admin pages."""

    def get() -> tuple[int, str]:
        connection = http.client.HTTPConnection(*configs.split_address(world.gateway.addresses.admin), timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode().strip()
        finally:
            connection.close()

    return await asyncio.to_thread(get)


async def until_ready(world: World, ready: bool) -> str:
    """Wait until /readyz says so; return its words."""
    async with asyncio.timeout(10.0):
        while True:
            status, text = await page(world, "/readyz")
            if (status == 200) is ready:
                return text
            await asyncio.sleep(0.02)


async def test_one_service_serves_every_zone_it_registered_for(make_world: WorldMaker) -> None:
    world = await make_world(routing={"mode": "zone"}, upstream={})
    for zone in ZONES:
        reply = await world.pusher.register(world.zone.address, zone)
        assert (reply.success, reply.message) == (True, f"registered for {zone}")
    openids = [f"user-{number}" for number in range(30)]
    for openid in openids:
        assert wire.business(await (await world.online(openid)).call("anything")).code == 200
    assert {request.openid for request in world.zone.requests} == set(openids)


async def test_a_service_learns_the_id_and_the_trace_of_each_request(world: World) -> None:
    client = await world.online("alice")
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await client.call("x", headers={"traceparent": trace, "tracestate": "shop=1", "x-request-id": "order-7"})
    await client.call("x", headers={"traceparent": "nonsense", "tracestate": "shop=1"})
    named, plain = (seen.metadata for seen in await world.business.wait_requests(2))
    assert (named["x-request-id"], named["traceparent"], named["tracestate"]) == ("order-7", trace, "shop=1")
    assert plain["x-request-id"] == f"{client.started.connection_id}-{client.next_seq - 1}"
    assert plain.keys().isdisjoint({"traceparent", "tracestate"})


async def test_a_service_that_leaves_answers_what_it_has_and_gets_nothing_new(make_world: WorldMaker) -> None:
    base = await make_world()
    world = await make_world(upstream={"hello": [base.hello.address]})
    gate = world.business.hold("slow")
    assert (await world.pusher.register(world.business.address, "", "business")).success
    client = await world.online("alice")
    slow = asyncio.create_task(client.call("slow", data=b"x"))
    await world.business.wait_requests(1, "slow")
    reply = await world.pusher.register(world.business.address, "", "business", deregister=True)
    assert (reply.success, reply.message) == (True, "deregistered from business")
    bystander = await world.online("bob")
    assert wire.error(await bystander.call("other")).error_code == 503
    gate.open()
    assert wire.business(await slow).data == b"x"
    again = await world.pusher.register(world.business.address, "", "business", deregister=True)
    assert (again.success, again.error_code) == (False, "NOT_REGISTERED")


async def test_the_gateway_cannot_be_registered_with_itself(world: World) -> None:
    addresses = world.gateway.addresses
    for address in (addresses.quic, addresses.grpc, addresses.admin):
        port = address.rpartition(":")[2]
        for spelling in (address, f":{port}", f"localhost:{port}", f"[::ffff:127.0.0.1]:{port}"):
            reply = await world.pusher.register(spelling, "", "zone")
            assert (reply.success, reply.error_code) == (False, "OWN_ADDRESS"), spelling
    client = await world.online("alice")
    for _ in range(4):
        assert wire.business(await client.call("echo")).code == 200


async def test_a_configuration_that_names_the_gateway_itself_is_refused(
    certificate: tuple[Path, Path], unused_tcp_port: int
) -> None:
    own = f"127.0.0.1:{unused_tcp_port}"
    config = configs.load(
        overrides={
            "server": {"quic": "127.0.0.1:0", "grpc": own, "admin": "127.0.0.1:0"},
            "tls": dict(zip(("cert", "key"), certificate, strict=True)),
            "upstream": {"zone": [own]},
        }
    )
    with pytest.raises(ConfigError, match=rf"upstream\.zone: {own} is the gateway itself"):
        await Gateway(config, dev=True).start()


async def test_black_holes_that_were_registered_take_no_calls(make_world: WorldMaker) -> None:
    world = await make_world()
    with strangers.black_hole() as first, strangers.nothing() as second, strangers.silent() as third:
        replies = await asyncio.gather(
            *(world.pusher.register(address, "", "zone") for address in (first, second, third))
        )
        assert all("no calls before the gateway can connect to it" in reply.message for reply in replies)
        client = await world.online("alice")
        for _ in range(12):
            assert wire.business(await client.call("echo")).code == 200
        status, text = await page(world, "/stats")
        assert status == 200
        assert text.count('"healthy":true') == 3, "the three that are real"


async def test_ready_follows_the_services_that_answer_hello(make_world: WorldMaker) -> None:
    async with RawUpstream("hello") as hello:
        world = await make_world(upstream={"hello": [hello.address]})
        assert await until_ready(world, True) == "ready"
        await hello.stop()
        reason = await until_ready(world, False)
        assert reason == f"no instance of hello is in service ({hello.address}: nothing listens there)"
        await hello.start(hello.address)
        await until_ready(world, True)
        assert wire.business(await (await world.started("alice")).hello()).code == 200


async def test_not_ready_without_any_service_until_one_registers(make_world: WorldMaker) -> None:
    world = await make_world(upstream={})
    assert await page(world, "/readyz") == (503, "no instance of hello is configured or registered")
    assert (await page(world, "/healthz"))[0] == 200
    assert (await world.pusher.register(world.hello.address, "", "hello")).success
    assert await page(world, "/readyz") == (200, "ready")


@pytest.mark.parametrize("size", [(1 << 20) + 100, 2 << 20], ids=["just over a frame", "over what is received"])
async def test_an_answer_larger_than_a_frame_is_called_that(world: World, size: int) -> None:
    async def fill(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        return answer(request, data=bytes(size))

    world.zone.on("echo", fill)
    client = await world.online("alice")
    error = wire.error(await client.call("echo"))
    assert (error.error_code, error.error_message) == (500, "upstream answer too large")
    assert "RESOURCE_EXHAUSTED" not in error.detail
    assert counters(world)["upstream_failures"] == 1
    assert wire.business(await client.call("time")).code == 200


async def test_failed_calls_are_counted_and_say_no_address(world: World) -> None:
    async def reject(_: pb.UpstreamRequest) -> pb.UpstreamResponse:
        raise Rejected

    world.zone.on("echo", reject)
    world.zone.hold("time")
    client = await world.online("alice")
    before = counters(world)
    error = wire.error(await client.call("echo"))
    assert (error.error_code, error.detail) == (500, "the service failed with INTERNAL")
    assert wire.error(await client.call("time", headers={"timeout-ms": "400"})).error_code == 504
    after = counters(world)
    changed = {name: after[name] - before[name] for name in after if name.startswith("upstream_")}
    assert {name: count for name, count in changed.items() if count} == {"upstream_failures": 1, "upstream_timeouts": 1}
    assert after["errors"] - before["errors"] == 2


@pytest.mark.parametrize(("length", "fits"), [(1, True), (200, False)])
async def test_ten_thousand_headers_of_a_reply_arrive_or_are_refused(world: World, length: int, fits: bool) -> None:
    headers = {f"{number:05}": "x" * length for number in range(10_000)}

    async def fill(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        return answer(request, headers=headers)

    world.zone.on("time", fill)
    async with world.bystander():
        client = await world.online("alice")
        push = await client.call("time")
        if fits:
            assert wire.business(push).code == 200
            assert headers.items() <= dict(push.headers).items()
        else:
            error = wire.error(push)
            assert (error.error_code, error.error_message) == (500, "upstream answer too large")
            assert "larger than a frame may be" in error.detail
        assert wire.business(await client.call("echo")).code == 200
        client.assert_gap_free()
