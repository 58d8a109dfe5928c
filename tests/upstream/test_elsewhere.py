"""A call that was never sent is tried once at another instance; one that may have run is never made again."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.observe import Metrics
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import UpstreamFailed
from tests.support import strangers
from tests.support.raw_upstream import Rejected
from tests.upstream.conftest import StartProcess, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    SideFor = Callable[..., Upstream]
    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")


async def test_where_nothing_listens_the_call_goes_to_another(upstream: Start, side_for: SideFor) -> None:
    server, metrics = await upstream(), Metrics()
    with strangers.nothing() as address:
        side = side_for(address, server.address, metrics=metrics)
        assert (await side.caller.call(REQUEST, 5.0)).code == 200
    refused, answered = side.directory.instances()
    assert (refused.failures, answered.failures, len(server.seen)) == (1, 0, 1)
    assert metrics.count("upstream_elsewhere") == 1
    assert metrics.count("upstream_failures") == 0, "who asked for the call noticed nothing"


async def test_it_is_tried_once_and_then_the_failure_is_told(side_for: SideFor) -> None:
    metrics = Metrics()
    with strangers.nothing() as one, strangers.nothing() as two, strangers.nothing() as three:
        side = side_for(one, two, three, metrics=metrics)
        with pytest.raises(UpstreamFailed) as caught:
            await side.caller.call(REQUEST, 5.0)
    assert caught.value.code == 500
    assert sum(each.calls for each in side.directory.instances()) == 2
    assert metrics.count("upstream_failures") == 1


async def test_alone_there_is_no_elsewhere(side_for: SideFor) -> None:
    metrics = Metrics()
    with strangers.nothing() as address:
        side = side_for(address, metrics=metrics)
        with pytest.raises(UpstreamFailed):
            await side.caller.call(REQUEST, 5.0)
    assert (metrics.count("upstream_elsewhere"), metrics.count("upstream_failures")) == (0, 1)


async def test_a_call_under_way_at_one_that_dies_is_never_made_again(
    upstream: Start, start_process: StartProcess, side_for: SideFor
) -> None:
    """The request is in the process's socket when it dies: nobody knows how far it came."""
    other, metrics = await upstream(), Metrics()
    process, address = await start_process(0)
    side = side_for(address, other.address, metrics=metrics)
    dying = side.directory.instances()[0]
    await until(lambda: all(each.connected for each in side.directory.instances()))
    process.send_signal(signal.SIGSTOP)
    calls = [asyncio.create_task(side.caller.call(REQUEST, 20.0)) for _ in range(8)]
    await until(lambda: dying.in_flight == 4)
    await until(lambda: len(other.seen) == 4)
    await asyncio.sleep(0.1)  # time for the requests to leave the process, which nothing announces
    process.kill()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, UpstreamFailed)]
    assert [(error.code, error.never_sent) for error in failed] == [(500, False)] * 4
    assert len(other.seen) == 4
    assert metrics.count("upstream_elsewhere") == 0


async def test_a_service_that_passes_on_that_it_reached_nobody_did_look_at_the_call(
    upstream: Start, side_for: SideFor
) -> None:
    server, other = await upstream(), await upstream()
    runs = 0

    async def pass_on(_: UpstreamRequest) -> UpstreamResponse:
        nonlocal runs
        runs += 1
        why = "ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused"
        raise Rejected(grpc.StatusCode.UNAVAILABLE, f"failed to connect to all addresses; last error: UNKNOWN: {why}")

    server.on("x", pass_on)
    other.on("x", pass_on)
    side = side_for(server.address, other.address)
    with pytest.raises(UpstreamFailed) as caught:
        await side.caller.call(REQUEST, 5.0)
    assert not caught.value.never_sent
    assert runs == 1
