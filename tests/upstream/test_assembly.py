"""The upstream side as a whole: what it is built from, and what passes with time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream import ServiceMode, ZoneMode
from tests.support import strangers
from tests.support.clock import Clock
from tests.upstream.conftest import side_of, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw_upstream import RawUpstream


async def test_what_is_configured_is_dialled_and_called(upstream: Callable[[], Awaitable[RawUpstream]]) -> None:
    server = await upstream()
    side = side_of(UpstreamConfig(hello=(server.address,)), ServiceMode(RoutingConfig()))
    assert [instance.address for instance in side.directory.instances("hello")] == [server.address]
    await until(lambda: side.readiness.reason() is None)
    await side.close()


async def test_where_addresses_cannot_be_configured_none_is_dialled() -> None:
    side = side_of(UpstreamConfig(hello=("127.0.0.1:1",)), ZoneMode(RoutingConfig()))
    assert side.directory.instances() == ()
    await side.close()


async def test_an_address_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"upstream\.zone: .*port 0"):
        side_of(UpstreamConfig(zone=("127.0.0.1:0",)))


async def test_the_gateway_is_no_service_of_its_own() -> None:
    side = side_of(UpstreamConfig(hello=("127.0.0.1:9001", "127.0.0.1:9002"), zone=("127.0.0.1:9002",)))
    await side.own.add("127.0.0.1", 9003)
    await side.refuse_own_addresses()
    await side.own.add("127.0.0.1", 9002)
    with pytest.raises(ConfigError, match=r"upstream\.hello, upstream\.zone: 127\.0\.0\.1:9002 is the gateway itself"):
        await side.refuse_own_addresses()
    await side.close()


async def test_who_stays_away_is_forgotten_when_its_time_has_come() -> None:
    clock = Clock()
    side = side_of(UpstreamConfig(forget_after=60.0), clock=clock.face)
    with strangers.nothing() as address:
        instance = side.directory.register(address, "zone").instance
        await until(lambda: instance.tried)
        for seconds, there in ((59.0, True), (1.0, False)):
            clock.advance(seconds)
            side.tend(clock.now)
            assert bool(side.directory.instances()) is there
    await side.close()
