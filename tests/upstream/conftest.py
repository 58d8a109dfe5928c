"""A caller in front of real gRPC upstreams, and waiting for what it sees of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from quicgw_fast import completions
from quicgw_fast.clock import SystemClock
from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Gate, Moment
from quicgw_fast.upstream import ServiceMode, Upstream, assemble_upstream, makers
from tests.support.raw_upstream import RawUpstream
from tests.support.upstream_process import upstream_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import CallGate
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from quicgw_fast.upstream import Instance, RoutingMode
    from quicgw_fast.upstream.seam import Channel, OpenChannel

StartProcess = Callable[[int], Awaitable[tuple[asyncio.subprocess.Process, str]]]
"""Starts an upstream in a process of its own, on that port."""
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


@pytest_asyncio.fixture
async def start_process() -> AsyncIterator[StartProcess]:
    """Start upstreams in their own processes, return each when it listens, and kill what is left after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(port: int) -> tuple[asyncio.subprocess.Process, str]:
            return await stack.enter_async_context(upstream_process(port))

        yield start


@pytest.fixture(params=makers.MAKERS)
def open_channel(request: pytest.FixtureRequest) -> OpenChannel:
    """How a channel is made: whatever is tested through it holds for every maker."""
    return makers.load(request.param).open_channel


def side_of(
    config: UpstreamConfig,
    mode: RoutingMode = ALL_TO_HELLO,
    *,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    open_channel: OpenChannel | None = None,
    gate: CallGate | None = None,
    abreast: int = 100,
    hello: bool = True,
) -> Upstream:
    """The upstream side of a gateway, which dials already; whoever makes it closes its channels."""
    maker = makers.load(makers.DEFAULT)
    side = assemble_upstream(
        mode,
        config,
        clock or SystemClock(),
        metrics or Metrics(),
        open_channel=open_channel or maker.open_channel,
        gate=gate or Gate(Moment.CALL, [], Metrics()),
        abreast=abreast,
        hello=hello,
    )
    side.start()
    return side


@pytest_asyncio.fixture
async def side_for(open_channel: OpenChannel) -> AsyncIterator[Callable[..., Upstream]]:
    """Make sides whose hello service has the given addresses, and close them when the test is over.

    Nothing may be left running then but what ran before and the test itself.
    """
    before = asyncio.all_tasks()
    made = []

    def make(*addresses: str, metrics: Metrics | None = None, **settings: float) -> Upstream:
        config = UpstreamConfig(hello=addresses, **settings)  # type: ignore[arg-type]
        made.append(side_of(config, metrics=metrics, open_channel=open_channel))
        return made[-1]

    yield make
    for side in made:
        await side.close()
    left = {task for task in asyncio.all_tasks() - before if "upstream" in task.get_name()}
    assert not left


async def call_over(channel: Channel, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
    """Call over one channel, and wait for the answer."""
    return await completions.result(partial(channel.begin, request, timeout))


async def until(condition: Callable[[], object], within: float = 20.0) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


async def until_health(instance: Instance, healthy: bool) -> None:
    await until(lambda: instance.healthy is healthy)


def up(instance: Instance) -> None:
    """Have it connected, as its channel would."""
    instance.connected = instance.healthy = instance.tried = instance.reached = True


def down(instance: Instance, since: float = 0.0) -> None:
    """Have an attempt to connect failed."""
    instance.connected = instance.healthy = False
    instance.tried = True
    instance.down_since = since


def under_way(metrics: Metrics) -> dict[str, float]:
    """The calls under way of each service that has any."""
    now = {service: metrics.count("upstream_under_way", service) for service in ALL_TO_HELLO.services}
    return {service: count for service, count in now.items() if count}
