"""Embedded services in front of a fake gateway, called over real gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest_asyncio

from quicgw_fast.demo.services import Services, start_services
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from tests.demo.fake_gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Ask = Callable[..., Awaitable[pb.UpstreamResponse]]


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()
    await fake.start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def services(gateway: FakeGateway) -> AsyncIterator[Services]:
    running = await start_services(gateway.address)
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def ask(services: Services) -> AsyncIterator[Ask]:
    """Call an action of a service (business unless told) as the user alice."""
    channels = {name: grpc.aio.insecure_channel(address) for name, address in services.addresses.items()}

    async def call(
        action: str,
        data: bytes = b"",
        *,
        service: str = "business",
        openid: str = "alice",
        headers: dict[str, str] | None = None,
        **params: str,
    ) -> pb.UpstreamResponse:
        request = pb.UpstreamRequest(
            session_id="s-1",
            openid=openid,
            action=action,
            params=params,
            data=data,
            headers=headers,
            client_seq_id=9,
        )
        return await UpstreamServiceStub(channels[service]).ProcessRequest(request, timeout=10)

    yield call
    for channel in channels.values():
        await channel.close()
