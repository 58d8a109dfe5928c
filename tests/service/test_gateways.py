"""Notifies of a handler go to the gateway that called it (protocol §3), also to one that its service did not know."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.client import connect
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.service import GatewayUnreachable, Request, Service, TargetMissing
from quicgw_fast.service import gateways as module
from quicgw_fast.service.access import GatewayDoor
from quicgw_fast.service.gateways import Gateways
from tests.service.conftest import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quicgw_fast.client import Client
    from tests.service.conftest import MakeGateway

NOBODY = "127.0.0.1:1"


@contextlib.asynccontextmanager
async def called(
    make_gateway: MakeGateway, service: Service, **server: Any
) -> AsyncIterator[tuple[Client, list[Request]]]:
    """A client of a gateway that calls the service and is not one of its own."""
    seen: list[Request] = []

    @service.hello
    async def hello(request: Request) -> None:
        seen.append(request)
        await request.notify_after("news", "for you")

    async with service.running() as running:
        gateway = await make_gateway(upstream={"hello": [running.address]}, **server)
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            yield client, seen


@pytest.mark.parametrize("own", [True, False], ids=["registered elsewhere", "registered nowhere"])
async def test_a_gateway_that_calls_need_not_be_known(make_gateway: MakeGateway, own: bool) -> None:
    others = [(await make_gateway()).addresses.grpc] if own else []
    async with called(make_gateway, Service("hello", gateway=others)) as (client, (request,)):
        assert (await client.next_notify(PATIENCE)).data == b"for you"
        assert request.gateway.startswith("127.0.0.1:")
        assert request.gateway not in others
        assert "gateway" not in request.headers
        await request.notify("news", "and this")
        assert (await client.next_notify(PATIENCE)).data == b"and this"


async def test_a_token_is_not_shown_where_only_a_request_says_so(make_gateway: MakeGateway, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-token-of-this-service\n")
    service = Service("hello", gateway=(await make_gateway()).addresses.grpc, token_file=token)
    outcomes: list[Exception] = []

    @service.action("tell")
    async def tell(request: Request) -> None:
        try:
            await request.notify("news")
        except TargetMissing as error:
            outcomes.append(error)

    @service.hello
    def hello() -> None:
        pass

    async with service.running() as running:
        gateway = await make_gateway(upstream={"hello": [running.address]})
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            await client.call("tell")
    assert len(outcomes) == 1, "its own gateway was asked"


async def test_an_address_that_cannot_be_reached_costs_one_short_wait(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    gateway = await make_gateway()
    service = Service("hello", gateway=gateway.addresses.grpc)
    service.hello(lambda: None)
    async with service.running() as running:
        await running.registered(PATIENCE)
        async with connect(gateway.addresses.quic, openid="alice", insecure=True) as client:
            known = Gateways(running._gateways.own, GatewayDoor())
            for address in (NOBODY, "no address", ""):
                assert list(await known.way(address)) == list(running._gateways.own)
            assert list(await known.way(gateway.addresses.grpc)) == list(running._gateways.own)
            await known.close()
            await service.push("news", openid="alice")
            assert (await client.next_notify(PATIENCE)).type == "news"


async def test_without_any_other_the_one_that_called_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    known = Gateways([], GatewayDoor())
    (link,) = await known.way(NOBODY)
    with pytest.raises(GatewayUnreachable, match="nothing listens there"):
        await link.push(pb.UnicastPushRequest(), 5.0)
    await known.close()


async def test_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(module, "MOST", 2)
    known = Gateways([], GatewayDoor())
    for port in (1, 2, 1, 3):
        await known.way(f"127.0.0.1:{port}")
    assert [link.address for link in known._callers.values()] == ["127.0.0.1:1", "127.0.0.1:3"]
    await known.close()
    assert not known._callers
