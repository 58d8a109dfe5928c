"""Several whole gateways with one real directory, with real clients before them and one set of services behind."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from quicgw_fast import backend as backends
from quicgw_fast import config as configs
from quicgw_fast.addresses import join_address
from quicgw_fast.config import split_address
from quicgw_fast.gateway import Gateway
from tests.support import raw_client
from tests.support.pages import readiness
from tests.support.raw_upstream import RawPusher, RawUpstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

LEASE = 3.0
"""Seconds; all nodes of a test share its loop, which may stand still for a while on a busy machine."""


class Nodes:
    """``gateways`` by their number; ``service`` is behind all of them."""

    def __init__(
        self,
        parts: Parts,
        certificate: tuple[Path, Path],
        url: str,
        count: int = 2,
        *,
        stoppable: bool = False,
        **tables: Any,
    ) -> None:
        """With ``stoppable`` they stop when an operator wants it."""
        self._parts = parts
        self._certificate = certificate
        self._url = url
        self._count = count
        self._stoppable = stoppable
        self._tables = tables
        self.service = RawUpstream("service")
        self.gateways: list[Gateway] = []
        self.pushers: list[RawPusher] = []
        self.stopping: list[asyncio.Task[None]] = []
        """Of those that an operator wants to stop."""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Nodes:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.service)
            for number in range(self._count):
                await self._add(number, stack)
            await self._all_ready()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def add(self) -> int:
        """One more gateway; its number."""
        await self._add(len(self.gateways), self._stack)
        return len(self.gateways) - 1

    async def client(self, node: int) -> RawClient:
        """A connection to a node."""
        client = await raw_client.connect(*split_address(self.gateways[node].addresses.quic))
        self._stack.push_async_callback(client.bury)
        return client

    async def online(self, node: int, openid: str) -> RawClient:
        """A client that is logged in there."""
        client = await self.client(node)
        answer = await client.start(openid)
        assert answer.success, answer
        await client.hello()
        return client

    def count(self, node: int, name: str) -> int:
        """A counter of a node."""
        found = self.gateways[node].stats()["counters"][name]
        assert isinstance(found, int)
        return found

    async def _add(self, number: int, stack: contextlib.AsyncExitStack) -> None:
        end = partial(self._stop, number) if self._stoppable else None
        gateway = Gateway(self._config(number), engine=backends.load(self._parts.engine), dev=True, end=end)
        self.gateways.append(await stack.enter_async_context(gateway))
        self.pushers.append(await stack.enter_async_context(RawPusher(gateway.addresses.grpc)))

    def _stop(self, number: int) -> None:
        self.stopping.append(asyncio.create_task(self.gateways[number].stop()))

    async def _all_ready(self) -> None:
        async with asyncio.timeout(20):
            for gateway in self.gateways:
                while (await readiness(gateway.addresses.admin))[0] != 200:
                    await asyncio.sleep(0.02)

    def _config(self, number: int) -> configs.Config:
        free, address = join_address("127.0.0.1", 0), [self.service.address]
        tables: dict[str, Any] = {
            "server": {"quic": free, "grpc": free, "admin": free},
            "tls": dict(zip(("cert", "key"), self._certificate, strict=True)),
            "upstream": {"hello": address, "business": address, "zone": address},
            "cluster": {"url": self._url, "lease": LEASE, "node_id": f"node-{number}"},
            "drain": {"delay": 0},
            "processor": {"drain_timeout": 1.0},
        }
        for name, table in (*self._parts.tables.items(), *self._tables.items()):
            tables.setdefault(name, {}).update(table)
        return configs.Config.model_validate(tables)
