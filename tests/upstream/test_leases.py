"""Registrations with a lease: renewed by registering again, and over when nobody does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.upstream import NoInstance, ServiceMode
from tests.support.clock import Clock
from tests.upstream.conftest import side_of
from tests.upstream.test_registration import TO_ZONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


class Leasing:
    """The upstream side of a gateway, and its clock."""

    def __init__(self) -> None:
        self.mode = ServiceMode(RoutingConfig())
        self.clock, self.metrics = Clock(), Metrics()
        self.side = side_of(UpstreamConfig(), self.mode, clock=self.clock.face, metrics=self.metrics)

    async def register(self, address: str, lease: int = 0, service: str = "zone", *, leave: bool = False) -> str:
        request = self.mode.registration(address, service)
        request.lease, request.deregister = lease, leave
        return (await self.side.registration.register(request)).error_code

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.side.tend(self.clock.now)

    def lease(self) -> object:
        (told,) = self.side.report()
        return told["lease"]

    def services(self) -> list[str]:
        return [service for i in self.side.directory.instances() for service in self.side.directory.services_of(i)]

    @property
    def expired(self) -> float:
        return self.metrics.count("upstream_leases_expired")


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Leasing]:
    leasing = Leasing()
    yield leasing
    await leasing.side.channels.close()


async def test_a_lease_is_renewed_by_registering_again_and_passes_otherwise(
    gateway: Leasing, upstream: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = await upstream()
    assert await gateway.register(server.address, 10) == ""
    assert gateway.lease() == 10.0
    gateway.pass_time(9.0)
    assert gateway.lease() == 1.0
    assert await gateway.register(server.address, 20) == ""
    gateway.pass_time(19.9)
    assert gateway.services() == ["zone"]
    assert (await gateway.side.caller.call(TO_ZONE, 5.0)).code == 200
    gateway.pass_time(0.1)
    assert gateway.services() == []
    assert gateway.expired == 1
    lines = [vars(record) for record in caplog.records if record.getMessage() == "upstream lease expired"]
    assert [(line["address"], line["service"]) for line in lines] == [(server.address, "zone")]
    with pytest.raises(NoInstance):
        await gateway.side.caller.call(TO_ZONE, 5.0)
    assert await gateway.register(server.address, 10) == ""
    assert gateway.services() == ["zone"]


async def test_without_a_lease_it_stays_and_a_renewal_without_one_ends_the_lease(
    gateway: Leasing, upstream: Start
) -> None:
    server = await upstream()
    await gateway.register(server.address)
    assert gateway.lease() is None
    gateway.pass_time(1e6)
    await gateway.register(server.address, 5)
    await gateway.register(server.address)
    gateway.pass_time(1e6)
    assert gateway.services() == ["zone"]
    assert gateway.expired == 0


async def test_each_service_has_its_own_lease_and_leaves_when_told(gateway: Leasing, upstream: Start) -> None:
    server = await upstream()
    await gateway.register(server.address, 10, "zone")
    await gateway.register(server.address, 30, "business")
    assert gateway.lease() == 10.0
    gateway.pass_time(10.0)
    assert gateway.services() == ["business"]
    assert gateway.lease() == 20.0
    assert await gateway.register(server.address, service="business", leave=True) == ""
    gateway.pass_time(30.0)
    assert gateway.services() == []
    assert gateway.expired == 1, "who left did not expire"


async def test_calls_under_way_are_answered_when_a_lease_passes(gateway: Leasing, upstream: Start) -> None:
    server = await upstream()
    gate = server.hold("zone")
    await gateway.register(server.address, 1)
    call = asyncio.ensure_future(gateway.side.caller.call(TO_ZONE, 10.0))
    await server.wait_requests(1)
    gateway.pass_time(1.0)
    assert gateway.services() == []
    gate.open()
    assert (await call).code == 200


async def test_who_is_an_instance_by_configuration_as_well_stays(upstream: Start) -> None:
    server = await upstream()
    gateway = Leasing()
    gateway.side.directory.add("zone", server.address)
    assert await gateway.register(server.address, 1) == ""
    gateway.pass_time(1.0)
    assert gateway.services() == ["zone"]
    assert gateway.expired == 0
    await gateway.side.channels.close()


async def test_of_instances_that_are_gone_nothing_is_kept(gateway: Leasing) -> None:
    for number in range(1, 80):
        gateway.side.directory.register(f"127.0.0.1:{number}", "zone")
        await gateway.register(f"127.0.0.1:{number}", 1000, "zone") if number % 40 == 0 else None
    gateway.pass_time(3600.0)
    gateway.pass_time(1.0)
    assert gateway.side.registration._leases.keys() == []


async def test_a_registration_outlives_a_configuration_that_named_it(upstream: Start, gateway: Leasing) -> None:
    address = (await upstream()).address
    side = gateway.side
    assert await gateway.register(address) == ""
    for configured in ((address,), ()):
        (await side.prepare(UpstreamConfig(zone=configured), RoutingConfig()))()
        gateway.pass_time(1.0)
        assert [each.address for each in side.directory.instances("zone")] == [address]
    assert await gateway.register(address, leave=True) == ""
    assert side.directory.instances("zone") == ()
