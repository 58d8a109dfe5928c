"""Several gateways with one directory, a process each, for what a cluster costs."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benches.compiled import services
from benches.gateways import NO_LIMITS, Combination, gateway
from benches.marks.load import Gateway
from tests.support.directory_server import DirectoryServer
from tests.support.pages import readiness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

LEASE = 3.0
"""Seconds."""


@asynccontextmanager
async def directory() -> AsyncIterator[DirectoryServer]:
    """Run a Valkey of its own."""
    server = DirectoryServer("valkey", durable=False)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def cluster(combination: Combination, count: int, **cluster: Any) -> AsyncIterator[list[Gateway]]:
    """Run so many gateways that are ready; ``cluster`` is more of that table of their configuration."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, upstreams = await stack.enter_async_context(directory()), await stack.enter_async_context(services())
        nodes = []
        for number in range(count):
            (its := folder / f"node-{number}").mkdir()
            table = {"url": server.url, "node_id": f"node-{number}", "lease": f"{LEASE}s", **cluster}
            run = gateway(combination, its, upstreams, limits=NO_LIMITS, cluster=table)
            nodes.append(Gateway(*await stack.enter_async_context(run)))
        async with asyncio.timeout(30):
            for node in nodes:
                while (await readiness(node.addresses["admin"]))[0] != 200:
                    await asyncio.sleep(0.05)  # another process becomes ready
        yield nodes
