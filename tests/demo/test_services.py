from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.demo.services import Services, start_services
from quicgw_fast.errors import ConfigError, StartupError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from quicgw_fast.upstream import ZONES, ZoneMode
from tests.demo.fake_gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Callable


async def call(address: str, action: str) -> pb.UpstreamResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        request = pb.UpstreamRequest(action=action, session_id="s", openid="o", client_seq_id=1)
        return await UpstreamServiceStub(channel).ProcessRequest(request, timeout=10)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.01)


async def test_each_service_has_its_own_port(services: Services) -> None:
    assert list(services.addresses) == ["hello", "business", "zone"]
    assert len(set(services.addresses.values())) == 3
    for name, address in services.addresses.items():
        async with grpc.aio.insecure_channel(address) as channel:
            stub = UpstreamServiceStub(channel)
            status = await stub.GetStatus(pb.StatusRequest(service_name=name), timeout=10)
        assert status.status == "running"
        assert status.uptime >= 0
        assert status.active_connections == 0
        assert dict(status.metadata) == {"service": name, "served": "0"}


async def test_busy_port_is_a_startup_error_and_leaves_nothing_open(services: Services) -> None:
    taken = int(services.addresses["zone"].rpartition(":")[2])
    with pytest.raises(StartupError, match="for the business service: Address already in use"):
        await start_services(ports=(0, taken, 0))


async def test_without_gateway_only_pushing_fails() -> None:
    services = await start_services()
    address = services.addresses["hello"]
    assert (await call(address, "hello")).code == 200
    for action in ("notification", "broadcast"):
        response = await call(address, action)
        assert (response.code, response.message) == (503, "the hello service knows no gateway to push through")
    await services.stop()


async def test_gateway_can_come_later_and_change(gateway: FakeGateway) -> None:
    services = await start_services()
    other = FakeGateway()
    await other.start()
    for current in (gateway, other):
        await services.use_gateway(current.address)
        assert (await call(services.addresses["zone"], "before")).code == 200
        assert len(current.pushes) == 1
    await services.stop()
    await other.stop()


async def test_unreachable_gateway_is_said_in_the_answer(
    gateway: FakeGateway, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.stop()
    monkeypatch.setattr("quicgw_fast.upstream.grpcio.gateway_client.GatewayClient.push.__defaults__", (0.2,))
    monkeypatch.setattr("quicgw_fast.upstream.grpcio.gateway_client.GatewayClient.broadcast.__defaults__", (0.2,))
    for action in ("notification", "broadcast"):
        response = await call(services.addresses["zone"], action)
        assert response.code == 503
        assert gateway.address in response.message


async def test_register_by_name(gateway: FakeGateway, services: Services) -> None:
    await services.register(gateway.address)
    assert gateway.registered == [(address, "", name) for name, address in services.addresses.items()]


async def test_register_by_zone(gateway: FakeGateway) -> None:
    services = await start_services(gateway.address, (0,) * 6, names=ZONES)
    await services.register(gateway.address, ZoneMode)
    assert gateway.registered == [(services.addresses[zone], zone, "") for zone in ZONES]
    await services.stop()


async def test_register_for_given_zones(gateway: FakeGateway, services: Services) -> None:
    await services.register(gateway.address, ZoneMode, ("004", "002", "006"))
    assert [zone for _, zone, _ in gateway.registered] == ["004", "002", "006"]
    with pytest.raises(StartupError, match="3 services cannot serve 2 zones"):
        await services.register(gateway.address, ZoneMode, ("001", "002"))


async def test_register_waits_for_the_gateway(gateway: FakeGateway, services: Services) -> None:
    port = int(gateway.address.rpartition(":")[2])
    await gateway.stop()
    waiting = asyncio.create_task(services.register(gateway.address, timeout=20.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await gateway.start(port)
    await waiting
    assert len(gateway.registered) == 3


async def test_register_gives_up(gateway: FakeGateway, services: Services) -> None:
    await gateway.stop()
    with pytest.raises(StartupError, match=r"cannot register: .*nothing listens there \(is it running\?"):
        await services.register(gateway.address, timeout=0.2)
    with pytest.raises(ConfigError, match="the gateway"):
        await services.register("no address")


async def test_refused_registration_is_an_error(gateway: FakeGateway, services: Services) -> None:
    gateway.closed_to_upstreams = True
    with pytest.raises(StartupError, match=r"refuses .*DIRECTORY_FULL no room"):
        await services.register(gateway.address)


async def test_renewal_survives_a_restart_of_the_gateway(
    gateway: FakeGateway, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quicgw.service")
    await services.register(gateway.address, renew_every=0.05)
    await until(lambda: len(gateway.registered) >= 9)
    port = int(gateway.address.rpartition(":")[2])
    await gateway.stop()
    await until(lambda: "waiting for the gateway" in caplog.text)
    gateway.registered.clear()
    await gateway.start(port)
    await until(lambda: len(gateway.registered) >= 3 and "registered again" in caplog.text)


async def test_a_gateway_that_is_not_there_is_said_while_it_is_waited_for(
    gateway: FakeGateway, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(gateway.address.rpartition(":")[2])
    await gateway.stop()
    waiting = asyncio.create_task(services.register(gateway.address, timeout=20.0))
    await until(lambda: "waiting for the gateway" in caplog.text)
    assert "nothing listens there" in vars(caplog.records[-1])["reason"]
    await gateway.start(port)
    await waiting


async def test_stopping_leaves_the_gateway_first(gateway: FakeGateway) -> None:
    services = await start_services(gateway.address)
    await services.register(gateway.address, renew_every=60.0)
    await services.stop()
    await services.stop()
    assert gateway.left == gateway.registered
    assert len(gateway.left) == 3


async def test_stopping_does_not_wait_for_a_gateway_that_is_gone(gateway: FakeGateway) -> None:
    services = await start_services(gateway.address)
    await services.register(gateway.address)
    await gateway.stop()
    async with asyncio.timeout(5.0):
        await services.stop()


async def test_stop_closes_the_ports_and_leaves_no_task(gateway: FakeGateway) -> None:
    before = asyncio.all_tasks()
    services = await start_services(gateway.address)
    await services.register(gateway.address, renew_every=60.0)
    ports = [int(address.rpartition(":")[2]) for address in services.addresses.values()]
    await services.stop()
    await services.stop()
    # A gRPC server has tasks of its own as long as it runs.
    await gateway.stop()
    await until(lambda: not (asyncio.all_tasks() - before))
    again = await start_services(gateway.address, ports)
    await again.stop()


async def test_stop_with_grace_answers_what_is_under_way(services: Services) -> None:
    address = services.addresses["zone"]
    async with grpc.aio.insecure_channel(address) as channel:

        async def sleep() -> pb.UpstreamResponse:
            request = pb.UpstreamRequest(action="sleep", params={"ms": "300"})
            return await UpstreamServiceStub(channel).ProcessRequest(request, timeout=10)

        async def busy() -> int:
            status = await UpstreamServiceStub(channel).GetStatus(pb.StatusRequest(), timeout=10)
            return status.active_connections

        asleep = asyncio.create_task(sleep())
        while not await busy():
            pass
        await services.stop(grace=10.0)
        assert (await asleep).message == "slept 300 ms"
