"""A gateway in the test's own loop, to which services register, and a client before it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.client import connect
from quicgw_fast.config import load
from quicgw_fast.gateway import Gateway
from tests.support.fixtures import certificate, quick_end_of_the_admin_pages  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from quicgw_fast.client import Client
    from quicgw_fast.service import Service

    MakeGateway = Callable[..., Awaitable[Gateway]]
    Ask = Callable[..., Awaitable[Client]]

FREE = "127.0.0.1:0"
PATIENCE = 20.0
"""Seconds for what surely happens, on a busy machine."""
ONE_FOR_ALL = {"default": "hello", "replace_defaults": True}
"""A routing table with which the service hello answers everything."""


@pytest.fixture
async def make_gateway(certificate: tuple[Path, Path]) -> AsyncIterator[MakeGateway]:  # noqa: F811
    """Make a gateway with tables of the configuration; ``grpc`` is where it listens for services."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(grpc: str = FREE, **tables: Mapping[str, Any]) -> Gateway:
            cert, key = certificate
            server = {"quic": FREE, "grpc": grpc, "admin": FREE}
            tls = {"cert": str(cert), "key": str(key)}
            config = load(None, {"routing": ONE_FOR_ALL, **tables, "server": server, "tls": tls})
            return await stack.enter_async_context(Gateway(config, dev=True))

        yield make


@pytest.fixture
async def ask(make_gateway: MakeGateway) -> AsyncIterator[Ask]:
    """Run the service that a maker makes with a gateway, and return a client that is logged in."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(prepare: Callable[[Service], None], openid: str = "alice", **settings: Any) -> Client:
            from quicgw_fast.service import Service

            gateway = await make_gateway()
            service = Service("hello", gateway=gateway.addresses.grpc, **settings)
            prepare(service)
            if "hello" not in service.actions:
                service.hello(lambda: None)
            running = await stack.enter_async_context(service.running())
            await running.registered(PATIENCE)
            return await stack.enter_async_context(connect(gateway.addresses.quic, openid=openid, insecure=True))

        yield start
