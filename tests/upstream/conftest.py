"""A caller in front of real gRPC upstreams, and waiting for what it sees of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from quicgw_fast.config import RoutingConfig
from quicgw_fast.upstream import SERVICES, BalancingCaller, Directory, ServiceMode, makers
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from quicgw_fast.upstream import Instance
    from quicgw_fast.upstream.seam import OpenChannel

ALL_TO_HELLO = ServiceMode(RoutingConfig(replace_defaults=True, default="hello"))
"""A routing for those who do not care what an action is called."""


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Callable[[], Awaitable[RawUpstream]]]:
    """Start upstreams, and stop them when the test is over."""
    started = []

    async def start() -> RawUpstream:
        server = RawUpstream()
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.fixture(params=makers.MAKERS)
def open_channel(request: pytest.FixtureRequest) -> OpenChannel:
    """How a channel is made: whatever is tested through it holds for every maker."""
    return makers.load(request.param).open_channel


@pytest_asyncio.fixture
async def caller_for(open_channel: OpenChannel) -> AsyncIterator[Callable[..., BalancingCaller]]:
    """Make callers whose hello service has the given addresses, and close them when the test is over.

    Nothing may be left running then but what ran before and the test itself.
    """
    before = asyncio.all_tasks()
    made = []

    def make(*addresses: str, **options: int) -> BalancingCaller:
        directory = Directory(SERVICES)
        for address in addresses:
            directory.add("hello", address)
        made.append(BalancingCaller(ALL_TO_HELLO, directory, open_channel=open_channel, **options).start())
        return made[-1]

    yield make
    for caller in made:
        await caller.close()
    left = {task for task in asyncio.all_tasks() - before if "upstream" in task.get_name()}
    assert not left


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


async def until_health(instance: Instance, healthy: bool) -> None:
    await until(lambda: instance.healthy is healthy)
