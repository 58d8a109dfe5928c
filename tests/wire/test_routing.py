"""Protocol §3: which upstream gets a request."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.support import wire
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from tests.support.world import World, WorldMaker

HELLO = ("hello", "logout", "status", "heartbeat", "data_sync", "LogOut", "DATA_SYNC")
ZONE = ("zone", "echo", "calculate", "time", "ECHO", "my-echo-2", "datetime", "Recalculated", "rezoned", "status_time")
BUSINESS = ("session_info", "user_list", "hello2", "logout-all", "xyz", "tim", "Ωμέγα")


@pytest.mark.parametrize(
    ("actions", "service"),
    [(HELLO, "hello"), (ZONE, "zone"), (BUSINESS, "business")],
    ids=["hello", "zone", "business"],
)
async def test_the_action_names_the_service(world: World, actions: tuple[str, ...], service: str) -> None:
    client = await world.online("alice")
    for action in actions:
        counts = {name: len(getattr(world, name).seen) for name in ("hello", "zone", "business")}
        assert wire.business(await client.call(action)).code == 200
        counts[service] += 1
        assert counts == {name: len(getattr(world, name).seen) for name in counts}, action


async def test_several_addresses_take_turns_and_one_that_is_down_is_left_out(make_world: WorldMaker) -> None:
    async with RawUpstream("a") as first, RawUpstream("b") as second:
        base = await make_world()
        world = await make_world(upstream={"hello": [base.hello.address], "zone": [first.address, second.address]})
        client = await world.online("alice")
        for _ in range(10):
            assert wire.business(await client.call("echo")).code == 200
        assert (len(first.seen), len(second.seen)) == (5, 5)
        await first.stop()
        codes = [push.type for push in [await client.call("echo") for _ in range(10)]]
        assert len(second.seen) >= 14, f"the dead instance was tried again and again: {codes}"


def zone_of(openid: str) -> str:
    """The zone by the protocol's words."""
    number = int.from_bytes(hashlib.md5(openid.encode()).digest()[:4], "big")
    return f"{number % 6 + 1:03}"


OPENIDS = ["alice", "bob", "carol", "dave", "10001", "张三", "x" * 100, "user-7", "user-8", "user-0"]


async def test_zone_mode_routes_by_openid_to_what_was_registered(make_world: WorldMaker) -> None:
    world = await make_world(routing={"mode": "zone"}, upstream={})
    zones = {f"{number:03}": RawUpstream(f"{number:03}") for number in range(1, 7)}
    assert {zone_of(openid) for openid in OPENIDS} == set(zones), "the test needs an openid for every zone"
    async with contextlib.AsyncExitStack() as stack:
        for zone, upstream in zones.items():
            await stack.enter_async_context(upstream)
            reply = await world.pusher.register(upstream.address, zone)
            assert reply.success, reply
        for openid in OPENIDS:
            client = await world.online(openid)
            assert wire.business(await client.call("anything")).code == 200
            seen = [request.action for request in zones[zone_of(openid)].requests if request.openid == openid]
            assert seen == ["hello", "anything"], "hello is routed by openid too"


async def test_a_zone_without_an_instance_is_503_until_one_registers(make_world: WorldMaker) -> None:
    world = await make_world(routing={"mode": "zone"}, upstream={})
    client = await world.started("alice")
    push = await client.hello()
    assert wire.error(push).error_code == 503
    assert int(push.headers["retry-after-ms"]) > 0
    assert (await world.pusher.register(world.zone.address, zone_of("alice"))).success
    assert wire.business(await client.hello()).code == 200


@pytest.mark.parametrize("zone", ["000", "007", "1", "", "abc"])
async def test_a_registration_for_a_zone_that_is_none_is_refused(make_world: WorldMaker, zone: str) -> None:
    world = await make_world(routing={"mode": "zone"}, upstream={})
    reply = await world.pusher.register(world.zone.address, zone)
    assert not reply.success
    assert reply.error_code


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999"])
async def test_a_registration_of_an_address_that_is_none_is_refused(make_world: WorldMaker, address: str) -> None:
    world = await make_world(routing={"mode": "zone"}, upstream={})
    reply = await world.pusher.register(address, "001")
    assert not reply.success
    assert reply.error_code


async def test_ranges_of_a_numeric_openid_by_configuration(make_world: WorldMaker) -> None:
    ranges = [[1, 999, "002"], [1000, 1999, "005"]]
    world = await make_world(routing={"mode": "zone", "zone_ranges": ranges}, upstream={})
    assert (await world.pusher.register(world.zone.address, "002")).success
    assert (await world.pusher.register(world.business.address, "005")).success
    for openid, upstream in (
        ("1", world.zone),
        ("999", world.zone),
        ("1000", world.business),
        ("1999", world.business),
    ):
        await world.online(openid)
        assert upstream.requests[-1].openid == openid
