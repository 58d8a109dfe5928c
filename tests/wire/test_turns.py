"""Protocol §3: what one client's slow requests, logins and ends may do to another's, over real QUIC and gRPC."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import wire
from tests.support.raw_upstream import answer

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


def stats(world: World, part: str = "processor") -> Any:
    return world.gateway.stats()[part]


async def greedy_client(world: World, count: int = 64) -> tuple[RawClient, list[int]]:
    """A client all of whose calls hang; they are sent, and accepted."""
    world.business.hold("slow")
    client = await world.online("greedy")
    messages = [client.business("slow") for _ in range(count)]
    await wire.until(lambda: stats(world)["submitted"] >= count, what="all requests being accepted")
    return client, messages


async def test_slow_requests_of_one_client_leave_room_for_the_others(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 4})
    await greedy_client(world)
    other = await world.online("other")
    for _ in range(5):
        begun = time.monotonic()
        push = await other.call("echo", data=b"quick", headers={"timeout-ms": "20000"})
        assert wire.business(push).data == b"quick"
        assert time.monotonic() - begun < 15.0
    assert world.business.running == 3


async def test_behind_hanging_calls_a_request_is_504_at_its_deadline(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 4})
    client, _ = await greedy_client(world, 60)
    begun = time.monotonic()
    push = await client.call("echo", headers={"timeout-ms": "200"})
    assert wire.error(push).error_code == 504
    assert 0.19 < time.monotonic() - begun < 15.0
    assert not world.zone.requests
    assert stats(world)["late"] == 1


async def test_behind_a_hanging_hello_a_request_is_504_at_its_deadline(world: World) -> None:
    world.hello.hold("hello")
    client = await world.started("alice")
    client.business("hello")
    begun = time.monotonic()
    push = await client.call("echo", headers={"timeout-ms": "200"})
    assert wire.error(push).error_code == 504
    assert 0.19 < time.monotonic() - begun < 15.0


@pytest.mark.parametrize("how", ["stop", "takeover"])
async def test_the_end_of_a_session_frees_its_workers_at_once(make_world: WorldMaker, how: str) -> None:
    world = await make_world(processor={"max_workers": 4})
    client, _ = await greedy_client(world)
    other = await world.online("other")
    blocked = other.business("slow")  # the last worker
    await wire.until(lambda: world.business.running == 4, what="all workers being busy")
    if how == "stop":
        client.stop()
    else:
        await world.started("greedy")  # a fresh session takes the place of the older one
    await client.wait_closed()
    await wire.until(lambda: world.business.cancelled == 3, what="the service learning that nobody waits")
    third = await world.online("third")
    begun = time.monotonic()
    assert wire.business(await third.call("echo")).code == 200
    assert time.monotonic() - begun < 15.0, "long before the deadline of those that hang"
    assert (stats(world)["cancelled"], stats(world)["skipped"], stats(world)["queue_length"]) == (3, 61, 0)
    assert stats(world, "request_memory")["used"] < 10_000, "what the others wait for"
    assert not other.replies(blocked)


async def test_a_burst_of_the_queue_and_the_idle_workers_is_accepted(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 2, "max_queue_size": 5})
    gate = world.zone.hold("echo")
    client = await world.online("alice")
    messages = [client.business("echo") for _ in range(7)]
    refused = await client.reply(messages[6])  # one worker is for others
    assert wire.error(refused).error_code == 503
    assert int(refused.headers["retry-after-ms"]) > 0
    gate.open()
    for message in messages[:6]:
        assert wire.business(await client.reply(message)).code == 200


# ---- logins


class Hellos:
    """A hello service that notes how many calls it has at once."""

    def __init__(self, world: World, seconds: float) -> None:
        self.seconds = seconds
        self.most = 0
        self.upstream = world.hello
        world.hello.on("hello", self)

    async def __call__(self, request: UpstreamRequest) -> UpstreamResponse:
        self.most = max(self.most, self.upstream.running)
        await asyncio.sleep(self.seconds)
        return answer(request)


async def test_forty_logins_with_four_workers_are_four_calls_at_once(make_world: WorldMaker) -> None:
    world = await make_world(processor={"max_workers": 4})
    hellos = Hellos(world, 0.02)
    clients = [await world.started(f"u{number}") for number in range(40)]
    codes = await asyncio.gather(*(client.hello() for client in clients))
    assert [wire.business(push).code for push in codes] == [200] * 40
    assert hellos.most == 4


async def test_logins_wait_for_a_service_that_takes_few_calls(make_world: WorldMaker) -> None:
    """Requests that go to the same service may take the places meanwhile: a login waits all the same."""
    base = await make_world()
    hellos = Hellos(base, 0.02)
    gate = base.hello.hold("status")
    addresses = {name: [getattr(base, name).address] for name in ("hello", "zone")}
    world = await make_world(upstream={**addresses, "max_concurrency": 4})
    first = await world.online("first")
    blocking = [first.business("status") for _ in range(3)]
    await base.hello.wait_requests(3, "status")
    clients = [await world.started(f"u{number}") for number in range(40)]
    codes = await asyncio.gather(*(client.hello() for client in clients))
    assert [wire.business(push).code for push in codes] == [200] * 40
    assert hellos.most == 4, "with the three that hang: one at a time"
    assert stats(world, "counters")["upstream_busy"] > 0
    second = [first.business("status") for _ in range(2)]
    await base.hello.wait_requests(4, "status")
    refused = await first.reply(second[1])
    assert wire.error(refused).error_code == 503, "other requests do not wait for a busy service"
    assert int(refused.headers["retry-after-ms"]) > 0
    gate.open()
    for message in (*blocking, second[0]):
        assert wire.business(await first.reply(message)).code == 200


async def test_a_login_that_finds_its_service_busy_all_the_time_is_told_so(make_world: WorldMaker) -> None:
    base = await make_world()
    base.hello.hold("status")
    world = await make_world(upstream={"hello": [base.hello.address], "max_concurrency": 1})
    first = await world.online("first")
    first.business("status")
    await base.hello.wait_requests(1, "status")
    client = await world.started("second")
    begun = time.monotonic()
    push = await client.call("hello", headers={"timeout-ms": "300"})
    assert wire.error(push).error_code in (503, 504)
    assert 0.2 < time.monotonic() - begun < 15.0
