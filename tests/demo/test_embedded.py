from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from quicgw_fast.client import connect
from quicgw_fast.config import Config, RoutingConfig, ServerConfig, TlsConfig, UpstreamConfig, load, located
from quicgw_fast.demo.embedded import Certificate, embedded_gateway, for_development, reachable
from quicgw_fast.demo.services import start_services
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from quicgw_fast.reloading import Origin, ReloadRefused
from quicgw_fast.service import Service
from quicgw_fast.transport import development_certificate
from quicgw_fast.upstream import ZONES
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quicgw_fast.client import Client
    from quicgw_fast.gateway import Gateway

FREE = "127.0.0.1:0"
FREE_PORTS = {"server": {"quic": FREE, "grpc": FREE, "admin": FREE}}
SERVER = ServerConfig(quic=FREE, grpc=FREE, admin=FREE)


def quic(path: Path | None = None, **flags: str) -> str:
    return for_development(load(path, {"server": flags})).server.quic


def test_without_a_choice_only_this_machine_is_let_in(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text('[server]\ngrpc = "127.0.0.1:1"\n')
    assert quic() == quic(grpc="127.0.0.1:0") == quic(file) == "127.0.0.1:8443"


def test_a_choice_counts_wherever_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert quic(quic="127.0.0.2:0") == "127.0.0.2:0"
    file = tmp_path / "dev.toml"
    file.write_text('[server]\nquic = "127.0.0.1:1"\n')
    assert quic(file) == "127.0.0.1:1"
    monkeypatch.setenv("QUICGW_SERVER__QUIC", "[::1]:8443")
    assert quic() == quic(file) == "[::1]:8443"


@pytest.mark.parametrize(
    ("address", "reached"),
    [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("127.0.0.1:80", "127.0.0.1:80")],
)
def test_an_address_to_listen_on_becomes_one_to_connect_to(address: str, reached: str) -> None:
    assert reachable(address) == reached


def test_a_certificate_is_gone_afterwards_and_its_key_was_never_there() -> None:
    with Certificate() as certificate:
        assert b"PRIVATE KEY" in certificate.key
        assert [path.name for path in certificate.path.parent.iterdir()] == ["dev-cert.pem"]
        assert b"PRIVATE KEY" not in certificate.path.read_bytes()
        certificate.remove()
        certificate.remove()
    assert not certificate.path.parent.exists()
    with Certificate() as certificate:
        assert certificate.path.exists()
    assert not certificate.path.parent.exists()


@asynccontextmanager
async def client_of(config: Config, certificate: Certificate) -> AsyncIterator[Client]:
    async with (
        embedded_gateway(config, certificate) as gateway,
        connect(gateway.addresses.quic, openid="alice", ca=config.tls.cert or certificate.path) as client,
    ):
        yield client


async def test_what_the_configuration_does_not_name_is_embedded() -> None:
    with Certificate() as certificate:
        async with client_of(Config(server=SERVER), certificate) as client:
            for action in ("echo", "business_msg", "data_sync"):
                assert (await client.call(action, data=b"word")).data == b"word"
            # The services know their gateway: what they push goes through it.
            assert (await client.call("after", params={"title": "pushed"})).code == 200
            assert (await client.next_notify(10)).title == "pushed"


async def test_in_zone_mode_every_zone_is_embedded_and_registered() -> None:
    config = Config(server=SERVER, routing=RoutingConfig(mode="zone"))
    with Certificate() as certificate:
        async with embedded_gateway(config, certificate) as gateway:
            told = json.dumps(gateway.stats()["upstream"])
            assert [zone for zone in ZONES if zone not in told] == []


@pytest.mark.parametrize("mode", ["service", "zone"])
async def test_an_embedded_service_steps_aside_for_one_that_registers(mode: str) -> None:
    config = Config(server=SERVER, routing=RoutingConfig(mode=mode))
    roles: dict[str, Any] = {"service": {}, "zone": {"zones": ZONES}}[mode]
    with Certificate() as certificate:
        async with (
            embedded_gateway(config, certificate) as gateway,
            connect(gateway.addresses.quic, openid="alice", ca=certificate.path) as client,
        ):
            assert (await client.call("data_sync", data=b"word")).data == b"word"
            own = Service(gateway=gateway.addresses.grpc, **roles)
            own.default(lambda: "own")
            async with own.running() as running:
                await running.registered(10)
                assert {(await client.call("data_sync", data=b"word")).data for _ in range(8)} == {b"own"}
            assert {(await client.call("data_sync", data=b"word")).data for _ in range(8)} == {b"word"}


@asynccontextmanager
async def reloading(path: Path, text: str) -> AsyncIterator[Gateway]:
    path.write_text(text)  # noqa: ASYNC240 - one small file
    with Certificate() as certificate, located(path, FREE_PORTS) as config:
        origin = Origin(lambda: located(path, FREE_PORTS), path)
        async with embedded_gateway(config, certificate, origin=origin) as gateway:
            yield gateway


async def test_a_reload_names_a_service_in_the_place_of_the_embedded_one(tmp_path: Path) -> None:
    async with RawUpstream() as own, reloading(path := tmp_path / "dev.toml", "") as gateway:
        path.write_text(f"upstream.hello = ['{own.address}']\nsession.timeout = '60s'")
        assert {change.key for change in (await gateway.reloader.reload("test")).changed} == {
            "upstream.hello",
            "session.timeout",
        }
        async with connect(gateway.addresses.quic, openid="alice", insecure=True):
            assert own.requests
        path.write_text("")
        await gateway.reloader.reload("test")
        async with connect(gateway.addresses.quic, openid="bob", insecure=True) as client:
            assert (await client.call("echo", data=b"word")).data == b"word"
        assert len(own.requests) == 1


async def test_a_reload_cannot_have_more_embedded_than_the_start_had(tmp_path: Path) -> None:
    cert, key = development_certificate(tmp_path)
    async with RawUpstream() as own:
        named = f"upstream.hello = ['{own.address}']\n"
        tls = f"tls.cert = '{cert}'\ntls.key = '{key}'\n"
        async with reloading(path := tmp_path / "dev.toml", named) as gateway:
            path.write_text("session.timeout = '60s'")
            with pytest.raises(ReloadRefused, match=r"upstream\.hello names no instance any more: .* start it again"):
                await gateway.reloader.reload("test")
            path.write_text(f"{named}{tls}")
            with pytest.raises(ReloadRefused, match=r"tls\.cert and tls\.key: .* start it again"):
                await gateway.reloader.reload("test")
            path.write_text(f"{named}routing.mode = 'zone'")
            (waiting,) = (await gateway.reloader.reload("test")).waiting
            assert waiting.key == "routing.mode"
            assert gateway.reloader.config.session.timeout == Config().session.timeout


async def test_what_the_configuration_names_is_used_as_it_is(tmp_path: Path) -> None:
    cert, key = development_certificate(tmp_path)
    services = await start_services(names=("hello",), ports=(0,))
    upstream = UpstreamConfig(hello=(services.addresses["hello"],))
    config = Config(server=SERVER, tls=TlsConfig(cert=cert, key=key), upstream=upstream)
    with Certificate() as unused:
        async with client_of(config, unused) as client:
            assert (await client.call("echo", data=b"word")).data == b"word"
            async with grpc.aio.insecure_channel(services.addresses["hello"]) as channel:
                status = await UpstreamServiceStub(channel).GetStatus(pb.StatusRequest(service_name="hello"))
            assert status.metadata["served"] == "1", "the login came to it"
    await services.stop()
