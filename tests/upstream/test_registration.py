"""RegisterUpstream as the gateway answers it: never itself, and a promise is no connection."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import (
    ZONES,
    NoInstance,
    RoutingMode,
    ServiceMode,
    UpstreamFailed,
    ZoneMode,
)
from quicgw_fast.upstream import registration as registrations
from tests.support import strangers
from tests.support.clock import Clock
from tests.upstream.conftest import side_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from quicgw_fast.upstream import Instance
    from quicgw_fast.upstream.seam import OpenChannel
    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]

TO_ZONE = UpstreamRequest(action="zone")
TO_BUSINESS = UpstreamRequest(action="x")


class Gateway:
    """The side of a gateway that takes registrations."""

    def __init__(self, mode: RoutingMode, open_channel: OpenChannel | None = None) -> None:
        self.mode = mode
        self.clock = Clock()
        self.side = side_of(UpstreamConfig(forget_after=60.0), mode, clock=self.clock.face, open_channel=open_channel)
        self.directory = self.side.directory

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.side.tend(self.clock.now)

    async def ask(self, address: str, service: str = "zone", *, deregister: bool = False) -> tuple[str, str]:
        """Register or leave; return the error code, empty for success, and the message."""
        request = self.mode.registration(address, service)
        request.deregister = deregister
        answer = await self.side.registration.register(request)
        assert answer.success is not bool(answer.error_code)
        return answer.error_code, answer.message


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway(ServiceMode(RoutingConfig()))
    yield gateway
    await gateway.side.close()


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrations, "WAIT", 0.2)


async def test_who_listens_is_in_service_with_the_answer(
    gateway: Gateway, upstream: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await upstream()
    assert await gateway.ask(server.address) == ("", "registered for zone")
    assert (await gateway.side.caller.call(TO_ZONE, 5.0)).code == 200
    monkeypatch.setattr(registrations, "WAIT", 40.0)
    started = time.monotonic()
    assert await gateway.ask(server.address) == ("", "registered for zone")
    assert time.monotonic() - started < 20.0, "a renewal waits for nothing"


async def test_who_begins_to_listen_a_little_later_is_in_service_too(gateway: Gateway, upstream: Start) -> None:
    server = await upstream()
    address = server.address
    await server.stop()
    asking = asyncio.create_task(gateway.ask(address))
    await until(gateway.directory.instances)
    await server.start(address)
    assert await asking == ("", "registered for zone")


@pytest.mark.usefixtures("short_wait")
async def test_black_holes_take_no_share_of_the_calls(gateway: Gateway, upstream: Start) -> None:
    with strangers.black_hole() as first, strangers.silent() as second, strangers.nothing() as third:
        for address in (first, second, third):
            code, message = await gateway.ask(address)
            assert code == ""
            assert message.startswith("registered for zone; no calls before the gateway can connect to it (")
        with pytest.raises(NoInstance):
            await gateway.side.caller.call(TO_ZONE, 5.0)
        server = await upstream()
        await gateway.ask(server.address)
        for _ in range(12):
            await gateway.side.caller.call(TO_ZONE, 5.0)
        assert len(server.seen) == 12
        assert [instance.healthy for instance in gateway.directory.instances()] == [False, False, False, True]


class NeverThere:
    """A channel whose maker does not wait: its instance was not reached, and nobody knows why yet."""

    def __init__(self, instance: Instance, listener: object, tls: object) -> None: ...

    async def wait_reached(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


async def test_who_was_not_reached_is_registered_and_told_so() -> None:
    gateway = Gateway(ServiceMode(RoutingConfig()), NeverThere)
    for _ in range(2):  # a renewal is told the same
        assert await gateway.ask("127.0.0.1:9") == (
            "",
            "registered for zone; no calls before the gateway can connect to it (no answer yet)",
        )
    assert len(gateway.directory.instances()) == 1
    await gateway.side.close()


@pytest.mark.usefixtures("short_wait")
async def test_who_stays_away_is_forgotten_and_may_come_back(
    gateway: Gateway, upstream: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = await upstream()
    await gateway.ask(server.address)
    with strangers.black_hole() as hole:
        await gateway.ask(hole)
        gateway.pass_time(59.0)
        assert len(gateway.directory.instances()) == 2
        gateway.pass_time(1.0)
        assert [instance.address for instance in gateway.directory.instances()] == [server.address]
    forgotten = [vars(record) for record in caplog.records if record.getMessage() == "upstream forgotten"]
    assert [line["address"] for line in forgotten] == [hole]
    address = server.address
    await server.stop()
    await until(lambda: not gateway.directory.instances()[0].healthy)
    gateway.pass_time(60.0)
    assert gateway.directory.instances() == ()
    await server.start(address)
    assert await gateway.ask(address) == ("", "registered for zone")


async def test_leaving(gateway: Gateway, upstream: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    server = await upstream()
    for service in ("zone", "business"):
        await gateway.ask(server.address, service)
    assert await gateway.ask(server.address, deregister=True) == ("", "deregistered from zone")
    with pytest.raises(NoInstance):
        await gateway.side.caller.call(TO_ZONE, 5.0)
    assert (await gateway.side.caller.call(TO_BUSINESS, 5.0)).code == 200
    code, message = await gateway.ask(server.address, deregister=True)
    assert (code, message) == ("NOT_REGISTERED", f"{server.address} is not registered for zone")
    said = [(record.getMessage(), vars(record)["address"]) for record in caplog.records if "regist" in record.message]
    assert said == [
        ("upstream registered", server.address),
        ("upstream registered", server.address),
        ("upstream deregistered", server.address),
        ("upstream registration refused", server.address),
    ]


async def test_one_address_serves_all_its_zones(upstream: Start) -> None:
    ranges = tuple((int(zone), int(zone), zone) for zone in ZONES)
    gateway = Gateway(ZoneMode(RoutingConfig(zone_ranges=ranges)))
    server = await upstream()
    for zone in ZONES:
        assert await gateway.ask(server.address, zone) == ("", f"registered for {zone}")
    for zone in ZONES:
        assert (await gateway.side.caller.call(UpstreamRequest(action="x", openid=zone), 5.0)).code == 200
    assert len(server.seen) == len(ZONES)
    await gateway.side.close()


OWN = ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST.:{port}", "[::ffff:127.0.0.1]:{port}")


@pytest.mark.parametrize("spelling", OWN)
async def test_the_gateway_itself_is_refused(gateway: Gateway, spelling: str) -> None:
    await gateway.side.own.add("127.0.0.1", 8092)
    code, message = await gateway.ask(spelling.format(port=8092))
    assert code == "OWN_ADDRESS"
    assert "is the gateway itself" in message
    assert gateway.directory.instances() == ()


@pytest.mark.parametrize("spelling", [*OWN, "127.0.0.2:{port}", "[::1]:{port}"])
@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
async def test_all_of_this_machine_is_refused_when_the_gateway_listens_on_all_of_it(
    gateway: Gateway, wildcard: str, spelling: str
) -> None:
    await gateway.side.own.add(wildcard, 8092)
    assert (await gateway.ask(spelling.format(port=8092)))[0] == "OWN_ADDRESS"


@pytest.mark.usefixtures("short_wait")
async def test_a_neighbour_is_not_refused(gateway: Gateway) -> None:
    with strangers.nothing() as address:
        port = int(address.rpartition(":")[2])
        await gateway.side.own.add("127.0.0.1", port)
        # Same port, another address; same address, another port.
        assert (await gateway.ask(f"127.0.0.2:{port}"))[0] == ""
        with strangers.nothing() as other:
            assert (await gateway.ask(other))[0] == ""


async def test_a_connection_that_breaks_is_no_reason_to_leave(gateway: Gateway, upstream: Start) -> None:
    server = await upstream()
    address = server.address
    await gateway.ask(address)
    await server.stop()
    await until(lambda: not gateway.directory.instances()[0].healthy)
    with pytest.raises(UpstreamFailed):
        await gateway.side.caller.call(TO_ZONE, 5.0)
    await server.start(address)
    await until(lambda: gateway.directory.instances()[0].healthy)
    assert (await gateway.side.caller.call(TO_ZONE, 5.0)).code == 200
