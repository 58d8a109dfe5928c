"""Other addresses and another routing table for an upstream side that is in use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.errors import ConfigError
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import ServiceMode
from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.routing import SERVICES
from tests.upstream.conftest import up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

ONE, TWO, THREE = (f"127.0.0.1:{port}" for port in (9001, 9002, 9003))


def directory_of(*addresses: str, most: int = 64) -> Directory:
    directory = Directory(SERVICES, max_instances=most)
    for address in addresses:
        directory.add("hello", address)
    return directory


def hellos(directory: Directory) -> list[str]:
    return [instance.address for instance in directory.instances("hello")]


def configure(directory: Directory, **wanted: list[str]) -> None:
    directory.configure(directory.check({"hello": [], "business": [], "zone": [], **wanted}), lambda *_: False)


def test_what_is_new_comes_and_what_is_left_out_goes() -> None:
    directory = directory_of(ONE, TWO)
    kept = directory.instances("hello")[1]
    configure(directory, hello=[TWO, THREE], zone=[TWO])
    assert hellos(directory) == [TWO, THREE]
    assert directory.instances("hello")[0] is kept, "what stays is the same instance, with its connection"
    assert directory.services_of(kept) == ("hello", "zone")
    configure(directory)
    assert directory.instances() == ()


def test_who_registered_stays_whatever_is_configured() -> None:
    directory = directory_of(ONE)
    directory.register(TWO, "hello")
    configure(directory, hello=[THREE])
    assert sorted(hellos(directory)) == [TWO, THREE]


def test_who_registered_and_is_configured_then_does_not_leave_by_itself() -> None:
    directory = directory_of()
    instance, _ = directory.register(ONE, "hello")
    configure(directory, hello=[ONE])
    assert directory.instances("hello") == (instance,)
    assert not instance.registered
    assert directory.forget(1e9, 1.0) == []


def test_in_a_full_directory_registered_ones_make_room() -> None:
    directory = directory_of(ONE, most=2)
    instance, _ = directory.register(TWO, "hello")
    up(instance)
    configure(directory, hello=[ONE, THREE])
    assert hellos(directory) == [ONE, THREE]


@pytest.mark.parametrize(
    ("addresses", "told"), [(["127.0.0.1:0"], "port 0"), ([ONE, TWO, THREE], "upstream.hello has 3 addresses, 2 may")]
)
def test_addresses_that_cannot_be_used_are_found_beforehand(addresses: list[str], told: str) -> None:
    directory = directory_of(ONE, most=2)
    with pytest.raises(ConfigError, match=told):
        directory.check({"hello": addresses})
    assert hellos(directory) == [ONE]


async def take(side: Upstream, upstream: UpstreamConfig, routing: RoutingConfig) -> None:
    (await side.prepare(upstream, routing))()


def everything_to(service: str) -> RoutingConfig:
    return RoutingConfig(exact={"hello": "hello"}, replace_defaults=True, default=service)


async def test_calls_go_to_the_new_one_and_those_under_way_are_answered(
    upstream: Callable[[], Awaitable[RawUpstream]], side_for: Callable[..., Upstream]
) -> None:
    old, new = await upstream(), await upstream()
    side = side_for(old.address)
    gate = old.hold("slow")
    slow = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 20.0))
    await old.wait_requests(1, "slow")
    await take(side, UpstreamConfig(hello=(new.address,)), everything_to("hello"))
    assert (await side.caller.call(UpstreamRequest(action="echo"), 20.0)).code == 200
    assert len(new.requests) == 1
    gate.open()
    assert (await slow).code == 200


async def test_the_routing_table_is_another_one_from_then_on(
    upstream: Callable[[], Awaitable[RawUpstream]], side_for: Callable[..., Upstream]
) -> None:
    first, second = await upstream(), await upstream()
    side = side_for(first.address)
    addresses = UpstreamConfig(hello=(first.address,), zone=(second.address,))
    for service, server in (("zone", second), ("hello", first)):
        await take(side, addresses, everything_to(service))
        before = len(server.requests)
        assert (await side.caller.call(UpstreamRequest(action="echo"), 20.0)).code == 200
        assert len(server.requests) == before + 1


@pytest.mark.parametrize(
    ("upstream_config", "routing", "told"),
    [
        (UpstreamConfig(hello=("127.0.0.1:0",)), RoutingConfig(), "port 0"),
        (UpstreamConfig(), RoutingConfig(exact={"hello": "zone"}), "nobody could log in"),
        (UpstreamConfig(), RoutingConfig(default="nowhere"), "routing.default"),
    ],
)
async def test_what_cannot_be_used_is_found_before_anything_has_changed(
    side_for: Callable[..., Upstream], upstream_config: UpstreamConfig, routing: RoutingConfig, told: str
) -> None:
    side = side_for(ONE)
    with pytest.raises(ConfigError, match=told):
        await side.prepare(upstream_config, routing)
    assert hellos(side.directory) == [ONE]


async def test_the_gateways_own_address_is_refused_here_too(side_for: Callable[..., Upstream]) -> None:
    side = side_for(ONE)
    await side.own.add("127.0.0.1", 9009)
    with pytest.raises(ConfigError, match=r"upstream\.zone: 127\.0\.0\.1:9009 is the gateway itself"):
        await side.prepare(UpstreamConfig(zone=("127.0.0.1:9009",)), RoutingConfig())


def test_a_table_is_taken_over_from_another_one() -> None:
    mode = ServiceMode(RoutingConfig())
    mode.adopt(ServiceMode(RoutingConfig(exact={"buy": "zone"}, containing={"x": "hello"}, default="zone")))
    assert [mode.service_for(action, "") for action in ("buy", "Axe", "else")] == ["zone", "hello", "zone"]
