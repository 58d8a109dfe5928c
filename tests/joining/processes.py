"""Gateways as processes with one directory, of which one may be killed or stopped, and clients that come back."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.support import raw_client
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.pages import readiness
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

LEASE = 2.0


class Processes:
    """Gateways, and the service behind them."""

    def __init__(self, begin: Callable[[int], Awaitable[GatewayProcess]], service: RawUpstream) -> None:
        """``begin`` starts the gateway of that number."""
        self._begin = begin
        self.nodes: list[GatewayProcess] = []
        self.service = service
        self.clients: list[RawClient] = []

    async def add(self, count: int = 1) -> int:
        """So many more; the number of the last one, when all of them take clients."""
        new = range(len(self.nodes), len(self.nodes) + count)
        self.nodes += await asyncio.gather(*map(self._begin, new))
        async with asyncio.timeout(20):
            for node in self.nodes:
                while (await readiness(node.ready.admin))[0] != 200:
                    await asyncio.sleep(0.05)
        return len(self.nodes) - 1

    async def connect(self, node: int) -> RawClient:
        client = await raw_client.connect(*self.nodes[node].ready.quic)
        self.clients.append(client)
        return client

    async def online(self, node: int, openid: str) -> RawClient:
        client = await self.connect(node)
        assert (await client.start(openid)).success
        await client.hello()
        return client

    async def comes_back(self, node: int, before: RawClient, last: int) -> RawClient:
        """Come for a session until it is decided what becomes of it."""
        assert before.started is not None
        async with asyncio.timeout(20):
            while True:
                client = await self.connect(node)
                answer = await client.start(before.openid, "", last, before.started.connection_id, before.started.epoch)
                if answer.success:
                    return client
                assert answer.error.error_code == 503, answer.error
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def two_processes(
    certificate: tuple[Path, Path], url: str, folder: Path, parts: Parts, cluster: str = ""
) -> AsyncIterator[Processes]:
    """Start them; ``cluster`` are lines of their table of that name."""
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(RawUpstream())

        async def begin(number: int) -> GatewayProcess:
            (own := folder / str(number)).mkdir()
            tables = f'[cluster]\nurl = "{url}"\nlease = {LEASE}\nnode_id = "node-{number}"\n{cluster}\n'
            config = write_config(own, certificate, service.address, f"{tables}[processor]\ndrain_timeout = 1\n")
            return await stack.enter_async_context(GatewayProcess.serve(config, parts=parts))

        processes = Processes(begin, service)
        await processes.add(2)
        yield processes
        for client in processes.clients:
            await client.bury()
