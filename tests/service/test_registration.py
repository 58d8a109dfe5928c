"""Being registered, and staying so whatever becomes of the gateway, the service and the network between them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.client import connect
from quicgw_fast.service import Service, ServiceMistake
from tests.service.conftest import FREE, PATIENCE
from tests.support.authority import Authority
from tests.support.tcp_relay import TcpRelay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quicgw_fast.gateway import Gateway
    from tests.service.conftest import MakeGateway

SOON = 0.2
"""Seconds between two registrations; the lease is 1 s."""


def service_of(*names: str, **settings: Any) -> Service:
    service = Service(*names, **{"renew_every": SOON, **settings})
    service.default(lambda request: request.data)
    return service


def upstreams(gateway: Gateway) -> list[dict[str, Any]]:
    return list(gateway.stats()["upstream"]["instances"])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the service said, with the reason."""
    records = [each for each in caplog.records if each.name == "quicgw.service"]
    return [(each.getMessage(), vars(each).get("reason", "")) for each in records]


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quicgw.service")


async def test_it_goes_on_trying_and_says_so_once(make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    first = await make_gateway()
    address = first.addresses.grpc
    async with service_of(gateway=address).running() as running:
        await running.registered(PATIENCE)
        await first.stop()
        await until(lambda: len(said(caplog)) > 1)
        await asyncio.sleep(5 * SOON)
        second = await make_gateway(grpc=address)
        await until(lambda: len(said(caplog)) > 2)
        assert {each["address"] for each in upstreams(second)} == {running.address}
    assert [event for event, _ in said(caplog)] == [
        "registered", "waiting for the gateway", "registered again", "left the gateway",
    ]  # fmt: skip
    assert said(caplog)[1][1] == f"the gateway at {address}: nothing listens there"
    assert upstreams(second) == []


async def test_it_serves_services_and_zones(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(routing={})
    async with service_of("hello", "zone", gateway=gateway.addresses.grpc).running() as running:
        await running.registered(PATIENCE)
        (told,) = upstreams(gateway)
        assert (told["services"], told["registered"]) == (["hello", "zone"], True)
        assert 0 < told["lease"] <= 1
    gateway = await make_gateway(routing={"mode": "zone"})
    zones = ["001", "002", "003", "004", "005", "006"]
    async with service_of(zones=zones, gateway=gateway.addresses.grpc).running() as running:
        await running.registered(PATIENCE)
        assert upstreams(gateway)[0]["services"] == zones
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            assert (await client.call("echo", data=b"x")).data == b"x"


async def test_a_loss_of_the_network_is_noticed_and_over(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("quicgw_fast.service.registration.ANSWER_TIMEOUT", 0.3)
    gateway = await make_gateway()
    async with TcpRelay(gateway.addresses.grpc) as relay, service_of(gateway=relay.address).running() as running:
        await running.registered(PATIENCE)
        relay.lose()
        await until(lambda: not upstreams(gateway))
        await until(lambda: len(said(caplog)) > 1)
        relay.restore()
        await until(lambda: upstreams(gateway))
        await until(lambda: len(said(caplog)) > 2)
    assert said(caplog)[1] == ("waiting for the gateway", f"the gateway at {relay.address}: no answer within 0.3 s")


async def test_several_gateways_are_kept_apart(make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway = await make_gateway()
    service = service_of(gateway=["127.0.0.1:1", gateway.addresses.grpc])
    async with service.running():
        await until(lambda: upstreams(gateway))
    assert upstreams(gateway) == []
    assert ("waiting for the gateway", "the gateway at 127.0.0.1:1: nothing listens there") in said(caplog)


async def refused(service: Service, caplog: pytest.LogCaptureFixture, listen: str = FREE) -> str:
    """Why the service is not registered, as the log says."""
    caplog.clear()
    async with service.running(listen):
        await until(lambda: said(caplog))
        await asyncio.sleep(3 * SOON)
    (event, reason), *rest = said(caplog)
    assert event in ("registration refused", "waiting for the gateway", "registered, but the gateway cannot reach it")
    assert not [each for each in rest if each[0] == event], "once"
    return reason


async def test_a_refusal_says_why_and_what_to_do(make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway = await make_gateway(upstream={"allow": ["127.0.0.9"]})
    grpc = gateway.addresses.grpc
    told = await refused(service_of(gateway=grpc), caplog)
    assert told.startswith("NOT_ALLOWED: ")
    assert told.endswith("; add the address to upstream.allow of the gateway")
    assert 'Service("hello", …)' in await refused(service_of(zones=["001"], gateway=grpc), caplog)
    zones = await make_gateway(routing={"mode": "zone"})
    told = await refused(service_of("hello", gateway=zones.addresses.grpc), caplog)
    assert told.startswith("BAD_ZONE")
    assert 'its routing.mode is "zone"' in told
    told = await refused(
        service_of(gateway=zones.addresses.grpc, zones=["001"], advertise=zones.addresses.quic), caplog
    )
    assert told.startswith("OWN_ADDRESS")
    told = await refused(service_of(gateway=zones.addresses.grpc, zones=["001"], advertise="127.0.0.1:1"), caplog)
    assert "nothing listens there" in told
    assert "say with advertise=… where it does" in told


async def test_what_is_no_gateway_is_told(make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway = await make_gateway()
    told = await refused(service_of(gateway=gateway.addresses.admin), caplog)
    assert "no gRPC is spoken there; the address is server.grpc of the gateway" in told
    other = service_of()
    async with other.running() as running:
        told = await refused(service_of(gateway=running.address), caplog)
        assert told.endswith("gRPC is spoken there, but it is no gateway")
    assert "the host is unknown" in await refused(service_of(gateway="nowhere.invalid:8092"), caplog)


async def test_a_token_is_shown_and_may_be_renewed(
    make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.write_text("new-token-0123456789\n")
    ours.write_text("# of yesterday\nold-token-0123456789\n")
    for path in (theirs, ours):
        path.chmod(0o600)
    gateway = await make_gateway(control={"grpc_token_file": str(theirs)})
    async with service_of(gateway=gateway.addresses.grpc, token_file=ours).running() as running:
        await until(lambda: said(caplog))
        assert "token_file=… has to be one of its control.grpc_token_file" in said(caplog)[0][1]
        ours.unlink()
        await until(lambda: "cannot read" in said(caplog)[-1][1])
        ours.write_text("new-token-0123456789\n")
        await running.registered(PATIENCE)


async def test_it_is_called_over_tls(make_gateway: MakeGateway, tmp_path: Path) -> None:
    authority = Authority("of the test")
    ca, own = authority.write(tmp_path), authority.server_files(tmp_path)
    gateway = await make_gateway(upstream={"ca": str(ca)})
    async with service_of(gateway=gateway.addresses.grpc).running(**own) as running:
        await running.registered(PATIENCE)
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            assert (await client.call("echo", data=b"x")).data == b"x"
    with pytest.raises(ServiceMistake, match="to be called over TLS, give cert and key"):
        async with service_of().running(cert=own["cert"]):
            pass


@pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
async def test_tls(make_gateway: MakeGateway, tmp_path: Path, mutual: bool, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority("of the test")
    ca = authority.write(tmp_path)
    control = {name: str(path) for name, path in authority.server_files(tmp_path).items()}
    shown: dict[str, Path] = {}
    if mutual:
        control["client_ca"] = str(ca)
        for name, pem in authority.client("service").items():
            shown[name] = tmp_path / f"client.{name}"
            shown[name].write_bytes(pem)
    grpc = (await make_gateway(control=control)).addresses.grpc
    service = service_of(gateway=grpc, ca=ca, **shown)
    async with service.running() as running:
        await running.registered(PATIENCE)
        assert (await service.broadcast("all")).sent_count == 0
    assert "give ca=…" in await refused(service_of(gateway=grpc), caplog) or "and ca=…" in said(caplog)[0][1]
    (stranger := tmp_path / "stranger").mkdir()
    told = await refused(service_of(gateway=grpc, ca=Authority("another").write(stranger)), caplog)
    assert "its certificate is not of ca" in told
